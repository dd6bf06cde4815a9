#include "normgraft/mapping/mapping.h"

namespace normgraft {
namespace {

Expression leaf(Op op) {
  return Expression({Instruction{op, {}}});
}

}  // namespace

Expression at_site(const Expression& g, const Carried& carried) {
  if (!carried.channel) return g;
  const Expression of_r = substitute(g, Op::kX, leaf(Op::kR));
  std::vector<Instruction> program = {Instruction{}};
  program.insert(program.end(), of_r.program().begin(), of_r.program().end());
  program.push_back({Op::kMul, {}});
  return Expression(std::move(program));
}

Seen seen_at_site(Interval range, const Carried& carried) {
  if (!carried.channel) return {.x = range};
  return {.x = {-1, 1}, .r = {carried.low, carried.high}};
}

std::string why_not_admissible(const Expression& g, Interval range, const Carried& carried) {
  return why_not_admissible(at_site(g, carried), seen_at_site(range, carried));
}

double divergence_of_error(const SiteMapping& site, Part part) {
  const auto total = [&](Measure measure) {
    double sum = 0;
    for (const Moments& bin : site.of(measure, part)) sum += bin.weight;
    return sum;
  };
  const double pictures = total(Measure::kCount) / static_cast<double>(site.pairs());
  return 0.5 * total(Measure::kWeight) / pictures;
}

double predicted_divergence(const Expression& f, const SiteMapping& site, Part part) {
  const Samples samples = make_samples(site, Measure::kWeight, part);
  return evaluate_fit(of_pairs(f, site.carried), samples).error * divergence_of_error(site, part);
}

Expression of_pairs(const Expression& f, const Carried& carried) {
  if (!carried.channel) return f;
  const Expression of_r = substitute(f, Op::kX, Expression({Instruction{Op::kConstant, {1, 0}}}));
  return simplify(substitute(of_r, Op::kR, leaf(Op::kX)));
}

}  // namespace normgraft
