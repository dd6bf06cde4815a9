#include "normgraft/cost/roofline.h"

#include <gtest/gtest.h>

#include "normgraft/core/random.h"

namespace normgraft {
namespace {

// Horowitz, ISSCC 2014, 45 nm, in pJ: additions and multiplications of 32-bit integers 0.1 and 3.1, of 16-bit
// floats 0.4 and 1.1, of 32-bit floats 0.9 and 3.7; a multiplication of 8 bits 0.2; 32 bits of DRAM 640, of
// an SRAM of 8 KB 5.
constexpr double kDramByte = 160, kSramByte = 1.25;

/// Elements of one byte and a stream of two. A token of 8 fits with 160 bits.
Accelerator board(int64_t buffer_bits = 160) {
  return {.name = "board",
          .elements = ElementKind::kInt8,
          .stream_bits = 16,
          .clock_hz = 1000,
          .lanes = 4,
          .vector_operations_per_second = 1e6,
          .matrix_operations_per_second = 1e6,
          .offchip_bytes_per_second = 1e6,
          .buffer_bits = buffer_bits};
}

/// Ten tokens of eight channels: 80 elements. LayerNorm needs 43 operations a token of eight: 430.
NormWork layernorm() {
  return {.name = "norm1", .tokens = 10, .channels = 8};
}

NormWork function(const char* f = "x*exp(r)") {
  NormWork norm = layernorm();
  norm.f = Expression::parse(f);
  return norm;
}

double bytes(const NormWork& norm, Fusion fusion, const Accelerator& on = board()) {
  return norm_cost(norm, fusion, on).bytes;
}

TEST(NormCostOnAnAccelerator, OfAnUnfusedLayerNormIsTwoPassesThroughMemory) {
  // x, h -> x, then x -> y: 2 + 1 + 2, and 2 + 1.
  EXPECT_EQ(bytes(layernorm(), Fusion::kUnfused), 80 * 8);
  // Where no token fits, x is read once more.
  EXPECT_EQ(bytes(layernorm(), Fusion::kUnfused, board(159)), 80 * 10);
}

TEST(NormCostOnAnAccelerator, OfAFusedLayerNormReadsXAndHAndWritesXAndY) {
  EXPECT_EQ(bytes(layernorm(), Fusion::kFused), 80 * 6);
  EXPECT_EQ(bytes(layernorm(), Fusion::kFused, board(159)), 80 * 8);
}

TEST(NormCostOnAnAccelerator, OfAFunctionMovesWhatALayerNormMovesWhoseTokenFits) {
  for (const Named<Fusion>& fusion : kFusions) {
    EXPECT_EQ(bytes(function(), fusion.value), bytes(layernorm(), fusion.value)) << fusion.name;
  }
  for (const Fusion fusion : {Fusion::kUnfused, Fusion::kFused}) {
    EXPECT_EQ(bytes(function(), fusion, board(0)), bytes(layernorm(), fusion)) << "whatever the buffer";
  }
}

TEST(NormCostOnAnAccelerator, KeepsYOnTheChipWhereATokenFits) {
  EXPECT_EQ(bytes(layernorm(), Fusion::kIntoLinear), 80 * 5);
  EXPECT_EQ(bytes(function(), Fusion::kIntoLinear), 80 * 5);
  EXPECT_EQ(bytes(layernorm(), Fusion::kIntoLinear, board(159)), 80 * 8);
  EXPECT_EQ(bytes(function(), Fusion::kIntoLinear, board(159)), 80 * 6);
}

TEST(NormCostOnAnAccelerator, OfASiteWithoutAnAdditionBeforeItIsTheSameUnfusedAndFused) {
  NormWork first = layernorm();
  first.adds = false;
  for (const Fusion fusion : {Fusion::kUnfused, Fusion::kFused}) {
    EXPECT_EQ(bytes(first, fusion), 80 * 3);
    EXPECT_EQ(bytes(first, fusion, board(0)), 80 * 5);
    EXPECT_EQ(norm_cost(first, fusion, board()).ops, 430);
  }
}

TEST(NormCostOnAnAccelerator, OfTheLastSiteWritesNoStreamThatNobodyReads) {
  NormWork last = layernorm();
  last.goes_on = false;
  EXPECT_EQ(bytes(last, Fusion::kFused), 80 * 4);
  EXPECT_EQ(bytes(last, Fusion::kUnfused), 80 * 8) << "the norm reads it";
  EXPECT_EQ(bytes(last, Fusion::kFused, board(0)), 80 * 7) << "x and h are read again";
}

TEST(NormCostOnAnAccelerator, CountsTheAdditionAndTheNorm) {
  EXPECT_EQ(norm_cost(layernorm(), Fusion::kUnfused, board()).ops, 80 + 430);
  EXPECT_EQ(norm_cost(layernorm(), Fusion::kFused, board()).ops, 80 + 430);
  EXPECT_EQ(norm_cost(function(), Fusion::kFused, board()).ops, 80 + 80 + 10 * 20) << "exp once a token";
}

TEST(NormCostOnAnAccelerator, HoldsATokenAndTwoNumbersOrThatWhichAFunctionReads) {
  EXPECT_EQ(norm_cost(layernorm(), Fusion::kFused, board()).buffer_bits, 16 * (8 + 2));
  EXPECT_EQ(norm_cost(layernorm(), Fusion::kFused, board(159)).buffer_bits, 16 * 2);
  EXPECT_EQ(norm_cost(function(), Fusion::kFused, board()).buffer_bits, 16);
  EXPECT_EQ(norm_cost(function("tanh(x)"), Fusion::kFused, board()).buffer_bits, 0);
}

TEST(NormCostOnAnAccelerator, WaitsForAllTokensForOneOrForOneElement) {
  const auto clocks = [](const NormWork& norm, Fusion fusion) {
    return norm_cost(norm, fusion, board()).first_output_clocks;
  };
  EXPECT_EQ(clocks(layernorm(), Fusion::kUnfused), 80 / 4 + 8 / 4);
  EXPECT_EQ(clocks(layernorm(), Fusion::kFused), 2);
  EXPECT_EQ(clocks(function(), Fusion::kUnfused), 80 / 4 + 1);
  EXPECT_EQ(clocks(function(), Fusion::kFused), 1);
  NormWork odd = layernorm();
  odd.channels = 9;
  EXPECT_EQ(clocks(odd, Fusion::kFused), 3) << "the ninth element comes with a clock of its own";
}

TEST(NormCostOnAnAccelerator, TakesEnergyForArithmeticTheTokenBufferAndTraffic) {
  const double int32 = (0.1 + 3.1) / 2;
  EXPECT_DOUBLE_EQ(norm_cost(layernorm(), Fusion::kFused, board()).energy_pj,
                   510 * int32 + 2 * 160 * kSramByte + 480 * kDramByte);
  EXPECT_DOUBLE_EQ(norm_cost(layernorm(), Fusion::kFused, board(159)).energy_pj,
                   510 * int32 + 640 * kDramByte);
  EXPECT_DOUBLE_EQ(norm_cost(function(), Fusion::kFused, board()).energy_pj, 360 * int32 + 480 * kDramByte);
  Accelerator floats = board();
  floats.elements = ElementKind::kFloat16;
  EXPECT_DOUBLE_EQ(norm_cost(function(), Fusion::kFused, floats).energy_pj,
                   360 * (0.4 + 1.1) / 2 + 80 * 8 * kDramByte);
  floats.elements = ElementKind::kFloat32;
  floats.stream_bits = 32;
  EXPECT_DOUBLE_EQ(norm_cost(function(), Fusion::kFused, floats).energy_pj,
                   360 * (0.9 + 3.7) / 2 + 80 * 16 * kDramByte);
}

TEST(NormCostOnAnAccelerator, TakesAsLongAsTheSlowestThatEachPassNeeds) {
  const auto seconds = [](Fusion fusion, const Accelerator& on) {
    return norm_cost(layernorm(), fusion, on).seconds;
  };
  Accelerator fast = board();
  fast.clock_hz = fast.vector_operations_per_second = fast.offchip_bytes_per_second = 1e12;
  Accelerator narrow = fast, weak = fast, slow = fast;
  narrow.offchip_bytes_per_second = 1000;
  EXPECT_DOUBLE_EQ(seconds(Fusion::kFused, narrow), 0.48);
  EXPECT_DOUBLE_EQ(seconds(Fusion::kUnfused, narrow), 0.64);
  weak.vector_operations_per_second = 1000;
  EXPECT_DOUBLE_EQ(seconds(Fusion::kFused, weak), 0.51);
  slow.clock_hz = 1000;
  EXPECT_DOUBLE_EQ(seconds(Fusion::kFused, slow), 80 / 4 / 1000.0);
  EXPECT_DOUBLE_EQ(seconds(Fusion::kUnfused, slow), 2 * 80 / 4 / 1000.0);
  Accelerator mixed = fast;  // the addition is bound by its 400 bytes, the norm by its 430 operations
  mixed.offchip_bytes_per_second = 1000;
  mixed.vector_operations_per_second = 1000;
  EXPECT_DOUBLE_EQ(seconds(Fusion::kUnfused, mixed), 0.4 + 0.43);
}

TEST(NormCostOnAnAccelerator, IsNeverHigherFusedNorOfAFunctionOfLessArithmetic) {
  Random random({11});
  for (int i = 0; i < 2000; ++i) {
    Accelerator on = board(static_cast<int64_t>(random.below(4000)));
    on.elements =
        std::array{ElementKind::kInt8, ElementKind::kFloat16, ElementKind::kFloat32}[random.below(3)];
    on.stream_bits = std::max<int64_t>(on.element_bits(), 8 << random.below(3));
    on.lanes = 1 + static_cast<int64_t>(random.below(40));
    for (double* rate : {&on.clock_hz, &on.vector_operations_per_second, &on.offchip_bytes_per_second}) {
      *rate = std::exp(20 * random.uniform());
    }
    NormWork norm{.name = "norm1",
                  .tokens = 1 + static_cast<int64_t>(random.below(50)),
                  .channels = 1 + static_cast<int64_t>(random.below(200)),
                  .adds = random.below(2) == 0,
                  .goes_on = random.below(2) == 0};
    NormWork scaled = norm;
    scaled.f = Expression::parse("x*r");
    const auto expect_at_most = [&](const RooflineCost& a, const RooflineCost& b) {
      EXPECT_LE(a.bytes, b.bytes);
      EXPECT_LE(a.ops, b.ops);
      EXPECT_LE(a.seconds, b.seconds * (1 + 1e-12));
      EXPECT_LE(a.energy_pj, b.energy_pj * (1 + 1e-12));
      EXPECT_LE(a.first_output_clocks, b.first_output_clocks);
    };
    for (const NormWork& each : {norm, scaled}) {
      expect_at_most(norm_cost(each, Fusion::kFused, on), norm_cost(each, Fusion::kUnfused, on));
      expect_at_most(norm_cost(each, Fusion::kIntoLinear, on), norm_cost(each, Fusion::kFused, on));
    }
    for (const Named<Fusion>& fusion : kFusions) {
      expect_at_most(norm_cost(scaled, fusion.value, on), norm_cost(norm, fusion.value, on));
    }
  }
}

/// A Linear of 8 inputs and 3 outputs that reads ten tokens of a site.
ProductWork linear() {
  return {.name = "qkv",
          .ops = 480,
          .read = 80,
          .written = 30,
          .of_sites = 80,
          .site_channels = 8,
          .weights = 24};
}

TEST(ProductCost, ReadsAndWritesEveryNumberOnce) {
  const RooflineCost cost = product_cost(linear(), Fusion::kFused, board());
  EXPECT_EQ(cost.ops, 480);
  EXPECT_EQ(cost.bytes, 80 + 30 + 24);
  EXPECT_DOUBLE_EQ(cost.energy_pj, 240 * (0.2 + 0.1) + 134 * kDramByte);
  EXPECT_DOUBLE_EQ(cost.seconds, 480e-6);
  ProductWork embedding = linear();
  embedding.written = 0;
  embedding.stream_written = 30;
  EXPECT_EQ(product_cost(embedding, Fusion::kFused, board()).bytes, 80 + 60 + 24);
  Accelerator narrow = board();
  narrow.offchip_bytes_per_second = 1000;
  EXPECT_DOUBLE_EQ(product_cost(linear(), Fusion::kFused, narrow).seconds, 0.134);
}

TEST(ProductCost, LeavesOutWhatStayedOnTheChip) {
  EXPECT_EQ(product_cost(linear(), Fusion::kIntoLinear, board()).bytes, 30 + 24);
  EXPECT_EQ(product_cost(linear(), Fusion::kIntoLinear, board(159)).bytes, 80 + 30 + 24);
}

TEST(NetworkRoofline, SumsAllButTheBufferOfWhichItTakesTheLargest) {
  NormWork small = function();
  small.channels = 4;
  const NetworkRoofline all = network_roofline({{layernorm(), small}, {linear(), linear()}}, board());
  ASSERT_EQ(all.sites.size(), 2U);
  const RooflineCost &a = at(all.sites[0], Fusion::kFused), &b = at(all.sites[1], Fusion::kFused);
  const RooflineCost& norms = at(all.norms, Fusion::kFused);
  EXPECT_EQ(a.bytes, 480);
  EXPECT_EQ(norms.bytes, a.bytes + b.bytes);
  EXPECT_EQ(norms.ops, a.ops + b.ops);
  EXPECT_EQ(norms.buffer_bits, 160);
  EXPECT_EQ(norms.first_output_clocks, 2 + 1);
  EXPECT_DOUBLE_EQ(norms.energy_pj, a.energy_pj + b.energy_pj);
  EXPECT_DOUBLE_EQ(norms.seconds, a.seconds + b.seconds);
  EXPECT_EQ(at(all.products, Fusion::kFused).bytes, 2 * 134);
  EXPECT_EQ(at(all.network, Fusion::kFused).bytes, norms.bytes + 2 * 134);
  EXPECT_EQ(at(all.network, Fusion::kIntoLinear).bytes, 80 * 5 + 40 * 5 + 2 * 54);
}

TEST(CompareOn, SaysWhatFitsTheBufferAndGivesJsonOfEachWay) {
  const NetworkWork norms{{layernorm()}, {linear()}}, functions{{function()}, {linear()}};
  AcceleratorCost cost = compare_on(board(), norms, functions);
  EXPECT_EQ(cost.token_bits, 8 * 16);
  EXPECT_TRUE(cost.token_fits);
  EXPECT_EQ(cost.stream_bits, 80 * 16);
  EXPECT_FALSE(cost.stream_fits);
  EXPECT_TRUE(cost.replaced.at(0));
  const Json json = to_json(cost);
  EXPECT_EQ(json.at("description").at("name"), "board");
  EXPECT_EQ(json.at("layernorm").at("norms").at("unfused").at("bytes"), 640);
  EXPECT_EQ(json.at("graft").at("products").at("into_linear").at("bytes"), 54);
  EXPECT_EQ(json.at("sites").at(0).at("graft").at("fused").at("first_output_clocks"), 1);
  for (const char* key : {"ops", "buffer_bits", "bytes", "first_output_clocks", "energy_pj", "seconds"}) {
    EXPECT_TRUE(json.at("graft").at("network").at("fused").contains(key)) << key;
  }
  cost = compare_on(board(1280), norms, functions);
  EXPECT_TRUE(cost.stream_fits);
  EXPECT_FALSE(compare_on(board(159), norms, functions).token_fits);
}

}  // namespace
}  // namespace normgraft
