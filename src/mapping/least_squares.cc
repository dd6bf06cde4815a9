#include "normgraft/mapping/least_squares.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>

#include "levenberg.h"
#include "normal_kernels.h"

namespace normgraft {
namespace {

constexpr double kFirstDamping = 1e-3;
constexpr double kDampingFactor = 10;
constexpr double kSmallestDamping = 1e-12;
constexpr int kTrials = 6;           // rising dampings tried on one linearisation
constexpr double kConverged = 1e-7;  // relative gain below which another iteration is not worth its time

/// Whether every constant is finite and every clip has lo <= hi.
bool constants_in_order(const Expression& f, std::span<const float> constants) {
  size_t next = 0;
  for (const Instruction& instruction : f.program()) {
    const int count = primitive(instruction.op).constants;
    for (int k = 0; k < count; ++k) {
      if (!std::isfinite(constants[next + k])) return false;
    }
    if (instruction.op == Op::kClip && constants[next] > constants[next + 1]) return false;
    next += count;
  }
  return true;
}

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// One fit of Levenberg and Marquardt: the linearisation at the current parameters, and trials from it.
class LevenbergMarquardt {
 public:
  LevenbergMarquardt(Expression& f, std::span<const ConstantLink> links, const Samples& samples,
                     FitWorkspace& workspace, const std::function<bool(const Expression&)>& allowed)
      : f_(f), links_(links), samples_(samples), work_(workspace), allowed_(allowed), trial_(f) {
    const std::vector<float> constants = f.constants();
    for (size_t k = 0; k < constants.size(); ++k) {
      const auto [parameter, squared] = link(k);
      if (parameter == ConstantLink::kFixed) continue;
      parameters_.resize(std::max(parameters_.size(), size_t(parameter) + 1));
      parameters_[parameter] = squared ? std::sqrt(double{constants[k]}) : double{constants[k]};
    }
    constants_ = constants;
    work_.y.resize(samples.size());
    work_.dc.resize(constants.size() * samples.size());
  }

  double run(int iterations) {
    evaluate(f_);
    error_ = squared_error();
    if (!std::isfinite(error_) || parameters_.empty()) return error_ + samples_.residual;
    for (int i = 0; i < iterations; ++i) {
      const double before = error_;
      if (!linearise() || !improve()) break;
      if (before - error_ <= kConverged * (before + samples_.residual)) break;
    }
    return error_ + samples_.residual;
  }

 private:
  ConstantLink link(size_t constant) const {
    return links_.empty() ? ConstantLink{static_cast<int>(constant)} : links_[constant];
  }

  void evaluate(const Expression& f) {
    ++work_.evaluations;
    work_.evaluator.values(f, samples_.x, work_.y);
  }

  double squared_error() const {
    return weighted_squares(work_.y.data(), samples_.y.data(), samples_.weight.data(), samples_.size());
  }

  /// Turns the columns of derivatives by constants into columns by parameters, in place: a parameter never
  /// comes later than its first constant.
  void join_columns() {
    const size_t n = samples_.size();
    std::vector<bool> started(parameters_.size(), false);
    for (size_t k = 0; k < constants_.size(); ++k) {
      const auto [parameter, squared] = link(k);
      if (parameter == ConstantLink::kFixed) continue;
      const float chain = squared ? static_cast<float>(2 * parameters_[parameter]) : 1.0F;
      const float* from = &work_.dc[k * n];
      float* to = &work_.dc[parameter * n];
      for (size_t i = 0; i < n; ++i) to[i] = chain * from[i] + (started[parameter] ? to[i] : 0.0F);
      started[parameter] = true;
    }
  }

