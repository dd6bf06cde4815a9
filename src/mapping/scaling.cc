#include <cmath>
#include <optional>

#include "levenberg.h"

namespace normgraft {
namespace {

using Program = std::vector<Instruction>;

/// f = factor * g + offset with the innermost g that is not of this form itself.
struct Affine {
  Program g;
  double factor = 1;
  double offset = 0;
};

Instruction constant(double value) {
  return {Op::kConstant, {static_cast<float>(value), 0}};
}

/// Takes one affine step off the root of `g`; false when its root is none.
bool peel(Affine& f) {
  const Instruction root = f.g.back();
  const size_t last = f.g.size() - 1;
  if (root.op == Op::kNeg) {
    f.factor = -f.factor;
    f.g.pop_back();
    return true;
  }
  if (primitive(root.op).arity != 2) return false;
  const size_t right = subtree_start(f.g, last - 1);
  const bool right_constant = f.g[last - 1].op == Op::kConstant;
  const bool left_constant = right == 1 && f.g[0].op == Op::kConstant;
  if (!right_constant && !left_constant) return false;
  const double c = right_constant ? f.g[last - 1].c[0] : f.g[0].c[0];
  switch (root.op) {
    case Op::kAdd:
      f.offset += f.factor * c;
      break;
    case Op::kSub:
      f.offset += right_constant ? -f.factor * c : f.factor * c;
      if (!right_constant) f.factor = -f.factor;
      break;
    case Op::kMul:
      f.factor *= c;
      break;
    case Op::kDiv:
      if (!right_constant || c == 0) return false;
      f.factor /= c;
      break;
    default:
      return false;
  }
  f.g = right_constant ? Program(f.g.begin(), f.g.end() - 2) : Program(f.g.begin() + 1, f.g.end() - 1);
  return true;
}

/// The expression factor * g + offset, without what is too small to matter; nothing when a constant
/// overflows.
std::optional<Expression> assemble(Affine f, double scale_of_y) {
  constexpr double kNegligible = 1e-6;
  if (!std::isfinite(static_cast<float>(f.factor)) || !std::isfinite(static_cast<float>(f.offset))) {
    return std::nullopt;
  }
  if (f.factor == 0) return Expression(Program{constant(f.offset)});
  if (std::abs(f.factor - 1) > kNegligible) {
    f.g.insert(f.g.begin(), constant(f.factor));
    f.g.push_back({Op::kMul, {}});
  }
  if (std::abs(f.offset) > kNegligible * scale_of_y) {
    f.g.push_back(constant(f.offset));
    f.g.push_back({Op::kAdd, {}});
  }
  return Expression(std::move(f.g));
}

}  // namespace

Scaling best_scaling(std::span<const float> z, const Samples& samples) {
  Moments all;
  double weight = 0;
  for (size_t i = 0; i < z.size(); ++i) {
    weight += samples.weight[i];
    all.x += samples.weight[i] * double{z[i]};
    all.y += samples.weight[i] * double{samples.y[i]};
  }
  all.x /= weight;
  all.y /= weight;
  for (size_t i = 0; i < z.size(); ++i) {
    const double dz = z[i] - all.x;
    all.sxx += samples.weight[i] * dz * dz;
    all.sxy += samples.weight[i] * dz * (samples.y[i] - all.y);
  }
  const double factor = all.sxx == 0 ? 0 : all.sxy / all.sxx;
  return {factor, all.y - factor * all.x};
}

double scale_linearly(Expression& f, const Samples& samples, FitWorkspace& workspace) {
  const double error = block_error(f, samples, workspace);
  const Scaling scaling = best_scaling(workspace.y, samples);
  Affine affine{Program(f.program().begin(), f.program().end())};
  while (peel(affine)) {
  }
  affine.factor *= scaling.factor;
  affine.offset = scaling.factor * affine.offset + scaling.offset;
  std::optional<Expression> scaled = assemble(std::move(affine), std::sqrt(samples.variance));
  if (!scaled) return error;
  const double scaled_error = block_error(*scaled, samples, workspace);
  if (!(scaled_error < error)) return error;
  f = *std::move(scaled);
  return scaled_error;
}

}  // namespace normgraft
