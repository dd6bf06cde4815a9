#include "normgraft/calibrate/sequential.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <span>

#include "normgraft/capture/probe.h"
#include "normgraft/core/require.h"
#include "normgraft/core/timer.h"
#include "normgraft/data/loader.h"
#include "normgraft/network/batches.h"
#include "normgraft/network/stream.h"

namespace normgraft {
namespace {

constexpr double kFirstDamping = 4;  ///< of the mean squared row; tried first, then by factors of four
constexpr double kLeastGain = 0.02;  ///< share of the divergence that a step must save for another to follow
constexpr double kSmallestConstant = 0.1;  ///< constants change relative to their size, or to this

/// Where the unknowns of one site stand among all: D slopes and D shifts of y, K constants, and D shifts of
/// x, which are those of the bias of the Linear before; the first site has none of these.
struct Place {
  size_t site;
  int64_t begin;
  int64_t channels;
  int64_t constants;
  bool shifts_x;

  int64_t inputs() const { return begin + 2 * channels + constants; }
  int64_t end() const { return inputs() + (shifts_x ? channels : 0); }

  Tensor slopes(const Tensor& row) const { return row.slice(0, begin, begin + channels); }
  Tensor shifts(const Tensor& row) const { return row.slice(0, begin + channels, begin + 2 * channels); }
  Tensor constants_of(const Tensor& row) const { return row.slice(0, begin + 2 * channels, inputs()); }
  Tensor shifts_of_x(const Tensor& row) const { return row.slice(0, inputs(), end()); }
};

std::vector<Place> places_of(const Graft& graft, size_t sites) {
  std::vector<Place> places;
  int64_t at = 0;
  for (size_t site = 0; site < sites; ++site) {
    if (!graft.has_function(site)) continue;
    const bool shifts_x = graft.network().sites()[site].writer.has_value();
    places.push_back(
        {site, at, graft.network().sites()[site].channels, graft.constants(site).numel(), shifts_x});
    at = places.back().end();
  }
  return places;
}

/// What belongs to the sites at some places.
struct Parameters {
  std::vector<Tensor> gamma, beta, constants;
  std::vector<Tensor> bias;  ///< of the Linear before; undefined where there is none
};

const std::string& bias_before(const Site& site) {
  return site.writer->linear.bias;
}

Parameters parameters_of(const Graft& graft, const std::vector<Place>& places) {
  Parameters now;
  for (const Place& place : places) {
    const Site& site = graft.network().sites()[place.site];
    const Tensors& tensors = graft.network().tensors();
    now.gamma.push_back(tensors.at(site.gamma));
    now.beta.push_back(tensors.at(site.beta));
    now.constants.push_back(graft.constants(place.site));
    now.bias.push_back(place.shifts_x ? tensors.at(bias_before(site)) : Tensor());
  }
  return now;
}

Tensor constant_scale(const Tensor& constants) {
  return constants.abs().clamp_min(kSmallestConstant);
}

/// The parameters after `change` [P], constants settled; an undefined one leaves them as they were. Returns
/// the sites whose constants went back (Graft::settle_constants).
std::vector<std::string> put(Graft& graft, const std::vector<Place>& places, const Parameters& before,
                             const Tensor& change) {
  for (size_t i = 0; i < places.size(); ++i) {
    const Place& p = places[i];
    const Site& site = graft.network().sites()[p.site];
    Tensor gamma = before.gamma[i], beta = before.beta[i], constants = before.constants[i],
           bias = before.bias[i];
    if (change.defined()) {
      beta = beta + gamma * p.shifts(change);
      gamma = gamma * (1 + p.slopes(change));
      constants = constants + constant_scale(constants) * p.constants_of(change);
      if (p.shifts_x) bias = bias + p.shifts_of_x(change);
    }
    Tensors& tensors = graft.network().tensors();
    tensors.at(site.gamma) = gamma;
    tensors.at(site.beta) = beta;
    graft.constants(p.site) = constants;
    if (p.shifts_x) tensors.at(bias_before(site)) = bias;
  }
  return change.defined() ? graft.settle_constants() : std::vector<std::string>();
}

/// The least-squares problem of a step: one row for each picture and direction.
struct Expansion {
  Tensor rows;    ///< a [R, P]
  Tensor errors;  ///< v . r [R]
};

/// Fills the rows of a few pictures, from `first_row` on.
class RowWriter {
 public:
  RowWriter(const Graft& graft, const Network& teacher, const std::vector<Place>& places, int probes,
            uint64_t seed)
      : graft_(graft), teacher_(teacher), places_(places), probes_(probes), seed_(seed) {}

