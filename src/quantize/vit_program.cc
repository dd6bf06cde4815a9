#include "vit_program.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "attention.h"
#include "first_spread.h"
#include "linears.h"
#include "norm_sites.h"
#include "normgraft/network/first_carrier.h"
#include "normgraft/network/kernels.h"
#include "normgraft/quantize/grid.h"

namespace normgraft {
namespace {

constexpr int kInnerBits = 16;          ///< between a Linear and its activation
constexpr double kStreamMargin = 1.25;  ///< of a 16-bit stream, beyond what was seen
constexpr double kInnerMargin = 1.1;
constexpr double kShare = 0.03;   ///< of a step, by which an activation may err beyond rounding
constexpr int kLogitDigits = 20;  ///< of the largest logit
constexpr double kSmallest = 1e-30;
constexpr int64_t kPixelZero = 128;
constexpr double kPixelLevels = 255;

Tensor as_tensor(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble);
}

class VitMaker {
 public:
  VitMaker(const Graft& graft, const VitConfig& config, const Precision& precision, const SeenNumbers& seen)
      : graft_(graft),
        network_(graft.network()),
        tensors_(network_.tensors()),
        c_(config),
        precision_(precision),
        seen_(seen),
        tokens_(network_.sites().front().tokens),
        patches_(c_.height / c_.patch_height * (c_.width / c_.patch_width)) {}

  IntegerProgram make() {
    stream_ = stream();
    embed();
    for (int64_t block = 0; block < c_.depth; ++block) {
      attention(block);
      mlp(block);
    }
    head();
    return std::move(maker_.program());
  }

 private:
  static std::string name(int64_t block, const char* part) {
    return fmt::format("blocks.{}.{}", block, part);
  }
  const RangeWatcher::Place& place(const std::string& name) const { return seen_.places.at(name); }
  const OperandGrid& operand(const std::string& linear) const {
    return seen_.operands.at(linear + ".weight");
  }
  Tensor reach_of(const std::string& name) const { return as_tensor(place(name).largest); }
  int operand_bits() const { return precision_.operand_bits(); }
  /// Behind the last attention only the class token is read.
  int64_t rows_read(int64_t block) const { return block + 1 < c_.depth ? tokens_ : 1; }

  StreamCodes stream() {
    double largest = kSmallest, low = 0, high = 0;
    bool told = false;
    Histogram all;
    for (const Site& site : network_.sites()) {
      const Histogram& own = place(site.name).seen;
      largest = std::max({largest, std::abs(own.low), std::abs(own.high)});
      if (!site.carried.channel) continue;
      low = told ? std::min(low, site.carried.low) : site.carried.low;
      high = told ? std::max(high, site.carried.high) : site.carried.high;
      told = true;
    }
    const int bits = precision_.stream_bits;
    const double most = std::ldexp(1, bits - 1) - 1;
    StreamCodes made;
    const double step = (bits == 16 ? kStreamMargin : 1) * largest / most;
    made.codes = maker_.buffer("stream", tokens_, c_.channels, bits, step);
    if (!told) return made;
    // r may stray as far again on either side before a function holds it
    const double beyond = bits == 16 ? high - low : 0;
    made.told_step = std::max((high - low + 2 * beyond) / (2 * most), kSmallest);
    made.told_zero = -std::llround((low + high) / 2 / made.told_step);
    made.codes.steps[0] = made.told_step;
    IntegerBuffer& buffer = maker_.program().buffers.back();
    buffer.told_step = made.told_step;
    buffer.told_zero = made.told_zero;
    return made;
  }

  /// A Linear as it stands in the network, LayerScale behind it folded in.
  LinearToMake linear(const std::string& name, const std::string& scale = {}) const {
    LinearToMake made;
    made.place = name;
    made.weight = tensors_.at(name + ".weight").to(at::kDouble).flatten(1);
    const Tensor bias = find_tensor(tensors_, name + ".bias"), by = find_tensor(tensors_, scale);
    if (bias.defined()) made.bias = bias.to(at::kDouble);
    if (!by.defined()) return made;
    made.weight = made.weight * by.to(at::kDouble).unsqueeze(1);
    if (bias.defined()) made.bias = made.bias * by.to(at::kDouble);
    return made;
  }

  /// The same with what enters it on average.
  LinearToMake linear_of(const std::string& name, int64_t rows, const std::string& scale = {}) const {
    LinearToMake made = linear(name, scale);
    made.mean = place(name + ".weight").mean(rows == 1);
    made.rows = rows;
    return made;
  }

  /// One that reads a norm site.
  LinearToMake reader(const std::string& name, size_t site, int64_t rows) const {
    LinearToMake made = linear_of(name, rows);
    made.blind = network_.sites()[site].carried.blind && graft_.has_function(site);
    return made;
  }

