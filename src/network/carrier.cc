#include "normgraft/network/carrier.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "class_metric.h"
#include "normgraft/core/require.h"
#include "normgraft/network/batches.h"
#include "normgraft/network/first_carrier.h"
#include "normgraft/network/kernels.h"
#include "normgraft/network/stream.h"
#include "token_rows.h"

namespace normgraft {
namespace {

constexpr double kRatioPerRoot =
    4;  ///< of the root of D, which |y| does not exceed: x stays within a quarter of the mean
constexpr double kLeast = 0.1;    ///< of the ratio: below, the logarithm goes on straight
constexpr size_t kByClasses = 3;  ///< of the last writers, what tells is fitted in the metric of classes
constexpr double kMargin = 0.1;   ///< of the range of r seen, on either side

/// Adds what a line says to the outputs of a Linear; a line of one output to all of them.
void add_to_linear(Tensors& tensors, const LinearNames& names, const Line& line) {
  Tensor& weight = tensors.at(names.weight);
  Tensor& bias = tensors[names.bias];
  if (!bias.defined()) bias = at::zeros({weight.size(0)});
  weight = weight + line.slopes;
  bias = bias + line.intercept;
}

/// A line of one output as one of D outputs that says it in channel 0 and nothing in the others.
Line in_channel_0(const Line& line, int64_t channels) {
  return {at::constant_pad_nd(line.slopes, {0, 0, 0, channels - 1}),
          at::constant_pad_nd(line.intercept, {0, channels - 1})};
}

/// One network on its way from site to site.
class Walk {
 public:
  Walk(Network& network, const WalkImages& images, const CarrierOptions& options)
      : network_(network),
        options_(options),
        fitted_(images.fit.size(0)),
        metric_(class_metric(network)),
        x_(enter(network, images)) {}

  /// The stream at the first site, of the pictures to fit to and then those to choose by.
  static Tensor enter(const Network& network, const WalkImages& images) {
    const auto entered = [&](const Tensor& some) {
      return over_pictures(some, [&](const Tensor& few) { return network.enter(few); });
    };
    const Tensor x = entered(images.fit);
    return images.choose.defined() ? at::cat({x, entered(images.choose)}) : x;
  }

  /// The stream behind a site, of a network that is left alone.
  static Tensor advance(const Network& network, size_t site, const Tensor& x) {
    return over_pictures(x, [&](const Tensor& some) { return network.pass(site, some); });
  }

  /// Passes a site and rewrites the Linear behind it, if there is one; `wanted` is the teacher's stream
  /// there, or undefined.
  void pass(size_t site, const Tensor& wanted) {
    if (!network_.writes_behind(site)) {
      x_ = advance(network_, site, x_);
      return;
    }
    const Site& behind = network_.sites()[site + 1];
    const LinearNames& writer = behind.writer->linear;
    const SiteCosts costs = options_.costs.empty() ? SiteCosts{} : options_.costs[site + 1];
    const Tensor input =
        over_pictures(x_, [&](const Tensor& some) { return network_.step(site, some).branch; });
    Tensor next = x_ + linear(network_.tensors(), writer, input);
    const TokenRows tokens(x_.size(0), x_.size(1), network_.architecture().prefix_tokens(), site);
    const Tensor rows = tokens.rows(input);
    if (wanted.defined()) {
      const Carried& carried = behind.carried;
      const Tensor weight = tokens.weights(costs.stream, x_.size(0), spread(behind, next));
      const Line line = regress(rows, weight, tokens.rows(without_told(carried, wanted - next)));
      add_to_linear(network_.tensors(), writer,
                    {without_told(carried, line.slopes.t()).t(), without_told(carried, line.intercept)});
      next = x_ + linear(network_.tensors(), writer, input);
    }
    if (behind.pooled) {  // the last site: nothing follows
      const Architecture& architecture = network_.architecture();
      const Tensor pictures = architecture.pool(next);
      const Tensor weight = behind.carried.channel ? at::ones({pictures.size(0)})
                                                   : spread(behind, pictures).square().reciprocal();
      tell(site + 1, pictures, architecture.pool(input), weight, missing(behind, pictures));
      return;
    }
    const Tensor relative = behind.carried.channel ? Tensor() : spread(behind, next);
    tell(site + 1, next, rows, tokens.weights(costs.scale, x_.size(0), relative),
         tokens.rows(missing(behind, next)));
    x_ = x_ + linear(network_.tensors(), writer, input);
  }

 private:
  /// The rows [R, d] of all pictures, those to choose by behind the others.
  Line regress(const Tensor& rows, const Tensor& weight, const Tensor& targets) const {
    const int64_t fitted = rows.size(0) / x_.size(0) * fitted_;
    const auto part = [&](const Tensor& all, int64_t from, int64_t to) { return all.slice(0, from, to); };
    const Regression regression({part(rows, 0, fitted), part(weight, 0, fitted)});
    const Tensor own = part(targets, 0, fitted);
    const int64_t all = rows.size(0);
    if (fitted == all) return regression.with_damping(own, options_.damping);
    return regression.chosen_by(own, {part(rows, fitted, all), part(weight, fitted, all)},
                                part(targets, fitted, all));
  }

  bool by_classes(size_t site) const {
    const Site& told = network_.sites()[site];
    return metric_.defined() && told.carried.channel && !told.pooled &&
           site + kByClasses >= network_.sites().size();
  }