  void write(const Tensor& images, std::span<const int64_t> pictures, int64_t first_row,
             Expansion& into) const {
    const at::AutoGradMode with_grad(true);
    const auto [logits, x, y] = trace_sites(graft_.network(), images);
    std::vector<Tensor> watched;  // y of each place, then x of those that shift it
    for (const Place& place : places_) watched.push_back(y[place.site]);
    for (const Place& place : places_) {
      if (place.shifts_x) watched.push_back(x[place.site]);
    }
    const Tensor expected = teacher_logits(images);
    const Tensor between = (logits.detach().softmax(1) + expected.softmax(1)) / 2;
    for (int probe = 0; probe < probes_; ++probe) {
      const Tensor v = draw_probe(between, pictures, probe, seed_);
      const auto gradients =
          torch::autograd::grad({logits}, watched, {v}, /*retain_graph=*/probe + 1 < probes_);
      const Tensor errors = (v * (expected - logits.detach())).sum(1);
      for (int64_t b = 0; b < images.size(0); ++b) {
        const int64_t row = first_row + b * probes_ + probe;
        {
          const at::NoGradGuard no_grad;
          into.errors[row].copy_(errors[b]);
        }
        size_t by_x = places_.size();
        for (size_t i = 0; i < places_.size(); ++i) {
          const Place& p = places_[i];
          write_site(p, x[p.site].detach()[b], y[p.site].detach()[b], gradients[i][b], into.rows[row]);
          if (p.shifts_x) write_shifts_of_x(p, gradients[by_x++][b], into.rows[row]);
        }
      }
    }
  }

 private:
  Tensor teacher_logits(const Tensor& images) const {
    const at::NoGradGuard no_grad;
    return teacher_.forward(images);
  }

  /// x, y and the gradient by y of one picture [N, D] (or [D]) -> the entries of a row.
  void write_site(const Place& p, const Tensor& x, const Tensor& y, const Tensor& gradient,
                  const Tensor& row) const {
    Tensor by_constants;
    if (p.constants > 0) {
      const Tensor constants = graft_.constants(p.site).detach().clone().requires_grad_();
      const Tensor by_f = graft_.drops_mean(p.site) ? without_mean(gradient) : gradient;
      by_constants = torch::autograd::grad({graft_.value(p.site, x, constants)}, {constants}, {by_f})[0];
    }
    const at::NoGradGuard no_grad;
    const Tensor g = gradient.reshape({-1, p.channels});
    p.slopes(row).copy_((g * y.reshape({-1, p.channels})).sum(0));
    p.shifts(row).copy_(g.sum(0));
    if (p.constants > 0) p.constants_of(row).copy_(by_constants * constant_scale(graft_.constants(p.site)));
  }

  /// The gradient by x of one picture, of all that follows, likewise.
  void write_shifts_of_x(const Place& p, const Tensor& gradient, const Tensor& row) const {
    const at::NoGradGuard no_grad;
    Tensor by_bias = gradient.reshape({-1, p.channels}).sum(0);
    const Tensor scale =
        find_tensor(graft_.network().tensors(), graft_.network().sites()[p.site].writer->scale);
    if (scale.defined()) by_bias = by_bias * scale;
    p.shifts_of_x(row).copy_(by_bias);
  }