  void embed() {
    Tensor start = at::zeros({tokens_, c_.channels}, at::kDouble);
    int64_t row = 0;
    for (const char* token : {"cls_token", "reg_token"}) {
      const Tensor rows = find_tensor(tensors_, token);
      if (!rows.defined()) continue;
      const Tensor flat = rows.to(at::kDouble).view({-1, c_.channels});
      start.slice(0, row, row + flat.size(0)) += flat;
      row += flat.size(0);
    }
    const Tensor positions = find_tensor(tensors_, "pos_embed");
    if (positions.defined()) {
      const Tensor flat = positions.to(at::kDouble).view({-1, c_.channels});
      start.slice(0, tokens_ - flat.size(0)) += flat;
    }
    Tensor codes = (start / stream_.codes.steps).round();
    codes.select(1, 0) += static_cast<double>(stream_.told_zero);
    codes.clamp_(static_cast<double>(stream_.codes.least()), static_cast<double>(stream_.codes.most()));
    FillStep fill;
    fill.to = stream_.codes.buffer;
    fill.tensor = maker_.tensor("tokens", codes, stream_.codes.bits);
    maker_.step("tokens", fill);

    const int64_t pixels = c_.patch_height * c_.patch_width;
    PatchStep cut;
    const Codes from = maker_.buffer("patches", patches_, 3 * pixels, 8, 1 / kPixelLevels, -kPixelZero);
    cut.to = from.buffer;
    cut.height = c_.height;
    cut.width = c_.width;
    cut.patch_height = c_.patch_height;
    cut.patch_width = c_.patch_width;
    maker_.step("patches", cut);

    LinearToMake proj = linear("patch_embed.proj");
    Tensor mean = at::zeros({3 * pixels}, at::kDouble), spread = mean.clone();
    for (int64_t colour = 0; colour < 3; ++colour) {
      const auto part = [&](Tensor& all) { return all.slice(0, colour * pixels, (colour + 1) * pixels); };
      part(mean).fill_(network_.preprocessing().mean[static_cast<size_t>(colour)]);
      part(spread).fill_(network_.preprocessing().std[static_cast<size_t>(colour)]);
    }
    proj.mean = place("patch_embed.proj.weight").mean(false) * spread + mean;
    proj.weight = proj.weight / spread;
    const Tensor shift = -proj.weight.matmul(mean);
    proj.bias = proj.bias.defined() ? proj.bias + shift : shift;
    proj.from = from;
    proj.to = stream_.codes;
    proj.adds = true;
    proj.rows = patches_;
    proj.first_row = tokens_ - patches_;
    add_linear(maker_, proj);
    if (tells_first_spread(tensors_))
      add_first_spread(maker_, tensors_, stream_, "first_spread", seen_.projections);
  }

  Codes norm(size_t site, const std::string& reader, int64_t rows) {
    maker_.program().sites.push_back(network_.sites()[site].name);
    return add_norm_site(maker_, graft_, stream_, {site, operand(reader).grid, rows, precision_.factor_bits});
  }

  void attention(int64_t block) {
    const std::string qkv_name = name(block, "attn.qkv"), proj_name = name(block, "attn.proj");
    const auto site = static_cast<size_t>(2 * block);
    const std::string at = name(block, "attn");
    const AttentionSteps steps = attention_steps(
        {reach_of(at + ".q"), reach_of(at + ".k"), reach_of(at + ".v"), reach_of(proj_name + ".weight")},
        operand_bits());
    LinearToMake qkv = reader(qkv_name, site, tokens_);
    qkv.from = norm(site, qkv_name, tokens_);
    qkv.to = maker_.buffer(qkv_name, tokens_, steps.qkv, 8);
    add_linear(maker_, qkv);
    const Codes attended = maker_.buffer(at, tokens_, steps.attended, operand_bits());
    add_attention(maker_, at, qkv.to, attended, steps, c_.heads, operand_bits() == 8 ? 8 : 15);
    LinearToMake proj = linear_of(proj_name, rows_read(block), name(block, "ls1.gamma"));
    proj.from = attended;
    write(proj);
  }

  void write(LinearToMake& writer) {
    writer.to = stream_.codes;
    writer.adds = true;
    add_linear(maker_, writer);
  }

  void mlp(int64_t block) {
    const std::string fc1 = name(block, "mlp.fc1"), fc2 = name(block, "mlp.fc2");
    const auto site = static_cast<size_t>(2 * block + 1);
    const Codes y = norm(site, fc1, rows_read(block));
    const OperandGrid& hidden = operand(fc2);
    if (!hidden.far.defined()) {
      mlp_part(block, y, {}, hidden.grid, "");
      return;
    }
    Tensor is_near = at::ones({tensors_.at(fc1 + ".weight").size(0)}, at::kBool);
    is_near.index_fill_(0, hidden.far, false);
    mlp_part(block, y, is_near.nonzero().flatten(), hidden.grid, "");
    mlp_part(block, y, hidden.far, hidden.far_grid, ".far");
  }