  /// regress() on what the writer adds to the stream, in the metric of classes.
  Line regress_by_classes(const LinearNames& writer, const Tensor& rows, const Tensor& weight,
                          const Tensor& targets) const {
    const Tensor written = without_carrier(network_.tensors().at(writer.weight).t()).t();
    const Tensor to_metric = metric_.t().matmul(written);  // [D, in]
    const Line line = regress(linear(rows, to_metric, Tensor()), weight, targets);
    return {line.slopes.matmul(to_metric), line.intercept};
  }

  /// Lets the writer ahead of a site tell the spread there, from what it misses at each row [R, 1].
  void tell(size_t site, const Tensor& x, const Tensor& rows, const Tensor& weight, const Tensor& targets) {
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
      carried.ratio = carrier_ratio(options_, network_.sites()[site].channels);
    }
    network_.set_carried(site, carried);
  }

  /// What the carrier of each token lacks at a site: [..., 1].
  Tensor missing(const Site& site, const Tensor& x) const {
    const Tensor s = spread(site, x);
    const Tensor lacks = site.carried.channel ? s.log() - x.select(-1, 0)
                                              : carrier_ratio(options_, site.channels) * s - x.mean(-1);
    return lacks.unsqueeze(-1);
  }

  Network& network_;
  const CarrierOptions& options_;
  int64_t fitted_;
  Tensor metric_;  // class_metric()
  Tensor x_;
};

void check(const Network& network, const CarrierOptions& options) {
  require(options.damping > 0, "carrier", "damping", options.damping, "a number above 0");
  require(options.costs.empty() || options.costs.size() == network.sites().size(), "carrier", "costs",
          options.costs.size(), "one for each site, or none");
  if (!hides_mean(network)) {
    throw InputError("carrier: the mean of a token is seen by a norm of " + network.architecture().name() +
                     ", expected a network of LayerNorms ahead of their branches");
  }
}

/// Gives a network of norms its norms back at the end, whatever ends the work.
class NormsAtTheEnd {
 public:
  explicit NormsAtTheEnd(Network& network) : network_(network) {}
  NormsAtTheEnd(const NormsAtTheEnd&) = delete;
  NormsAtTheEnd& operator=(const NormsAtTheEnd&) = delete;
  ~NormsAtTheEnd() {
    for (size_t site = 0; site < network_.sites().size(); ++site) network_.set_normalizer(site, {});
  }

 private:
  Network& network_;
};

}  // namespace

double carrier_ratio(const CarrierOptions& options, int64_t channels) {
  const double root = std::sqrt(static_cast<double>(channels));
  if (options.ratio == 0) return kRatioPerRoot * root;
  require(options.ratio > root, "carrier", "ratio", options.ratio,
          "more than the root of the number of channels, or 0");
  return options.ratio;
}

Tensor carried_offset(const Tensor& x, double ratio) {
  return ratio * (x.mean(-1, true) / ratio).clamp_min(kLeast).log();
}

Tensor carried_log(const Tensor& x, double ratio) {
  const Tensor part = x / ratio;
  return ratio * (part.clamp_min(kLeast).log() + (part - kLeast).clamp_max(0) / kLeast);
}

Tensor told(const Carried& carried, const Tensor& x) {
  return x.slice(-1, 0, 1).clamp(carried.low, carried.high);
}

Tensor without_told(const Carried& carried, const Tensor& x) {
  return carried.channel ? without_carrier(x) : without_mean(x);
}

Carried with_range(Carried carried, const Tensor& r) {
  const double low = r.min().item<double>(), high = r.max().item<double>();
  const double margin = kMargin * std::max(high - low, 0.1);
  carried.low = low - margin;
  carried.high = high + margin;
  return carried;
}

void carry_scale(Network& network, const WalkImages& images, const CarrierOptions& options,
                 const Network* teacher, Monitor& monitor) {
  check(network, options);
  const at::NoGradGuard no_grad;
  Walk walk(network, images, options);
  Tensor expected;
  if (teacher != nullptr) expected = Walk::enter(*teacher, images);
  const size_t count = network.sites().size();
  for (size_t site = 0; site + 1 < count; ++site) {
    monitor.check();
    if (teacher != nullptr) expected = Walk::advance(*teacher, site, expected);
    walk.pass(site, expected);
    monitor.progress("carry scale", static_cast<int64_t>(site) + 2, static_cast<int64_t>(count), "sites");
  }
}

void let_mean_carry_scale(Network& network, const WalkImages& images, const CarrierOptions& options,
                          Monitor& monitor) {
  check(network, options);
  centre_stream(network);
  blind_to_mean(network);
  const NormsAtTheEnd guard(network);
  for (size_t site = 0; site < network.sites().size(); ++site) {
    if (!network.sites()[site].writer) continue;
    const double ratio = carrier_ratio(options, network.sites()[site].channels);
    network.set_normalizer(site, [ratio](const Tensor& x) { return without_mean(carried_log(x, ratio)); });
  }
  carry_scale(network, images, options, nullptr, monitor);
}

void let_channel_carry_scale(Network& network, const WalkImages& images, const CarrierOptions& options,
                             Monitor& monitor) {
  check(network, options);
  free_channel(network);
  tell_first_spread(network, images, options);
  const NormsAtTheEnd guard(network);
  for (size_t site = 0; site < network.sites().size(); ++site) {
    network.set_normalizer(site, [&network, site](const Tensor& x) {
      return x * (-told(network.sites()[site].carried, x)).exp();
    });
  }
  carry_scale(network, images, options, nullptr, monitor);
}

}  // namespace normgraft