  const Graft& graft_;
  const Network& teacher_;
  const std::vector<Place>& places_;
  int probes_;
  uint64_t seed_;
};

/// Rows beyond twice the median square are scaled down to it: the expansion does not reach where they come
/// from.
void temper(Expansion& expansion) {
  const Tensor squares = expansion.rows.square().sum(1);
  const Tensor weight = (2 * squares.median() / squares.clamp_min(1e-30)).clamp_max(1).sqrt();
  expansion.rows.mul_(weight.unsqueeze(1));
  expansion.errors.mul_(weight);
}

/// The damped solution for any damping; the products of rows are formed once.
class DampedSolver {
 public:
  explicit DampedSolver(const Expansion& expansion)
      : expansion_(expansion), products_(expansion.rows.matmul(expansion.rows.t()).to(at::kDouble)) {}

  Tensor operator()(double damping) const {
    const Tensor ridge = damping * products_.diagonal().mean() * at::eye(products_.size(0), at::kDouble);
    const Tensor weights =
        at::linalg_solve(products_ + ridge, expansion_.errors.to(at::kDouble).unsqueeze(1));
    return expansion_.rows.t().matmul(weights.to(at::kFloat)).squeeze(1);
  }

 private:
  const Expansion& expansion_;
  Tensor products_;
};

class Walk {
 public:
  Walk(Graft& graft, const Network& teacher, const std::vector<Picture>& pictures, const Yardstick& held_out,
       const SequentialOptions& options, Monitor& monitor)
      : graft_(graft),
        teacher_(teacher),
        pictures_(pictures),
        held_out_(held_out),
        options_(options),
        monitor_(monitor) {}

  std::vector<SequentialStep> run() {
    const size_t all = graft_.network().sites().size();
    auto steps_left = static_cast<size_t>(options_.walk_steps);
    for (size_t sites = next_sites(0, steps_left); sites < all; sites = next_sites(sites, --steps_left)) {
      step(sites, options_.walk_pictures);
    }
    for (int sweep = 0; sweep < options_.sweeps; ++sweep) {
      const SequentialStep& done = step(all, 0);
      if (done.after.kl > (1 - kLeastGain) * done.before.kl) break;
    }
    return steps_;
  }

 private:
  /// The most sites whose functions keep the graft within trust, but enough more than `done` to replace all
  /// in so many steps and one.
  size_t next_sites(size_t done, size_t steps_left) {
    const size_t all = graft_.network().sites().size();
    const auto trusted = [&](size_t sites) {
      monitor_.check();
      graft_.use_functions(sites);
      return held_out_.measure(graft_.network()).kl <= options_.trust;
    };
    size_t low = done + (all - done + steps_left) / (steps_left + 1);
    if (low >= all || trusted(all)) return all;
    for (size_t high = all; high - low > 1;) {  // trusted(high) is false; low is taken anyway
      const size_t middle = (low + high) / 2;
      (trusted(middle) ? low : high) = middle;
    }
    return low;
  }

  const SequentialStep& step(size_t sites, int64_t most_pictures) {
    graft_.use_functions(sites);
    SequentialStep done;
    done.sites = sites;
    done.before = done.after = held_out_.measure(graft_.network());
    const std::vector<Place> places = places_of(graft_, sites);
    if (!places.empty()) {
      Expansion expansion = expand(places, most_pictures);
      temper(expansion);
      take_best(places, DampedSolver(expansion), done);
    }
    graft_.use_functions(graft_.network().sites().size());
    done.seconds = timer_.seconds();
    monitor_.notice(
        fmt::format("calibrate: {} of {} sites, divergence on pictures kept apart {:.4f} -> {:.4f}", sites,
                    graft_.network().sites().size(), done.before.kl, done.after.kl));
    steps_.push_back(done);
    return steps_.back();
  }

