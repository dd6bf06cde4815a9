#include "normgraft/vit/carrier.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels.h"
#include "normgraft/core/require.h"
#include "normgraft/vit/batches.h"
#include "normgraft/vit/stream.h"

namespace normgraft {
namespace {

constexpr double kRatioPerRoot =
    4;  ///< of the root of D, which |y| does not exceed: x stays within a quarter of the mean
constexpr double kLeast = 0.1;        ///< of the ratio: below, the logarithm goes on straight
constexpr int64_t kRows = 4096;       ///< of a regression, at a time
constexpr double kPrefixShare = 0.1;  ///< of the weight of the patches, for the tokens ahead of them together

/// body(images of a few pictures) -> [b, N, d], for all pictures, on LibTorch's threads.
template <typename Body>
torch::Tensor over_pictures(const torch::Tensor& images, const Body& body) {
  const auto chunks = images.split(kChunk);
  std::vector<torch::Tensor> parts(chunks.size());
  parallel(chunks.size(), [&](size_t i) {
    const torch::NoGradGuard no_grad;  // LibTorch's threads do not inherit the caller's
    parts[i] = body(chunks[i]);
  });
  return torch::cat(parts);
}

/// Of each row [..., D] -> [...].
torch::Tensor spread(const torch::Tensor& x) {
  return without_mean(x).square().mean(-1).sqrt().clamp_min(1e-6);
}

/// Ridge regression of several targets on the same weighted rows; the intercept is free. Works through the
/// rows in parts that stay in cache; `rows` must outlive it.
class Regression {
 public:
  /// rows [R, d], weight [R]
  Regression(const torch::Tensor& rows, const torch::Tensor& weight, double damping)
      : rows_(rows),
        weight_((weight / weight.sum()).unsqueeze(1)),
        mean_(products_with(torch::ones({rows.size(0), 1})).squeeze(1)),
        products_(products_with(rows) - torch::outer(mean_, mean_)) {
    products_.diagonal().add_(damping * products_.diagonal().mean().clamp_min(1e-30));
  }

  struct Line {
    torch::Tensor slopes;     ///< [t, d]
    torch::Tensor intercept;  ///< [t]
  };

  /// targets [R, t]
  Line operator()(const torch::Tensor& targets) const {
    const torch::Tensor mean = targets.mul(weight_).sum(0, false, torch::kFloat64);
    const torch::Tensor slopes =
        at::linalg_solve(products_, products_with(targets) - torch::outer(mean_, mean));
    return {slopes.t().to(torch::kFloat32), (mean - mean_.matmul(slopes)).to(torch::kFloat32)};
  }

 private:
  /// The weighted sum over rows of row' value: values [R, t] -> [d, t], F64.
  torch::Tensor products_with(const torch::Tensor& values) const {
    torch::Tensor sum = torch::zeros({rows_.size(1), values.size(1)}, torch::kFloat64);
    for (int64_t first = 0; first < rows_.size(0); first += kRows) {
      const auto part = [&](const torch::Tensor& all) {
        return all.slice(0, first, std::min(first + kRows, rows_.size(0)));
      };
      sum += linear(part(rows_).t().contiguous(), (part(values) * part(weight_)).t().contiguous(),
                    torch::Tensor());
    }
    return sum;
  }

  const torch::Tensor& rows_;
  torch::Tensor weight_, mean_, products_;
};

/// Adds what a line says to the outputs of a Linear: slopes [D, d] (or [1, d]: the same for all outputs).
void add_to_linear(Vit& vit, const std::string& name, const Regression::Line& line) {
  torch::Tensor& weight = vit.tensors().at(name + ".weight");
  torch::Tensor& bias = vit.tensors().at(name + ".bias");
  weight = weight + line.slopes;
  bias = bias + line.intercept;
}

/// One network on its way from site to site.
class Walk {
 public:
  Walk(Vit& vit, const torch::Tensor& images, const CarrierOptions& options)
      : vit_(vit),
        ratio_(carrier_ratio(options, vit.config().channels)),
        damping_(options.damping),
        x_(over_pictures(images, [&](const torch::Tensor& some) { return vit.enter(some); })) {}

  /// The stream behind a site of a block, of a network that is left alone.
  static torch::Tensor advance(const Vit& vit, size_t site, const torch::Tensor& x) {
    const std::string& writer = vit.sites()[site + 1].previous_linear;
    const Tensors& t = vit.tensors();
    return over_pictures(x, [&](const torch::Tensor& some) {
      return some + linear(vit.branch(site, some), t.at(writer + ".weight"), t.at(writer + ".bias"));
    });
  }

