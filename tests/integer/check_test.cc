// Programs that are wrong in one place, and what is said of them.
#include <gtest/gtest.h>

#include <functional>

#include "normgraft/integer/program.h"
#include "support/input_error.h"
#include "support/integer_programs.h"

namespace normgraft {
namespace {

using testing::input_error;

IntegerProgram good_program() {
  Random random({33});
  return testing::random_integer_program(testing::IntegerShape{}, random);
}

/// The first step of a kind.
template <typename Step>
Step& first(IntegerProgram& program) {
  for (PlacedStep& placed : program.steps) {
    if (Step* step = std::get_if<Step>(&placed.step)) return *step;
  }
  throw std::logic_error("no step of that kind");
}

void expect_fault(const std::function<void(IntegerProgram&)>& damage, const std::vector<std::string>& said) {
  IntegerProgram program = good_program();
  damage(program);
  const std::string message = input_error([&] { check(program); });
  for (const std::string& part : said) EXPECT_NE(message.find(part), std::string::npos) << message;
}

/// The same for one step.
template <typename Step>
void expect_step_fault(const std::function<void(Step&, IntegerProgram&)>& damage, const std::string& said) {
  expect_fault([&](IntegerProgram& program) { damage(first<Step>(program), program); }, {"step ", said});
}

TEST(IntegerCheck, LetsAGoodProgramPass) {
  EXPECT_NO_THROW(check(good_program()));
}

TEST(IntegerCheck, NamesTheStepAndItsPlace) {
  expect_fault([](IntegerProgram& p) { first<ScaleStep>(p).shift = 63; },
               {"integer program: step ", "norm", "shift is 63, expected 0 to 62"});
  expect_fault([](IntegerProgram& p) { p.steps[2].place = "two\nlines", first<LinearStep>(p).rows = 0; },
               {R"(step 2, "two\nlines": rows is 0)"});
}

TEST(IntegerCheck, RefusesBuffersThatCannotBeHeld) {
  expect_fault([](IntegerProgram& p) { p.buffers[1].rows = 0; }, {"buffer 1", "stream", "rows is 0"});
  expect_fault([](IntegerProgram& p) { p.buffers[1].width = -1; }, {"width is -1"});
  expect_fault([](IntegerProgram& p) { p.buffers[1].bits = 12; }, {"bits is 12, expected 8, 16 or 32"});
  expect_fault([](IntegerProgram& p) { p.buffers[1].name = p.buffers[0].name; }, {"twice"});
  expect_fault([](IntegerProgram& p) { p.buffers[1].name.clear(); }, {"no name"});
  expect_fault([](IntegerProgram& p) { p.buffers[1].step = NAN; }, {"not finite"});
  expect_fault([](IntegerProgram& p) { p.buffers[1].told_step = INFINITY; }, {"not finite"});
  expect_fault([](IntegerProgram& p) { p.buffers[0].rows = p.buffers[0].width = 1 << 24; }, {"all buffers"});
  expect_fault([](IntegerProgram& p) { p.buffers[0].rows = p.buffers[1].rows = 200'000'000; }, {"rows"});
}

TEST(IntegerCheck, RefusesTensorsWhoseValuesAreNotThoseOfTheirShape) {
  const auto damaged = [](const std::function<void(IntegerTensor&)>& damage) {
    return [damage](IntegerProgram& p) { damage(p.tensors.at("pos_embed")); };
  };
  expect_fault(damaged([](IntegerTensor& t) { t.values16.pop_back(); }),
               {"\"pos_embed\"", "count of values"});
  expect_fault(damaged([](IntegerTensor& t) { t.values8.push_back(1); }), {"8 bits is 1, expected 0"});
  expect_fault(damaged([](IntegerTensor& t) { t.bits = 24; }), {"bits is 24"});
  expect_fault(damaged([](IntegerTensor& t) { t.shape[0] = 0; }), {"side of its shape is 0"});
  expect_fault(damaged([](IntegerTensor& t) { t.shape = {1 << 24, 1 << 24, 1 << 24}; }), {"size"});
  expect_fault([](IntegerProgram& p) { p.tensors["unread"] = p.tensors.at("pos_embed"); },
               {"\"unread\" is read by no step"});
  expect_fault([](IntegerProgram& p) { p.tensors["__metadata__"] = p.tensors.at("pos_embed"); }, {"taken"});
}

TEST(IntegerCheck, RefusesBuffersThatAreMissing) {
  expect_step_fault<LinearStep>([](LinearStep& s, auto&) { s.to = -1; }, "to is -1, expected 0 to");
  expect_step_fault<NormStep>([](NormStep& s, auto& p) { s.from = static_cast<int>(p.buffers.size()); },
                              "from is");
  expect_fault([](IntegerProgram& p) { p.logits = 1000; }, {"logits is 1000"});
}

TEST(IntegerCheck, RefusesTensorsThatAreMissingOrOfAnotherShape) {
  expect_step_fault<LinearStep>([](LinearStep& s, auto&) { s.weight = "absent"; },
                                "weight: there is no tensor \"absent\"");
  expect_step_fault<LinearStep>([](LinearStep& s, auto&) { s.bias = s.shift; }, "bias: tensor");
  expect_step_fault<LinearStep>([](LinearStep& s, auto&) { s.multiplier = s.weight; }, "multiplier: tensor");
  expect_step_fault<LinearStep>([](LinearStep& s, auto&) { s.shift = s.weight; }, "shift: tensor");
  expect_step_fault<LinearStep>(
      [](LinearStep& s, IntegerProgram& p) {
        std::swap(p.tensors.at(s.weight).shape[0], p.tensors.at(s.weight).shape[1]);
      },
      "weight: tensor \"patch_embed.proj.weight\" is of 8 bits [36, 12], expected 8 bits [12, 36]");
  expect_step_fault<FillStep>([](FillStep& s, auto& p) { p.buffers[static_cast<size_t>(s.to)].bits = 8; },
                              "of 16 bits [10, 12], expected 8 bits [10, 12]");
  expect_step_fault<FirstSpreadStep>([](FirstSpreadStep& s, auto&) { s.scale = s.number; }, "scale: tensor");
  expect_step_fault<FirstSpreadStep>([](FirstSpreadStep& s, auto&) { s.number = s.scale; }, "number: tensor");
}

TEST(IntegerCheck, RefusesARowThatIsReadBeforeItIsWritten) {
  expect_fault([](IntegerProgram& p) { p.steps.erase(p.steps.begin()); },
               {"reads row 0 of buffer \"patches\""});
  // Without the positions nothing is there to add to.
  expect_fault(
      [](IntegerProgram& p) {
        p.steps.erase(p.steps.begin() + 1);
        p.tensors.erase("pos_embed");
      },
      {"reads row 1 of buffer \"stream\""});
  // And where it does not add, row 0 is missing when the stream is read.
  expect_fault(
      [](IntegerProgram& p) {
        first<LinearStep>(p).adds = false;
        p.steps.erase(p.steps.begin() + 1);
        p.tensors.erase("pos_embed");
      },
      {"first.projections", "reads row 0 of buffer \"stream\""});
  expect_fault([](IntegerProgram& p) { p.steps.pop_back(); }, {"logits", "reads row 0"});
  expect_step_fault<AttentionStep>(
      [](AttentionStep& s, IntegerProgram& p) {
        p.buffers.push_back(p.buffers[static_cast<size_t>(s.from)]);
        p.buffers.back().name = "unwritten";
        s.from = static_cast<BufferIndex>(p.buffers.size() - 1);
      },
      "reads row 0 of buffer \"unwritten\"");
}

TEST(IntegerCheck, RefusesASiteThatWritesFewerRowsThanAreRead) {
  expect_fault(
      [](IntegerProgram& p) {
        for (PlacedStep& placed : p.steps) {
          if (placed.place != "blocks.0.norm1") continue;
          std::visit(
              [](auto& step) {
                if constexpr (requires { step.f; }) step.rows = 9;
              },
              placed.step);
          std::visit(
              [](auto& step) {
                if constexpr (requires { step.g; }) step.rows = 9;
              },
              placed.step);
          std::visit(
              [](auto& step) {
                if constexpr (requires { step.eps; }) step.rows = 9;
              },
              placed.step);
        }
      },
      {"blocks.0.attn.qkv", "reads row 9 of buffer \"blocks.0.y\""});
}

TEST(IntegerCheck, RefusesStepsThatReadWhatTheyWrite) {
  expect_step_fault<ScaleStep>([](ScaleStep& s, auto&) { s.to = s.from; },
                               "reads and writes buffer \"stream\"");
  expect_step_fault<LinearStep>([](LinearStep& s, auto&) { s.from = s.to; }, "reads and writes");
  expect_step_fault<FirstSpreadStep>([](FirstSpreadStep& s, auto&) { s.from = s.to; }, "reads and writes");
  expect_step_fault<AttentionStep>([](AttentionStep& s, auto&) { s.from = s.to; }, "expected");
}

TEST(IntegerCheck, RefusesRowsBeyondEitherBuffer) {
  expect_step_fault<LinearStep>([](LinearStep& s, auto&) { s.rows = 10; }, "rows is 10, expected 1 to 9");
  expect_step_fault<LinearStep>([](LinearStep& s, auto&) { s.first_row = 2; },
                                "first_row is 2, expected 0 to 1");
  expect_step_fault<LinearStep>([](LinearStep& s, auto&) { s.first_row = -1; }, "first_row is -1");
  for (const int64_t rows : {-1, 0, 11}) {
    const std::string said = fmt::format("rows is {}, expected 1 to ", rows);
    expect_step_fault<ScaleStep>([&](ScaleStep& s, auto&) { s.rows = rows; }, said);
    expect_step_fault<CurveStep>([&](CurveStep& s, auto&) { s.rows = rows; }, said);
    expect_step_fault<NormStep>([&](NormStep& s, auto&) { s.rows = rows; }, said);
  }
}

TEST(IntegerCheck, RefusesBuffersOfAnotherShape) {
  const auto widen = [](BufferIndex buffer, IntegerProgram& p) {
    ++p.buffers[static_cast<size_t>(buffer)].width;
  };
  const auto lengthen = [](BufferIndex buffer, IntegerProgram& p) {
    ++p.buffers[static_cast<size_t>(buffer)].rows;
  };
  expect_step_fault<PatchStep>([&](PatchStep& s, auto& p) { widen(s.to, p); },
                               "width of its output is 37, expected 36");
  expect_step_fault<PatchStep>([&](PatchStep& s, auto& p) { lengthen(s.to, p); },
                               "rows of its output is 10, expected 9");
  expect_step_fault<ScaleStep>([&](ScaleStep& s, auto& p) { widen(s.to, p); }, "width of its output");
  expect_step_fault<CurveStep>([&](CurveStep& s, auto& p) { widen(s.to, p); }, "width of its output");
  expect_step_fault<AttentionStep>([&](AttentionStep& s, auto& p) { widen(s.to, p); },
                                   "width of its input is 36, expected 39");
  expect_step_fault<AttentionStep>([&](AttentionStep& s, auto& p) { lengthen(s.to, p); },
                                   "rows of its output");
  expect_step_fault<FirstSpreadStep>([&](FirstSpreadStep& s, auto& p) { lengthen(s.from, p); },
                                     "rows of its output");
}

TEST(IntegerCheck, RefusesWidthsThatAStepDoesNotRead) {
  const auto of_bits = [](BufferIndex buffer, IntegerProgram& p, int bits) {
    p.buffers[static_cast<size_t>(buffer)].bits = bits;
  };
  expect_step_fault<LinearStep>([&](LinearStep& s, auto& p) { of_bits(s.from, p, 32); },
                                "is of 32 bits, expected at most 16");
  expect_step_fault<AttentionStep>([&](AttentionStep& s, auto& p) { of_bits(s.from, p, 16); },
                                   "is of 16 bits, expected at most 8");
  expect_fault([](IntegerProgram& p) { p.buffers[static_cast<size_t>(p.logits)].bits = 16; },
               {"logits", "bits is 16, expected 32"});
}

TEST(IntegerCheck, RefusesPatchesThatAreNotOfThePicture) {
  expect_step_fault<PatchStep>([](PatchStep& s, auto&) { s.height = 12; }, "height is 12, expected 13");
  expect_step_fault<PatchStep>([](PatchStep& s, auto&) { s.width = 11; }, "width is 11, expected 10");
  expect_step_fault<PatchStep>([](PatchStep& s, auto&) { s.patch_height = 0; }, "patch_height is 0");
  expect_step_fault<PatchStep>([](PatchStep& s, auto&) { s.patch_width = 11; }, "patch_width is 11");
  expect_fault([](IntegerProgram& p) { p.preprocessing.height = 0; }, {"preprocessing: height is 0"});
}

TEST(IntegerCheck, RefusesShiftsOutOfRange) {
  expect_step_fault<LinearStep>([](LinearStep& s, auto& p) { p.tensors.at(s.shift).values8[3] = 63; },
                                "a shift is 63");
  expect_step_fault<LinearStep>([](LinearStep& s, auto& p) { p.tensors.at(s.shift).values8[3] = -1; },
                                "a shift is -1");
  expect_step_fault<NormStep>([](NormStep& s, auto&) { s.rescale.shift = 63; }, "shift is 63");
  expect_step_fault<AttentionStep>([](AttentionStep& s, auto&) { s.rescale.shift = -1; }, "shift is -1");
  expect_step_fault<FirstSpreadStep>([](FirstSpreadStep& s, auto&) { s.rescale.shift = 63; }, "shift is 63");
  expect_step_fault<FirstSpreadStep>([](FirstSpreadStep& s, auto&) { s.number_shift = 63; },
                                     "number_shift is 63");
  expect_step_fault<CurveStep>([](CurveStep& s, auto&) { s.f.shift = 17; }, "the shift of f is 17");
  expect_step_fault<CurveStep>([](CurveStep& s, auto&) { s.f.fraction = 16; }, "the fraction of f is 16");
  expect_step_fault<ScaleStep>([](ScaleStep& s, auto&) { s.g.shift = -1; }, "the shift of g is -1");
  expect_step_fault<ScaleStep>([](ScaleStep& s, auto&) { s.r_cut = 16; }, "r_cut is 16, expected 0 to 15");
  expect_step_fault<ScaleStep>([](ScaleStep& s, auto&) { s.x_cut = -1; }, "x_cut is -1, expected 0 to 15");
}

TEST(IntegerCheck, RefusesCurvesWithoutTheirKnots) {
  const auto one_knot = [](const std::string& name, IntegerProgram& p) {
    p.tensors.at(name) = {.shape = {1}, .bits = 16, .values16 = {1}};
  };
  expect_step_fault<CurveStep>([&](CurveStep& s, auto& p) { one_knot(s.f.knots, p); },
                               "number of knots of f is 1");
  expect_step_fault<CurveStep>([](CurveStep& s, auto&) { s.f.knots = "head.shift"; },
                               "are of 8 bits [5], expected a list");
  expect_step_fault<CurveStep>([](CurveStep& s, auto&) { s.f.knots = "pos_embed"; },
                               "expected a list of 16 or 32 bits");
  expect_step_fault<FirstSpreadStep>([](FirstSpreadStep& s, auto&) { s.log2.low = 1; },
                                     "low end of log2 is 1");
  expect_step_fault<FirstSpreadStep>([](FirstSpreadStep& s, auto&) { --s.log2.shift; },
                                     "range of log2 is 32768, expected 65536");
  expect_step_fault<AttentionStep>([](AttentionStep& s, auto&) { ++s.reciprocal.shift; },
                                   "range of reciprocal is 131072");
}

TEST(IntegerCheck, RefusesAnExpThatLeavesItsBitsOrCanSumToZero) {
  const auto exp_knot = [](size_t i, int16_t value) {
    return [i, value](AttentionStep& s, IntegerProgram& p) {
      s.exp_bits = 8;
      s.exp.fraction = 0;
      p.tensors.at(s.exp.knots).values16.assign(p.tensors.at(s.exp.knots).values16.size(), 9);
      p.tensors.at(s.exp.knots).values16[i] = value;
    };
  };
  expect_step_fault<AttentionStep>(exp_knot(1, 256), "is 256, expected 0 to 255");
  expect_step_fault<AttentionStep>(exp_knot(1, -1), "is -1, expected 0 to 255");
  expect_step_fault<AttentionStep>(exp_knot(0, 0), "exp at 0 is 0, expected 1 to");
  expect_step_fault<AttentionStep>([](AttentionStep& s, auto&) { s.exp_bits = 16; }, "exp_bits is 16");
  expect_step_fault<AttentionStep>(
      [](AttentionStep& s, auto& p) {
        s.reciprocal.fraction = 0;
        p.tensors.at(s.reciprocal.knots).values32[0] = 65536;
      },
      "is 65536, expected 0 to 65535");
}

TEST(IntegerCheck, RefusesHeadsThatDoNotDivideTheChannels) {
  expect_step_fault<AttentionStep>([](AttentionStep& s, auto&) { s.heads = 5; },
                                   "what heads leave of the width is 2, expected 0");
  expect_step_fault<AttentionStep>([](AttentionStep& s, auto&) { s.heads = 0; }, "heads is 0");
}

TEST(IntegerCheck, RefusesANormThatDividesByZeroOrLeaves64Bits) {
  expect_step_fault<NormStep>([](NormStep& s, auto&) { s.eps = 0; }, "eps is 0");
  expect_step_fault<NormStep>([](NormStep& s, auto&) { s.variance_shift = 3; }, "variance_shift");
  expect_step_fault<NormStep>([](NormStep& s, auto&) { s.variance_shift = 18; }, "variance_shift is 18");
  expect_step_fault<NormStep>([](NormStep& s, auto&) { s.eps = INT64_MAX; },
                              "expected at most 9223372036854775807, the largest of 64 bits");
}

TEST(IntegerCheck, RefusesAFirstSpreadThatLeaves64Bits) {
  expect_step_fault<FirstSpreadStep>(
      [](FirstSpreadStep& s, auto& p) {
        s.number_shift = 62;
        p.tensors.at(s.number).values32.assign(p.tensors.at(s.number).values32.size(), 0);
        p.tensors.at(s.number).values32[4] = -2;
      },
      "row 4 of its squares can reach");
}

TEST(IntegerCheck, RefusesNamesThatNameNothing) {
  expect_fault([](IntegerProgram& p) { p.sites.emplace_back("blocks.9.norm1"); },
               {"site \"blocks.9.norm1\""});
  expect_fault([](IntegerProgram& p) { p.class_names.pop_back(); },
               {"number of class names is 4, expected 5"});
  expect_fault([](IntegerProgram& p) { p.steps[0].place.clear(); }, {"place has no name"});
  EXPECT_NO_THROW([] {
    IntegerProgram p = good_program();
    p.class_names.clear();
    check(p);
  }());
}

}  // namespace
}  // namespace normgraft