  Expansion expand(const std::vector<Place>& places, int64_t most_pictures) {
    std::vector<Picture> pictures = pictures_;
    if (most_pictures > 0 && pictures.size() > static_cast<size_t>(most_pictures))
      pictures.resize(static_cast<size_t>(most_pictures));
    const auto count = static_cast<int64_t>(pictures.size());
    Expansion all{at::zeros({count * options_.probes, places.back().end()}),
                  at::zeros({count * options_.probes})};
    // New directions for each step: what is left of the error is what the last ones did not see.
    const RowWriter writer(graft_, teacher_, places, options_.probes, options_.seed + steps_.size());
    const Preprocessing& p = teacher_.preprocessing();
    Loader loader(std::move(pictures), evaluation_transform(p), p.height, p.width, {}, monitor_);
    int64_t done = 0;
    while (const auto batch = loader.next()) {
      monitor_.check();
      for_chunks(images_tensor(*batch, p), [&](size_t, const Chunk& chunk) {
        const auto positions = positions_of(chunk, *batch);
        writer.write(chunk.images, positions, (done + chunk.first) * options_.probes, all);
      });
      done += batch->size();
      monitor_.progress(fmt::format("calibrate, step {}", steps_.size() + 1), done, count, "pictures");
    }
    if (done == 0) throw InputError("calibrate: no picture could be read, expected at least one");
    return {all.rows.slice(0, 0, done * options_.probes), all.errors.slice(0, 0, done * options_.probes)};
  }

  /// From the first damping by factors of four in the direction that helps, as long as it helps.
  void take_best(const std::vector<Place>& places, const DampedSolver& solve, SequentialStep& done) {
    const Parameters before = parameters_of(graft_, places);
    Tensor best;
    const auto better_with = [&](double damping) {
      monitor_.check();
      const Tensor change = solve(damping);
      put(graft_, places, before, change);
      const Distance now = held_out_.measure(graft_.network());
      if (!(now.kl < done.after.kl)) return false;
      done.after = now;
      done.damping = damping;
      best = change;
      return true;
    };
    better_with(kFirstDamping);
    bool lower_helps = false;
    for (double damping = kFirstDamping / 4; damping > kFirstDamping / 300 && better_with(damping);
         damping /= 4)
      lower_helps = true;
    if (!lower_helps) {
      for (double damping = kFirstDamping * 4; damping < kFirstDamping * 300; damping *= 4) {
        if (!better_with(damping) && done.damping > 0) break;
      }
    }
    const std::vector<std::string> back = put(graft_, places, before, best);
    if (!back.empty()) {
      monitor_.notice(fmt::format("calibrate: no proof holds for moved constants of {}, theirs stay",
                                  fmt::join(back, ", ")));
    }
  }

  Graft& graft_;
  const Network& teacher_;
  const std::vector<Picture>& pictures_;
  const Yardstick& held_out_;
  const SequentialOptions& options_;
  Monitor& monitor_;
  Timer timer_;
  std::vector<SequentialStep> steps_;
};

}  // namespace

void SequentialOptions::validate() const {
  require(probes >= 1 && probes <= 1000, "calibrate", "probes", probes, "1 to 1000");
  require(sweeps >= 1 && sweeps <= 1000, "calibrate", "sweeps", sweeps, "1 to 1000");
  require(walk_steps >= 1 && walk_steps <= 1000, "calibrate", "walk steps", walk_steps, "1 to 1000");
  require(walk_pictures >= 1, "calibrate", "walk pictures", walk_pictures, "at least 1");
  require(trust > 0, "calibrate", "trust", trust, "a divergence above 0");
}

std::vector<SequentialStep> calibrate_sequential(Graft& graft, const Network& teacher,
                                                 const std::vector<Picture>& pictures,
                                                 const Yardstick& held_out, const SequentialOptions& options,
                                                 Monitor& monitor) {
  options.validate();
  const at::NoGradGuard no_grad;
  return Walk(graft, teacher, pictures, held_out, options, monitor).run();
}

}  // namespace normgraft