  /// Passes a site and rewrites the Linear behind it; `wanted` is the teacher's stream there, or undefined.
  void pass(size_t site, const torch::Tensor& wanted) {
    const std::string& writer = vit_.sites()[site + 1].previous_linear;
    const torch::Tensor input =
        over_pictures(x_, [&](const torch::Tensor& some) { return vit_.branch(site, some); });
    torch::Tensor next = x_ + written(writer, input);
    const torch::Tensor rows = input.flatten(0, 1);
    const Regression regression(rows, (token_weights(next) / spread(next).square()).flatten(), damping_);
    if (wanted.defined()) {
      const auto line = regression(without_mean(wanted - next).flatten(0, 1));
      add_to_linear(vit_, writer, {without_mean(line.slopes.t()).t(), without_mean(line.intercept)});
      next = x_ + written(writer, input);
    }
    if (pooled(site + 1)) {
      const torch::Tensor pictures = pool(next), inputs = pool(input);
      add_to_linear(vit_, writer,
                    Regression(inputs, spread(pictures).square().reciprocal(), damping_)(missing(pictures)));
      return;
    }
    add_to_linear(vit_, writer, regression(missing(next)));
    x_ = x_ + written(writer, input);
  }

 private:
  torch::Tensor written(const std::string& writer, const torch::Tensor& input) const {
    return linear(input, vit_.tensors().at(writer + ".weight"), vit_.tensors().at(writer + ".bias"));
  }

  /// What the mean of each token lacks: [R, 1].
  torch::Tensor missing(const torch::Tensor& x) const {
    return (ratio_ * spread(x) - x.mean(-1)).flatten().unsqueeze(1);
  }

  torch::Tensor token_weights(const torch::Tensor& x) const {
    torch::Tensor weight = torch::ones({x.size(1)});
    const int64_t prefix = vit_.prefix_tokens();
    if (prefix > 0)
      weight.slice(0, 0, prefix)
          .fill_(kPrefixShare * static_cast<double>(x.size(1) - prefix) / static_cast<double>(prefix));
    return weight;
  }

  bool pooled(size_t site) const { return vit_.sites()[site].name == "fc_norm"; }
  torch::Tensor pool(const torch::Tensor& x) const { return x.slice(1, vit_.prefix_tokens()).mean(1); }

  Vit& vit_;
  double ratio_, damping_;
  torch::Tensor x_;
};

}  // namespace

double carrier_ratio(const CarrierOptions& options, int64_t channels) {
  const double root = std::sqrt(static_cast<double>(channels));
  if (options.ratio == 0) return kRatioPerRoot * root;
  require(options.ratio > root, "carrier", "ratio", options.ratio,
          "more than the root of the number of channels, or 0");
  return options.ratio;
}

bool carries_scale(const Vit& vit, size_t site) {
  return !vit.sites()[site].previous_linear.empty();
}

torch::Tensor carried_offset(const torch::Tensor& x, double ratio) {
  return ratio * (x.mean(-1, true) / ratio).clamp_min(kLeast).log();
}

torch::Tensor carried_log(const torch::Tensor& x, double ratio) {
  const torch::Tensor part = x / ratio;
  return ratio * (part.clamp_min(kLeast).log() + (part - kLeast).clamp_max(0) / kLeast);
}

void carry_scale(Vit& vit, const torch::Tensor& images, const CarrierOptions& options, const Vit* teacher,
                 Monitor& monitor) {
  require(options.damping > 0, "carrier", "damping", options.damping, "a number above 0");
  const torch::NoGradGuard no_grad;
  Walk walk(vit, images, options);
  torch::Tensor expected;
  if (teacher != nullptr)
    expected = over_pictures(images, [&](const torch::Tensor& some) { return teacher->enter(some); });
  const auto count = static_cast<int64_t>(vit.sites().size());
  for (size_t site = vit.config().pre_norm ? 1 : 0; site + 1 < vit.sites().size(); ++site) {
    monitor.check();
    if (teacher != nullptr) expected = Walk::advance(*teacher, site, expected);
    walk.pass(site, expected);
    monitor.progress("carry scale", static_cast<int64_t>(site) + 2, count, "sites");
  }
}

}  // namespace normgraft
