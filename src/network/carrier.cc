#include "normgraft/network/carrier.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "normgraft/core/require.h"
#include "normgraft/network/batches.h"
#include "normgraft/network/kernels.h"
#include "normgraft/network/stream.h"

namespace normgraft {
namespace {

constexpr double kRatioPerRoot =
    4;  ///< of the root of D, which |y| does not exceed: x stays within a quarter of the mean
constexpr double kLeast = 0.1;        ///< of the ratio: below, the logarithm goes on straight
constexpr int64_t kRows = 4096;       ///< of a regression, at a time
constexpr double kPrefixShare = 0.1;  ///< of the weight of the patches, for the tokens ahead of them together

/// Of each row [..., D] -> [...].
Tensor spread(const Tensor& x) {
  return without_mean(x).square().mean(-1).sqrt().clamp_min(1e-6);
}

/// Ridge regression of several targets on the same weighted rows; the intercept is free. Works through the
/// rows in parts that stay in cache; `rows` must outlive it.
class Regression {
 public:
  /// rows [R, d], weight [R]
  Regression(const Tensor& rows, const Tensor& weight, double damping)
      : rows_(rows),
        weight_((weight / weight.sum()).unsqueeze(1)),
        mean_(products_with(at::ones({rows.size(0), 1})).squeeze(1)),
        products_(products_with(rows) - at::outer(mean_, mean_)) {
    products_.diagonal().add_(damping * products_.diagonal().mean().clamp_min(1e-30));
  }

  struct Line {
    Tensor slopes;     ///< [t, d]
    Tensor intercept;  ///< [t]
  };

  /// targets [R, t]
  Line operator()(const Tensor& targets) const {
    const Tensor mean = targets.mul(weight_).sum(0, false, at::kDouble);
    const Tensor slopes = at::linalg_solve(products_, products_with(targets) - at::outer(mean_, mean));
    return {slopes.t().to(at::kFloat), (mean - mean_.matmul(slopes)).to(at::kFloat)};
  }

 private:
  /// The weighted sum over rows of row' value: values [R, t] -> [d, t], F64.
  Tensor products_with(const Tensor& values) const {
    Tensor sum = at::zeros({rows_.size(1), values.size(1)}, at::kDouble);
    for (int64_t first = 0; first < rows_.size(0); first += kRows) {
      const auto part = [&](const Tensor& all) {
        return all.slice(0, first, std::min(first + kRows, rows_.size(0)));
      };
      sum += linear(part(rows_).t().contiguous(), (part(values) * part(weight_)).t().contiguous(), Tensor());
    }
    return sum;
  }

  const Tensor& rows_;
  Tensor weight_, mean_, products_;
};

/// Adds what a line says to the outputs of a Linear: slopes [D, d] (or [1, d]: the same for all outputs).
void add_to_linear(Tensors& tensors, const LinearNames& names, const Regression::Line& line) {
  Tensor& weight = tensors.at(names.weight);
  Tensor& bias = tensors[names.bias];
  if (!bias.defined()) bias = at::zeros({weight.size(0)});
  weight = weight + line.slopes;
  bias = bias + line.intercept;
}

/// One network on its way from site to site.
class Walk {
 public:
  Walk(Network& network, const Tensor& images, const CarrierOptions& options)
      : network_(network),
        options_(options),
        x_(over_pictures(images, [&](const Tensor& some) { return network.enter(some); })) {}

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
    const double ratio = carrier_ratio(options_, behind.channels);
    const Tensor input =
        over_pictures(x_, [&](const Tensor& some) { return network_.step(site, some).branch; });
    Tensor next = x_ + linear(network_.tensors(), writer, input);
    const Tensor rows = input.flatten(0, 1);
    const Regression regression(rows, (token_weights(next) / spread(next).square()).flatten(),
                                options_.damping);
    if (wanted.defined()) {
      const auto line = regression(without_mean(wanted - next).flatten(0, 1));
      add_to_linear(network_.tensors(), writer,
                    {without_mean(line.slopes.t()).t(), without_mean(line.intercept)});
      next = x_ + linear(network_.tensors(), writer, input);
    }
    Carried carried = behind.carried;
    carried.ratio = ratio;
    network_.set_carried(site + 1, carried);
    if (behind.pooled) {
      const Architecture& architecture = network_.architecture();
      const Tensor pictures = architecture.pool(next), inputs = architecture.pool(input);
      const Regression by_picture(inputs, spread(pictures).square().reciprocal(), options_.damping);
      add_to_linear(network_.tensors(), writer, by_picture(missing(pictures, ratio)));
      return;  // the last site: nothing follows
    }
    add_to_linear(network_.tensors(), writer, regression(missing(next, ratio)));
    x_ = x_ + linear(network_.tensors(), writer, input);
  }

 private:
  /// What the mean of each token lacks: [R, 1].
  static Tensor missing(const Tensor& x, double ratio) {
    return (ratio * spread(x) - x.mean(-1)).flatten().unsqueeze(1);
  }

  Tensor token_weights(const Tensor& x) const {
    Tensor weight = at::ones({x.size(1)});
    const int64_t prefix = network_.architecture().prefix_tokens();
    if (prefix > 0) {
      const auto patches = static_cast<double>(x.size(1) - prefix);
      weight.slice(0, 0, prefix).fill_(kPrefixShare * patches / static_cast<double>(prefix));
    }
    return weight;
  }

  Network& network_;
  const CarrierOptions& options_;
  Tensor x_;
};

void check(const Network& network, const CarrierOptions& options) {
  require(options.damping > 0, "carrier", "damping", options.damping, "a number above 0");
  if (!hides_mean(network)) {
    throw InputError("carrier: the mean of a token is seen by a norm of " + network.architecture().name() +
                     ", expected a network of LayerNorms ahead of their branches");
  }
}

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

void carry_scale(Network& network, const Tensor& images, const CarrierOptions& options,
                 const Network* teacher, Monitor& monitor) {
  check(network, options);
  const at::NoGradGuard no_grad;
  Walk walk(network, images, options);
  Tensor expected;
  if (teacher != nullptr) {
    expected = over_pictures(images, [&](const Tensor& some) { return teacher->enter(some); });
  }
  const size_t count = network.sites().size();
  for (size_t site = 0; site + 1 < count; ++site) {
    monitor.check();
    if (teacher != nullptr) expected = Walk::advance(*teacher, site, expected);
    walk.pass(site, expected);
    monitor.progress("carry scale", static_cast<int64_t>(site) + 2, static_cast<int64_t>(count), "sites");
  }
}

void let_mean_carry_scale(Network& network, const Tensor& images, const CarrierOptions& options,
                          Monitor& monitor) {
  check(network, options);
  centre_stream(network);
  blind_to_mean(network);
  for (size_t site = 0; site < network.sites().size(); ++site) {
    if (!network.sites()[site].writer) continue;
    const double ratio = carrier_ratio(options, network.sites()[site].channels);
    network.set_normalizer(site, [ratio](const Tensor& x) { return without_mean(carried_log(x, ratio)); });
  }
  carry_scale(network, images, options, nullptr, monitor);
  for (size_t site = 0; site < network.sites().size(); ++site) network.set_normalizer(site, {});
}

}  // namespace normgraft
