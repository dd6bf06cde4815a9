#include "normgraft/quantize/quantize.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "normgraft/integer/interpreter.h"
#include "normgraft/network/carrier.h"
#include "normgraft/network/stream.h"
#include "normgraft/quantize/arithmetic.h"
#include "support/input_error.h"
#include "support/small_model.h"

namespace normgraft {
namespace {

using testing::small_vit;

/// Pictures of the codes pixel - 128 [B, 3, 32, 32].
Tensor pixel_codes(int64_t count, uint64_t seed = 7) {
  at::manual_seed(seed);
  const Tensor contrast = 20 + 60 * at::rand({count, 1, 1, 1});
  return (at::randn({count, 3, 32, 32}) * contrast).round().clamp(-128, 127).to(at::kChar);
}

/// The same as a network of that preprocessing sees them.
Tensor as_images(const Tensor& codes, const Preprocessing& preprocessing) {
  const auto by_colour = [](const std::array<float, 3>& values) {
    return at::tensor({values[0], values[1], values[2]}).view({1, 3, 1, 1});
  };
  return ((codes.to(at::kFloat) + 128) / 255 - by_colour(preprocessing.mean)) / by_colour(preprocessing.std);
}

/// What a program says to pictures, in real numbers [B, classes].
Tensor logits_of(const IntegerProgram& program, const Tensor& codes) {
  const double step = program.buffers[static_cast<size_t>(program.logits)].step;
  std::vector<Tensor> rows;
  for (const Tensor& picture : codes.unbind()) {
    const std::vector<int32_t> logits =
        interpret(program, {picture.contiguous().data_ptr<int8_t>(), static_cast<size_t>(picture.numel())});
    rows.push_back(at::tensor(at::ArrayRef<int32_t>(logits), at::kDouble) * step);
  }
  return at::stack(rows).to(at::kFloat);
}

double relative_error(const Tensor& x, const Tensor& expected) {
  return ((x - expected).norm() / expected.norm()).item<double>();
}

/// Made by 32 pictures, checked and proved.
IntegerProgram program_of(const Graft& graft, const Precision& precision) {
  const at::NoGradGuard no_grad;
  const Tensor images = as_images(pixel_codes(32), graft.network().preprocessing());
  IntegerProgram program = quantize(graft, precision, images, silent_monitor());
  check(program);
  prove_no_overflow(program);
  return program;
}

double error_of(const Graft& graft, const Precision& precision) {
  const at::NoGradGuard no_grad;
  const Preprocessing& p = graft.network().preprocessing();
  const IntegerProgram program = program_of(graft, precision);
  const Tensor seen = pixel_codes(12, 8);
  return relative_error(logits_of(program, seen), graft.forward(as_images(seen, p)));
}

double error_of_fake(const Graft& graft, const Precision& precision) {
  const at::NoGradGuard no_grad;
  const Preprocessing& p = graft.network().preprocessing();
  const Tensor seen = as_images(pixel_codes(12, 8), p), expected = graft.forward(seen);
  Network network = graft.network();
  use_arithmetic(network, precision, as_images(pixel_codes(32), p), silent_monitor());
  return relative_error(network.forward(seen), expected);
}

/// A stream of integers keeps one step from the first site to the last; the rounding in float has one for
/// each site, which 8 bits need more than 16.
double slack(int stream_bits) {
  return stream_bits == 16 ? 1.3 : 2;
}

/// x exp(-r) at each site, or at each but one.
Graft channel_graft(const std::string& but = {}) {
  const at::NoGradGuard no_grad;
  Network network = small_vit();
  const Tensor images = as_images(pixel_codes(32), network.preprocessing());
  let_channel_carry_scale(network, {images, {}}, {}, silent_monitor());
  Graft graft(network);
  FunctionFile file;
  std::vector<std::string> sites;
  for (const Site& site : network.sites()) {
    if (site.name == but) continue;
    sites.push_back(site.name);
    file.functions.emplace(site.name, Expression::parse("x*exp(-r)"));
    file.seen.emplace(site.name, Interval{site.carried.low, site.carried.high});
  }
  graft.set_functions(file, sites);
  return graft;
}

Graft plain_graft() {
  Graft graft(small_vit());
  FunctionFile file;
  for (const Site& site : graft.network().sites()) {
    file.functions.emplace(site.name, Expression::parse("3*tanh(0.4*x)"));
    file.seen.emplace(site.name, Interval{-8, 8});
  }
  graft.set_functions(file);
  return graft;
}

TEST(Quantize, OfALayerNormNetworkIsAsNearAsTheSameRoundingInFloat) {
  const Graft graft(small_vit());
  for (const int stream : {16, 8}) {
    const Precision precision{NumberKind::kW8A8, stream};
    const double real = error_of(graft, precision), fake = error_of_fake(graft, precision);
    EXPECT_LT(real, slack(stream) * fake + 0.005) << stream;
  }
}

TEST(Quantize, OfAGraftOfXTimesAFunctionOfRIsAsNearAsTheSameRoundingInFloat) {
  const Graft graft = channel_graft();
  for (const int stream : {16, 8}) {
    const Precision precision{NumberKind::kW8A8, stream};
    const double real = error_of(graft, precision), fake = error_of_fake(graft, precision);
    EXPECT_LT(real, slack(stream) * fake + 0.005) << stream;
  }
}

TEST(Quantize, KeepsFactorsOfRInAsManyBitsAsItIsAskedTo) {
  for (const int bits : {9, 15}) {
    const Precision precision{NumberKind::kW8A8, 16, bits};
    const IntegerProgram program = program_of(channel_graft(), precision);
    for (const PlacedStep& placed : program.steps) {
      const auto* step = std::get_if<ScaleStep>(&placed.step);
      if (!step) continue;
      const IntegerTensor& knots = program.tensors.at(step->g.knots);
      int64_t largest = 0;
      for (int64_t i = 0; i < knots.size(); ++i) largest = std::max(largest, std::abs(knots.at(i)));
      EXPECT_LE(largest, int64_t{1} << bits) << placed.place;
      EXPECT_GE(largest, (int64_t{1} << (bits - 1)) - 1) << placed.place;
    }
  }
  const Graft graft = channel_graft();
  EXPECT_LT(error_of(graft, {NumberKind::kW8A8, 16, 9}), 1.5 * error_of(graft, {NumberKind::kW8A8}) + 0.005);
}

TEST(Quantize, MakesATableOfAFactorOfFewBitsAndCutsWhatYHardlySees) {
  for (const int bits : {6, 7, 8}) {
    const Precision precision{NumberKind::kW8A8, 16, bits};
    const IntegerProgram program = program_of(channel_graft(), precision);
    // A digit of 4 reaches from -1 to 2.
    const double most = std::ldexp(bits == 7 ? 4.0 / 3 : 1, bits);
    for (const PlacedStep& placed : program.steps) {
      const auto* step = std::get_if<ScaleStep>(&placed.step);
      if (!step) continue;
      SCOPED_TRACE(placed.place);
      const IntegerBuffer &x = program.buffers[static_cast<size_t>(step->from)],
                          &y = program.buffers[static_cast<size_t>(step->to)];
      const IntegerTensor& knots = program.tensors.at(step->g.knots);
      EXPECT_EQ(step->g.shift, 0);
      EXPECT_TRUE(step->floors);
      double largest = 0;
      for (int64_t i = 0; i < knots.size(); ++i) {
        const auto found = static_cast<double>(knots.at(i));
        const auto code =
            static_cast<double>(((step->g.low + i) << step->r_cut)) + std::ldexp(0.5, step->r_cut);
        const double r = x.told_step * (code - static_cast<double>(x.told_zero));
        const double wanted = std::ldexp(x.step / y.step * std::exp(-r), step->shift);
        const bool is_end = i == 0 || i + 1 == knots.size();  // held within the range of r
        EXPECT_NEAR(found, is_end ? found : wanted, 0.5 + wanted / 32) << i;
        largest = std::max(largest, std::abs(found));
      }
      EXPECT_LE(largest, most);
      EXPECT_GE(largest, most / 2 - 1);
      const double middle = std::ldexp(largest, step->x_cut - 1 - step->shift);  // what x may be moved by
      EXPECT_LE(middle, 0.26);
      EXPECT_GE(middle, 0.12);
      EXPECT_GE(step->r_cut, 6);
    }
  }
}

TEST(Quantize, OfAGraftOfFunctionsOfXAloneIsAsNearAsTheSameRoundingInFloat) {
  const Graft graft = plain_graft();
  const Precision precision{NumberKind::kW8A8, 16};
  const double real = error_of(graft, precision), fake = error_of_fake(graft, precision);
  EXPECT_LT(real, 1.3 * fake + 0.005);
}

/// What lies in a buffer before the step at `place`, of one picture: codes [rows, width].
Tensor codes_before(IntegerProgram program, const std::string& buffer, const std::string& place,
                    const Tensor& picture) {
  size_t step = 0, index = 0;
  while (program.steps[step].place != place) ++step;
  while (program.buffers[index].name != buffer) ++index;
  program.steps.resize(step);
  program.logits = static_cast<BufferIndex>(index);
  const std::vector<int32_t> codes =
      interpret(program, {picture.contiguous().data_ptr<int8_t>(), static_cast<size_t>(picture.numel())});
  return at::tensor(at::ArrayRef<int32_t>(codes), at::kDouble).view({program.buffers[index].rows, -1});
}

TEST(Quantize, TellsRAtTheFirstSiteAsTheNetworkDoes) {
  const at::NoGradGuard no_grad;
  const Graft graft = channel_graft();
  const Preprocessing& p = graft.network().preprocessing();
  const IntegerProgram program =
      quantize(graft, {NumberKind::kW8A8}, as_images(pixel_codes(32), p), silent_monitor());
  const IntegerBuffer& stream = program.buffers.front();
  const auto scales = program.origin.at("channel_scales").get<std::vector<double>>();
  const Tensor steps = at::tensor(scales, at::kDouble).slice(0, 1) * stream.step;
  for (const Tensor& picture : pixel_codes(3, 8).unbind()) {
    const Tensor codes = codes_before(program, "stream", "blocks.0.norm1", picture);
    const Tensor r = (codes.select(1, 0) - static_cast<double>(stream.told_zero)) * stream.told_step;
    const Tensor x = graft.network().enter(as_images(picture.unsqueeze(0), p))[0];
    EXPECT_LT((r - x.select(1, 0)).abs().max().item<double>(), 0.01);
    EXPECT_LT(relative_error(codes.slice(1, 1) * steps, x.slice(1, 1).to(at::kDouble)), 0.01);
  }
}

TEST(Quantize, ComputesBehindTheLastAttentionForTheClassTokenAlone) {
  const IntegerProgram program = program_of(Graft(small_vit()), {NumberKind::kW8A8});
  std::map<std::string, int64_t> rows;
  for (const PlacedStep& placed : program.steps) {
    if (const auto* linear = std::get_if<LinearStep>(&placed.step)) rows[placed.place] = linear->rows;
    if (const auto* norm = std::get_if<NormStep>(&placed.step)) rows[placed.place] = norm->rows;
  }
  for (const char* place : {"blocks.0.norm1", "blocks.0.mlp.fc2", "blocks.1.norm1", "blocks.1.attn.qkv"})
    EXPECT_EQ(rows.at(place), 17) << place;
  for (const char* place : {"blocks.1.attn.proj", "blocks.1.norm2", "blocks.1.mlp.fc1", "norm", "head"})
    EXPECT_EQ(rows.at(place), 1) << place;
}

/// A network whose hidden units of block 0 reach so many times as far as they did [H], and matter alike.
Graft graft_with_hidden_reach(const Tensor& times, double matter = 1) {
  Network network = small_vit();
  Tensors& tensors = network.tensors();
  tensors.at("blocks.0.mlp.fc1.weight") *= times.unsqueeze(1);
  tensors.at("blocks.0.mlp.fc1.bias") *= times;
  tensors.at("blocks.0.mlp.fc2.weight") *= matter / times;
  return Graft(network);
}

int64_t hidden_units() {
  return small_vit().tensors().at("blocks.0.mlp.fc1.bias").size(0);
}

const IntegerBuffer* find_buffer(const IntegerProgram& program, const std::string& name) {
  for (const IntegerBuffer& buffer : program.buffers) {
    if (buffer.name == name) return &buffer;
  }
  return nullptr;
}

TEST(Quantize, GivesHiddenUnitsThatReachFarARangeOfTheirOwn) {
  const at::NoGradGuard no_grad;
  Tensor times = at::ones({hidden_units()});
  times[3] = 300;
  const IntegerProgram program = program_of(graft_with_hidden_reach(times), {NumberKind::kW8A8});
  const IntegerBuffer* far = find_buffer(program, "blocks.0.mlp.act.far");
  ASSERT_NE(far, nullptr);
  EXPECT_EQ(far->width, 1);
  EXPECT_EQ(far->bits, 8);
  EXPECT_EQ(find_buffer(program, "blocks.0.mlp.act")->width, hidden_units() - 1);
  EXPECT_EQ(find_buffer(program, "blocks.1.mlp.act.far"), nullptr);
  EXPECT_LT(error_of(graft_with_hidden_reach(times), {NumberKind::kW8A8}), 0.1);
}

TEST(Quantize, GivesAPlaceThatLosesTooMuchInEightBitsSixteen) {
  const at::NoGradGuard no_grad;
  const Tensor times = at::logspace(0, 4, hidden_units());  // more than two ranges hold
  const Graft graft = graft_with_hidden_reach(times, 5);
  const IntegerProgram program = program_of(graft, {NumberKind::kW8A8});
  EXPECT_EQ(find_buffer(program, "blocks.0.mlp.act")->bits, 16);
  EXPECT_EQ(find_buffer(program, "blocks.0.mlp.act.far"), nullptr);
  EXPECT_EQ(find_buffer(program, "blocks.1.mlp.act")->bits, 8);
  EXPECT_LT(error_of(graft, {NumberKind::kW8A8}), 1.2 * error_of(graft, {NumberKind::kW8A16}));
}

std::string refusal(const Graft& graft, int64_t pictures = 16) {
  const Tensor images = as_images(pixel_codes(pictures), graft.network().preprocessing());
  return testing::input_error([&] { quantize(graft, {NumberKind::kW8A8}, images, silent_monitor()); });
}

TEST(Quantize, NamesWhatItDoesNotSupport) {
  const at::NoGradGuard no_grad;
  EXPECT_EQ(refusal(Graft(testing::small_vit_without_classes())),
            "quantize: small_vit_test has no head, which is not supported so far");
  const Network plain = small_vit();
  VitConfig config = testing::small_vit_config();
  config.pooling = Pooling::kAverage;
  EXPECT_EQ(refusal(Graft(make_vit(config, plain.preprocessing(), plain.tensors()))),
            "quantize: small_vit_test pools its tokens instead of reading a class token, which is not "
            "supported so far");
  Tensors tensors = plain.tensors();
  for (const int block : {0, 1}) {
    for (const char* name : {"q_norm", "k_norm"}) {
      tensors[fmt::format("blocks.{}.attn.{}.weight", block, name)] = at::ones({8});
      tensors[fmt::format("blocks.{}.attn.{}.bias", block, name)] = at::zeros({8});
    }
  }
  EXPECT_EQ(
      refusal(Graft(make_vit(testing::small_vit_config(), plain.preprocessing(), tensors))),
      "quantize: small_vit_test has a tensor \"blocks.0.attn.k_norm.bias\", which is not supported so far");
}

TEST(Quantize, NamesAFunctionWithoutAProvenRange) {
  const at::NoGradGuard no_grad;
  Graft unseen(small_vit());
  unseen.set_function("blocks.1.norm2", Expression::parse("tanh(x)"));
  EXPECT_EQ(refusal(unseen),
            "quantize: norm site \"blocks.1.norm2\": tanh(x) has no range of x in functions.json, expected a "
            "function proved on one");
  Graft unbounded(small_vit());
  FunctionFile file;
  file.functions.emplace("norm", Expression::parse("exp(x)"));
  file.seen.emplace("norm", Interval{-3, 3});
  unbounded.set_functions(file, {"norm"});
  EXPECT_NE(refusal(unbounded).find("quantize: norm site \"norm\": exp(x) has no proven range: "),
            std::string::npos);
}

TEST(Quantize, NamesANormThatIsKeptBesideAChannelThatTellsR) {
  EXPECT_EQ(
      refusal(channel_graft("blocks.1.norm2")),
      "quantize: norm site \"blocks.1.norm2\": keeps its norm beside a channel that tells r, expected a "
      "function at each site");
}

TEST(Quantize, NamesATensorThatUsesTheChannelOfR) {
  const at::NoGradGuard no_grad;
  Graft graft = channel_graft();
  graft.network().tensors().at("blocks.0.mlp.fc1.weight").select(1, 0).fill_(0.5);
  EXPECT_EQ(refusal(graft),
            "quantize: tensor \"blocks.0.mlp.fc1.weight\" is not 0 in the channel that tells r");
}

TEST(Quantize, NeedsSixteenPictures) {
  EXPECT_EQ(refusal(Graft(small_vit()), 15),
            "quantize: 15 pictures to choose ranges by, expected at least 16");
}

TEST(Quantize, IsTheSameWhateverTheThreads) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const IntegerProgram one = program_of(channel_graft(), {NumberKind::kW8A8});
  at::set_num_threads(2);
  const IntegerProgram two = program_of(channel_graft(), {NumberKind::kW8A8});
  at::set_num_threads(threads);
  for (const auto& [name, tensor] : one.tensors) {
    EXPECT_EQ(tensor.values8, two.tensors.at(name).values8) << name;
    EXPECT_EQ(tensor.values32, two.tensors.at(name).values32) << name;
  }
}

TEST(Quantize, TakesFromAChannelOfTheStreamWhatItReachesBeyondTheOthers) {
  const at::NoGradGuard no_grad;
  Graft far = channel_graft();
  Tensor scale = at::ones({far.network().sites().front().channels}, at::kDouble);
  scale[5] = 1. / 64;
  scale_channels(far.network(), scale);
  for (const int stream : {16, 8}) {
    const Precision precision{NumberKind::kW8A8, stream};
    const double more = stream == 8 ? 1.5 : 4;  // a stream of 16 bits is scaled by the root alone
    EXPECT_LT(error_of(far, precision), more * error_of(channel_graft(), precision)) << stream;
  }
}

TEST(Quantize, InSixteenBitsErrsLess) {
  const Graft graft = channel_graft();
  EXPECT_LT(error_of(graft, {NumberKind::kW8A16, 16}), error_of(graft, {NumberKind::kW8A8, 16}));
}

}  // namespace
}  // namespace normgraft