  /// What these of the hidden units add to the stream, all where undefined; the first part brings the bias of
  /// fc2.
  void mlp_part(int64_t block, const Codes& y, const Tensor& units, const IntegerGrid& grid,
                const std::string& part) {
    const int64_t rows = rows_read(block);
    LinearToMake fc1 = reader(name(block, "mlp.fc1"), static_cast<size_t>(2 * block + 1), rows);
    LinearToMake fc2 = linear_of(name(block, "mlp.fc2"), rows, name(block, "ls2.gamma"));
    if (units.defined()) {
      fc1.weight = fc1.weight.index_select(0, units);
      if (fc1.bias.defined()) fc1.bias = fc1.bias.index_select(0, units);
      fc2.weight = fc2.weight.index_select(1, units);
      fc2.mean = fc2.mean.index_select(0, units);
      if (!part.empty()) fc2.bias = Tensor();
    }
    fc1.place += part;
    fc2.place += part;
    const Histogram& inner = place(name(block, "mlp.act")).seen;
    const IntegerGrid wide = grid_between(kInnerMargin * std::min(inner.low, 0.0),
                                          kInnerMargin * std::max(inner.high, 0.0), kInnerBits);
    fc1.from = y;
    fc1.to = maker_.buffer(fc1.place, tokens_, fc1.weight.size(0), kInnerBits, wide.step, zero_of(wide));
    add_linear(maker_, fc1);
    fc2.from = activation(name(block, "mlp.act") + part, fc1.to, grid, rows);
    write(fc2);
  }

  Codes activation(const std::string& place, const Codes& from, const IntegerGrid& grid, int64_t rows) {
    const int64_t zero = zero_of(grid);
    const Codes to = maker_.buffer(place, tokens_, from.steps.size(0), grid.bits, grid.step, zero);
    const double step = from.steps[0].item<double>();
    const Tensor codes = at::arange(from.least(), from.most() + 1, at::kDouble);
    const Tensor values =
        activate(c_.activation, (codes - static_cast<double>(from.zero)) * step) / grid.step +
        static_cast<double>(zero);
    CurveTarget target;
    target.exact = [&, least = from.least()](double code) {
      return values.data_ptr<double>()[static_cast<int64_t>(code) - least];
    };
    target.low = from.least();
    target.high = from.most();
    target.least = static_cast<double>(to.least());
    target.most = static_cast<double>(to.most());
    target.fraction = 8;
    target.knot_bits = grid.bits == 8 ? 16 : 32;
    CurveStep step_made;
    step_made.from = from.buffer;
    step_made.to = to.buffer;
    step_made.f = maker_.curve(place + ".f", fit_curve(target, kShare));
    step_made.rows = rows;
    maker_.step(place, step_made);
    return to;
  }

  void head() {
    const size_t last = network_.sites().size() - 1;
    LinearToMake head = reader("head", last, 1);
    head.from = norm(last, "head", 1);
    const Tensor largest = head.weight.abs().sum(1) * head.from.steps.max() * 127;
    const double step = std::ldexp(largest.max().item<double>(), -kLogitDigits);
    head.to = maker_.buffer("head", 1, c_.classes, 32, step);
    add_linear(maker_, head);
    maker_.program().logits = head.to.buffer;
  }

  static int64_t zero_of(const IntegerGrid& grid) { return -grid.least - (int64_t{1} << (grid.bits - 1)); }

  const Graft& graft_;
  const Network& network_;
  const Tensors& tensors_;
  const VitConfig& c_;
  Precision precision_;
  const SeenNumbers& seen_;
  int64_t tokens_, patches_;
  ProgramMaker maker_;
  StreamCodes stream_;
};

}  // namespace

std::vector<OperandPlace> places_to_choose(const Graft& graft, const VitConfig& config) {
  std::vector<OperandPlace> places;
  for (size_t site = 0; site < graft.network().sites().size(); ++site) {
    const Site& at = graft.network().sites()[site];
    places.push_back(
        {at.readers.front().weight, site, !graft.has_function(site) || at.carried.channel, false});
    const auto block = static_cast<int64_t>(site / 2);
    if (site % 2 == 1 && block < config.depth)
      places.push_back({fmt::format("blocks.{}.mlp.fc2.weight", block), site, false, true});
  }
  return places;
}

IntegerProgram vit_program(const Graft& graft, const VitConfig& config, const Precision& precision,
                           const SeenNumbers& seen) {
  return VitMaker(graft, config, precision, seen).make();
}

}  // namespace normgraft