  /// Normal equations at the current parameters; false when they are not finite.
  bool linearise() {
    const size_t n = samples_.size();
    const size_t count = parameters_.size();
    ++work_.evaluations;
    work_.evaluator.jacobian(f_, samples_.x, work_.y, {}, work_.dc);
    if (!links_.empty()) join_columns();
    for (size_t i = 0; i < n; ++i) work_.y[i] -= samples_.y[i];
    work_.weighted.resize(n);
    normal_.resize(count, count);
    gradient_.resize(count);
    normal_equations(work_.dc.data(), count, work_.y.data(), samples_.weight.data(), n, work_.weighted.data(),
                     normal_.data(), gradient_.data());
    return gradient_.allFinite() && normal_.diagonal().allFinite();
  }

  /// Tries steps of rising damping until one lowers the error; false when none does.
  bool improve() {
    for (int i = 0; i < kTrials; ++i) {
      if (solve() && take_step()) {
        damping_ = std::max(damping_ / kDampingFactor, kSmallestDamping);
        return true;
      }
      damping_ *= kDampingFactor;
    }
    return false;
  }

  /// The step for the current damping; Marquardt's scaling, so that it does not depend on units.
  bool solve() {
    factor_ = normal_;
    for (Eigen::Index k = 0; k < factor_.rows(); ++k) {
      const double diagonal = normal_(k, k);
      factor_(k, k) = diagonal > 0 ? diagonal * (1 + damping_) : 1;
    }
    Eigen::LLT<Eigen::Ref<Matrix>> factorisation(factor_);
    if (factorisation.info() != Eigen::Success) return false;
    step_ = gradient_;
    factorisation.solveInPlace(step_);
    return step_.allFinite();
  }

  /// Moves to the trial when it is allowed and better.
  bool take_step() {
    candidate_ = constants_;
    for (size_t k = 0; k < constants_.size(); ++k) {
      const auto [parameter, squared] = link(k);
      if (parameter == ConstantLink::kFixed) continue;
      const double value = parameters_[parameter] - step_[parameter];
      candidate_[k] = static_cast<float>(squared ? value * value : value);
    }
    if (candidate_ == constants_ || !constants_in_order(f_, candidate_)) return false;
    trial_.set_constants(candidate_);
    if (allowed_ && !allowed_(trial_)) return false;
    evaluate(trial_);
    const double error = squared_error();
    if (!(error < error_)) return false;
    error_ = error;
    constants_ = candidate_;
    for (size_t k = 0; k < parameters_.size(); ++k) parameters_[k] -= step_[static_cast<Eigen::Index>(k)];
    f_.set_constants(constants_);
    return true;
  }

  Expression& f_;
  std::span<const ConstantLink> links_;
  const Samples& samples_;
  FitWorkspace& work_;
  const std::function<bool(const Expression&)>& allowed_;
  Expression trial_;
  std::vector<double> parameters_;
  std::vector<float> constants_, candidate_;
  Matrix normal_, factor_;
  Eigen::VectorXd gradient_, step_;
  double damping_ = kFirstDamping;
  double error_ = 0;
};

}  // namespace

double fit_linked_constants(Expression& f, std::span<const ConstantLink> links, const Samples& samples,
                            int iterations, FitWorkspace& workspace,
                            const std::function<bool(const Expression&)>& allowed) {
  return LevenbergMarquardt(f, links, samples, workspace, allowed).run(iterations);
}

double fit_constants(Expression& f, const Samples& samples, int iterations, FitWorkspace& workspace,
                     const std::vector<bool>& fixed) {
  std::vector<ConstantLink> links(fixed.size());
  int parameters = 0;
  for (size_t k = 0; k < fixed.size(); ++k) {
    if (!fixed[k]) links[k].parameter = parameters++;
  }
  return fit_linked_constants(f, links, samples, iterations, workspace, {});
}

double block_error(const Expression& f, const Samples& samples, FitWorkspace& workspace) {
  ++workspace.evaluations;
  workspace.y.resize(samples.size());
  workspace.evaluator.values(f, samples.x, workspace.y);
  return weighted_squares(workspace.y.data(), samples.y.data(), samples.weight.data(), samples.size()) +
         samples.residual;
}

}  // namespace normgraft
