#include "carrier_walk.h"

#include <ATen/ATen.h>

#include <limits>
#include <utility>

#include "class_metric.h"
#include "mixed_tokens.h"
#include "normgraft/network/batches.h"
#include "normgraft/network/kernels.h"
#include "normgraft/network/stream.h"

namespace normgraft {
namespace {

constexpr size_t kByClasses = 3;   ///< of the last writers, what tells is fitted in the metric of classes
constexpr int64_t kPerClass = 10;  ///< pictures: with more of each class, no metric is needed
constexpr uint64_t kSeedOfUnits = 1;
constexpr uint64_t kAttempts = 4;  ///< to train units where few classes are shown
constexpr int64_t kMixed = 12000;  ///< tokens

/// Adds what a line says to the outputs of a Linear; a line of one output to all of them. A line of fewer
/// inputs says nothing of the last ones.
void add_to_linear(Tensors& tensors, const LinearNames& names, const Line& line) {
  Tensor& weight = tensors.at(names.weight);
  Tensor& bias = tensors[names.bias];
  if (!bias.defined()) bias = at::zeros({weight.size(0)});
  weight = weight + at::constant_pad_nd(line.slopes, {0, weight.size(1) - line.slopes.size(1)});
  bias = bias + line.intercept;
}

/// A line of one output as one of D outputs that says it in channel 0 and nothing in the others.
Line in_channel_0(const Line& line, int64_t channels) {
  return {at::constant_pad_nd(line.slopes, {0, 0, 0, channels - 1}),
          at::constant_pad_nd(line.intercept, {0, channels - 1})};
}

/// The units of r at a writer, as they are.
Units units_of(const Tensors& tensors, const Writer& writer, int64_t count) {
  const auto last = [&](const Tensor& tensor, int64_t dimension) {
    return tensor.slice(dimension, tensor.size(dimension) - count);
  };
  const LinearNames& first = writer.hidden->linear;
  return {last(tensors.at(first.weight), 0), last(tensors.at(first.bias), 0),
          last(tensors.at(writer.linear.weight)[0], 0)};
}

/// Puts others in their place.
void set_units(Tensors& tensors, const Writer& writer, const Units& units) {
  const auto put = [](Tensor& tensor, const Tensor& last) {
    tensor = at::cat({tensor.slice(0, 0, tensor.size(0) - last.size(0)), last});
  };
  put(tensors.at(writer.hidden->linear.weight), units.weight);
  put(tensors.at(writer.hidden->linear.bias), units.bias);
  Tensor& second = tensors.at(writer.linear.weight);
  Tensor of_r = second[0];
  put(of_r, units.out);
  second = at::cat({of_r.unsqueeze(0), second.slice(0, 1)});
  Tensor& bias = tensors.at(writer.linear.bias);
  bias = at::cat({bias.slice(0, 0, 1) + units.offset, bias.slice(0, 1)});
}

}  // namespace

CarrierWalk::CarrierWalk(Network& network, const WalkImages& images, const CarrierOptions& options)
    : network_(network), options_(options), fitted_(images.fit.size(0)), x_(enter(network, images)) {
  if (fitted_ < kPerClass * network.classes()) metric_ = class_metric(network);
}

Tensor CarrierWalk::enter(const Network& network, const WalkImages& images) {
  const auto entered = [&](const Tensor& some) {
    return over_pictures(some, [&](const Tensor& few) { return network.enter(few); });
  };
  const Tensor x = entered(images.fit);
  return images.choose.defined() ? at::cat({x, entered(images.choose)}) : x;
}

Tensor CarrierWalk::advance(const Network& network, size_t site, const Tensor& x) {
  return over_pictures(x, [&](const Tensor& some) { return network.pass(site, some); });
}

void CarrierWalk::pass(size_t site, const Tensor& wanted) {
  if (!network_.writes_behind(site)) {
    x_ = advance(network_, site, x_);
    return;
  }
  const Site& behind = network_.sites()[site + 1];
  const LinearNames& writer = behind.writer->linear;
  const Tensor input =
      over_pictures(x_, [&](const Tensor& some) { return network_.step(site, some).branch; });
  const auto written = [&] { return x_ + linear(network_.tensors(), writer, input); };
  const TokenRows tokens(x_.size(0), x_.size(1), network_.architecture().prefix_tokens(), site);
  const Rows rows{tokens, tokens.rows(input.slice(-1, 0, input.size(-1) - behind.carried.units))};
  if (wanted.defined()) draw(site + 1, rows, written(), wanted);
  const Tensor next = written();
  if (behind.pooled) {  // the last site: nothing follows
    tell_pooled(site + 1, next, input);
    return;
  }
  const SiteCosts costs = options_.costs.empty() ? SiteCosts{} : options_.costs[site + 1];
  const Tensor relative = behind.carried.channel ? Tensor() : spread(behind, next);
  const Tensor weight = tokens.weights(costs.scale, x_.size(0), relative);
  const Tensor targets = tokens.rows(missing(behind, next));
  tell(site + 1, next, rows.inputs, weight, targets);
  x_ = behind.carried.units > 0 ? with_units_taught(site + 1, tokens, weight, written()) : written();
}

/// Draws what the writer ahead of a site writes to the teacher's stream, the carrier apart. `next` is the
/// stream that the writer makes.
void CarrierWalk::draw(size_t site, const Rows& rows, const Tensor& next, const Tensor& wanted) {
  const Site& behind = network_.sites()[site];
  const SiteCosts costs = options_.costs.empty() ? SiteCosts{} : options_.costs[site];
  const Tensor weight = rows.tokens.weights(costs.stream, x_.size(0), spread(behind, next));
  const Line line =
      regress(rows.inputs, weight, rows.tokens.rows(without_told(behind.carried, wanted - next)));
  add_to_linear(
      network_.tensors(), behind.writer->linear,
      {without_told(behind.carried, line.slopes.t()).t(), without_told(behind.carried, line.intercept)});
}

/// tell() where the last site sees pooled tokens: x is the stream before the pooling, `input` what enters the
/// writer.
void CarrierWalk::tell_pooled(size_t site, const Tensor& x, const Tensor& input) {
  const Site& behind = network_.sites()[site];
  const Architecture& architecture = network_.architecture();
  const Tensor pictures = architecture.pool(x);
  const Tensor weight =
      behind.carried.channel ? at::ones({pictures.size(0)}) : spread(behind, pictures).square().reciprocal();
  const Tensor inputs = input.slice(-1, 0, input.size(-1) - behind.carried.units);
  tell(site, pictures, architecture.pool(inputs), weight, missing(behind, pictures));
}

/// Lets the writer ahead of a site tell the spread there, from what it misses at each row [R, 1].
void CarrierWalk::tell(size_t site, const Tensor& x, const Tensor& rows, const Tensor& weight,
                       const Tensor& targets) {
  Carried carried = network_.sites()[site].carried;
  const LinearNames& writer = network_.sites()[site].writer->linear;
  const Line line =
      by_classes(site) ? regress_by_classes(writer, rows, weight, targets) : regress(rows, weight, targets);
  if (carried.channel) {
    add_to_linear(network_.tensors(), writer, in_channel_0(line, network_.sites()[site].channels));
    if (carried.low == carried.high) {
      carried = with_range(carried, spread(network_.sites()[site], x).slice(0, 0, fitted_).log());
    }
  } else {
    add_to_linear(network_.tensors(), writer, line);
    carried.ratio = ratio(network_.sites()[site]);
  }
  network_.set_carried(site, carried);
}

/// Trains the units of r ahead of a site on what r lacks in the stream there, `next`, at rows of this weight
/// [R]. Where few classes are shown, mixed tokens stand beside those ahead of the patches, and the best of a
/// few trainings counts. Keeps the units where they err less on the pictures to choose by, if there are any.
/// The stream that follows.
Tensor CarrierWalk::with_units_taught(size_t site, const TokenRows& tokens, const Tensor& weight,
                                      const Tensor& next) {
  const Site& behind = network_.sites()[site];
  const std::string& activation = behind.writer->hidden->activation;
  const Tensor z = over_pictures(x_, [&](const Tensor& some) { return given(site - 1, some); });
  const Units before = units_of(network_.tensors(), *behind.writer, behind.carried.units);
  const UnitRows all{tokens.rows(z),
                     tokens.rows(missing(behind, next)).squeeze(-1) + before(activation, tokens.rows(z)),
                     weight};
  const int64_t fitted = fitted_of(weight.size(0));
  UnitRows fit = all.slice(0, fitted);
  const UnitRows choose = all.slice(fitted, weight.size(0));
  if (by_classes(site)) fit = with_mixed_tokens(site, before, std::move(fit));
  const uint64_t attempts = by_classes(site) && choose.weight.size(0) > 0 ? kAttempts : 1;
  Units best = before;
  double least =
      choose.weight.size(0) > 0 ? choose.error(activation, before) : std::numeric_limits<double>::infinity();
  for (uint64_t attempt = 0; attempt < attempts; ++attempt) {
    const Units trained = train_units(fit, before, activation, kSeedOfUnits + attempts * site + attempt);
    const double error = choose.error(activation, trained);
    if (!(error < least)) continue;
    least = error;
    best = trained;
  }
  set_units(network_.tensors(), *behind.writer, best);
  const Tensor told = next.select(-1, 0) + best(activation, z) - before(activation, z);
  return at::cat({told.unsqueeze(-1), next.slice(-1, 1)}, -1);
}

/// What the readers of a site read, but for channel 0.
Tensor CarrierWalk::given(size_t site, const Tensor& x) const {
  return without_carrier(network_.normalised(site, x));
}

/// Rows of tokens ahead of the patches, of the pictures to fit to, and as many times mixed ones beside them;
/// both weigh together what the former did.
UnitRows CarrierWalk::with_mixed_tokens(size_t site, const Units& units, UnitRows rows) const {
  const Site& before = network_.sites()[site - 1];
  const Site& behind = network_.sites()[site];
  const Writer& writer = *behind.writer;
  const int64_t prefix = network_.architecture().prefix_tokens();
  const int64_t of_picture = rows.weight.size(0) / fitted_;
  rows.weight = rows.weight.clone();
  for (int64_t token = 0; token < prefix; ++token) {
    const Tensor own = rows.weight.slice(0, token, c10::nullopt, of_picture);
    own.mul_(0.5);
    const Tensor x = mixed_tokens(before, x_.slice(0, 0, fitted_).select(1, token), kMixed,
                                  kSeedOfUnits + static_cast<uint64_t>(token));
    const Tensor z = given(site - 1, x);
    const Tensor input =
        activate(writer.hidden->activation, linear(network_.tensors(), writer.hidden->linear, z));
    const Tensor next = x + linear(network_.tensors(), writer.linear, input);
    const Tensor wanted = missing(behind, next).squeeze(-1) + units(writer.hidden->activation, z);
    const Tensor weight = at::full({kMixed}, own.sum().item<double>() / static_cast<double>(kMixed));
    rows = {at::cat({rows.z, z}), at::cat({rows.target, wanted}), at::cat({rows.weight, weight})};
  }
  return rows;
}

Line CarrierWalk::regress(const Tensor& rows, const Tensor& weight, const Tensor& targets) const {
  const int64_t all = rows.size(0), fitted = fitted_of(all);
  const auto part = [&](const Tensor& of, int64_t from, int64_t to) { return of.slice(0, from, to); };
  const Regression regression({part(rows, 0, fitted), part(weight, 0, fitted)});
  const Tensor own = part(targets, 0, fitted);
  if (fitted == all) return regression.with_damping(own, options_.damping);
  return regression.chosen_by(own, {part(rows, fitted, all), part(weight, fitted, all)},
                              part(targets, fitted, all));
}

bool CarrierWalk::by_classes(size_t site) const {
  const Site& told = network_.sites()[site];
  return metric_.defined() && told.carried.channel && !told.pooled &&
         site + kByClasses >= network_.sites().size();
}

Line CarrierWalk::regress_by_classes(const LinearNames& writer, const Tensor& rows, const Tensor& weight,
                                     const Tensor& targets) const {
  const Tensor written =
      without_carrier(network_.tensors().at(writer.weight).t()).t().slice(1, 0, rows.size(1));
  const Tensor to_metric = metric_.t().matmul(written);  // [D, in]
  const Line line = regress(linear(rows, to_metric, Tensor()), weight, targets);
  return {line.slopes.matmul(to_metric), line.intercept};
}

double CarrierWalk::ratio(const Site& site) const {
  return site.carried.ratio > 0 ? site.carried.ratio : carrier_ratio(options_, site.channels);
}

Tensor CarrierWalk::missing(const Site& site, const Tensor& x) const {
  const Tensor s = spread(site, x);
  const Tensor lacks = site.carried.channel ? s.log() - x.select(-1, 0) : ratio(site) * s - x.mean(-1);
  return lacks.unsqueeze(-1);
}

}  // namespace normgraft
