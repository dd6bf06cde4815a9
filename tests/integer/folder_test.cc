#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "normgraft/core/safetensors.h"
#include "normgraft/integer/interpreter.h"
#include "normgraft/integer/program_folder.h"
#include "support/input_error.h"
#include "support/integer_programs.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::input_error;
using testing::TemporaryFolder;

class IntegerFolder : public ::testing::Test {
 protected:
  IntegerFolder() {
    Random random({35});
    program_ = testing::random_integer_program(testing::IntegerShape{}, random);
    write_integer_folder(folder_.path(), program_);
  }

  /// Changes config.json and returns what reading it says.
  std::string fault_of(const std::function<void(Json&)>& damage) {
    Json config = read_json(folder_ / "config.json", "config");
    damage(config);
    write_json(folder_ / "config.json", config);
    const std::string message = input_error([&] { read_integer_folder(folder_.path()); });
    write_integer_folder(folder_.path(), program_);
    return message;
  }

  void expect_fault(const std::function<void(Json&)>& damage, const std::vector<std::string>& said) {
    const std::string message = fault_of(damage);
    EXPECT_NE(message.find(folder_.path().string()), std::string::npos) << message;
    for (const std::string& part : said) EXPECT_NE(message.find(part), std::string::npos) << message;
  }

  /// Without waiting for the disk.
  void overwrite(const char* file, const std::string& content) {
    std::ofstream(folder_ / file, std::ios::binary) << content;
  }

  std::string fault() {
    return input_error([&] { read_integer_folder(folder_.path()); });
  }

  TemporaryFolder folder_;
  IntegerProgram program_;
};

TEST_F(IntegerFolder, HoldsWhatWasWritten) {
  const IntegerProgram read = read_integer_folder(folder_.path());
  EXPECT_EQ(read.architecture, program_.architecture);
  EXPECT_EQ(read.class_names, program_.class_names);
  EXPECT_EQ(read.sites, program_.sites);
  EXPECT_EQ(read.origin, program_.origin);
  EXPECT_EQ(read.tensors.size(), program_.tensors.size());
  Random random({36});
  const std::vector<int8_t> picture = testing::random_codes(program_, random);
  EXPECT_EQ(interpret(read, picture), interpret(program_, picture));
}

TEST_F(IntegerFolder, IsWrittenAgainByteForByte) {
  const TemporaryFolder again;
  write_integer_folder(again.path(), read_integer_folder(folder_.path()));
  for (const char* file : {"config.json", "model.safetensors"}) {
    EXPECT_EQ(read_file(again / file, "file"), read_file(folder_ / file, "file")) << file;
  }
}

TEST_F(IntegerFolder, KeepsTheUnitsOfItsBuffersAndThePreprocessing) {
  program_.buffers[1].told_step = 0.125;
  program_.buffers[1].told_zero = -7;
  program_.buffers[1].step = 1.0 / 3;
  program_.buffers[1].zero = 9;
  program_.preprocessing.crop_pct = 0.9;
  program_.preprocessing.crop_mode = "squash";
  program_.preprocessing.interpolation = Interpolation::kBilinear;
  write_integer_folder(folder_.path(), program_);
  const IntegerProgram read = read_integer_folder(folder_.path());
  EXPECT_EQ(read.buffers[1].told_step, 0.125);
  EXPECT_EQ(read.buffers[1].told_zero, -7);
  EXPECT_EQ(read.buffers[1].step, 1.0 / 3);
  EXPECT_EQ(read.buffers[1].zero, 9);
  EXPECT_EQ(read.preprocessing.crop_pct, 0.9);
  EXPECT_EQ(read.preprocessing.crop_mode, "squash");
  EXPECT_EQ(read.preprocessing.interpolation, Interpolation::kBilinear);
}

TEST_F(IntegerFolder, IsToldByItsConfig) {
  EXPECT_TRUE(is_integer_folder(folder_.path()));
  EXPECT_FALSE(is_integer_folder(folder_ / "absent"));
  write_atomically(folder_ / "config.json", "{");
  EXPECT_FALSE(is_integer_folder(folder_.path()));
  write_atomically(folder_ / "config.json", "[]");
  EXPECT_FALSE(is_integer_folder(folder_.path()));
  write_atomically(folder_ / "config.json", R"({"architecture": "deit_tiny_patch16_224"})");
  EXPECT_FALSE(is_integer_folder(folder_.path()));
}

TEST_F(IntegerFolder, OfANewerVersionIsRefused) {
  expect_fault([](Json& config) { config["version"] = 3; },
               {"version 3 is newer than version 2, the newest this program reads"});
}

/// No ScaleStep cuts; `scale_` is the first.
class FolderOfScales : public IntegerFolder {
 protected:
  FolderOfScales() {
    for (PlacedStep& each : program_.steps) {
      auto* scale = std::get_if<ScaleStep>(&each.step);
      if (scale == nullptr) continue;
      scale->r_cut = scale->x_cut = 0;
      scale->floors = false;
      scale_ = scale_ == nullptr ? scale : scale_;
    }
  }

  Json written() {
    write_integer_folder(folder_.path(), program_);
    return read_json(folder_ / "config.json", "config");
  }
  ScaleStep read_back() const {
    for (const PlacedStep& each : read_integer_folder(folder_.path()).steps)
      if (const auto* scale = std::get_if<ScaleStep>(&each.step)) return *scale;
    return {};
  }
  static Json& first_scale(Json& config) {
    for (Json& step : config["steps"])
      if (step["kind"] == "scale") return step;
    throw std::runtime_error("no scale");
  }

  ScaleStep* scale_ = nullptr;
};

TEST_F(FolderOfScales, IsOfVersion1WhereNoneCuts) {
  Json config = written();
  EXPECT_EQ(config["version"], 1);
  EXPECT_FALSE(first_scale(config).contains("x_cut"));
  EXPECT_FALSE(read_back().cuts());
  expect_fault([](Json& changed) { first_scale(changed)["x_cut"] = 1; },
               {"\"x_cut\" is no field of version 1"});
}

TEST_F(FolderOfScales, IsOfVersion2WhereOneCuts) {
  for (const auto& change : std::vector<std::function<void(ScaleStep&)>>{
           [](ScaleStep& s) { s.r_cut = 3; }, [](ScaleStep& s) { s.x_cut = 2; },
           [](ScaleStep& s) { s.floors = true; }}) {
    const ScaleStep before = *scale_;
    change(*scale_);
    Json config = written();
    EXPECT_EQ(config["version"], 2);
    EXPECT_EQ(first_scale(config)["r_cut"], scale_->r_cut);
    const ScaleStep read = read_back();
    EXPECT_EQ(read.r_cut, scale_->r_cut);
    EXPECT_EQ(read.x_cut, scale_->x_cut);
    EXPECT_EQ(read.floors, scale_->floors);
    for (const char* field : {"r_cut", "x_cut", "floors"})
      expect_fault([&](Json& changed) { first_scale(changed).erase(field); },
                   {std::string(field) + " is missing"});
    expect_fault([](Json& changed) { changed["version"] = 1; }, {"is no field of version 1"});
    *scale_ = before;
  }
}

TEST_F(IntegerFolder, OfAnotherFormatIsRefused) {
  expect_fault([](Json& config) { config["format"] = "other"; },
               {"format", "expected \"normgraft-integer\""});
}

TEST_F(IntegerFolder, WithAFieldMissingOrUnknownIsRefused) {
  const Json whole = read_json(folder_ / "config.json", "config");
  for (const auto& field : whole.items()) {
    const std::string key = field.key();
    expect_fault([&](Json& config) { config.erase(key); }, {key + " is missing"});
  }
  expect_fault([](Json& config) { config["steps"][0].erase("height"); }, {"steps[0].height is missing"});
  expect_fault([](Json& config) { config["steps"][0]["dilation"] = 2; },
               {"steps[0]", "\"dilation\" is no field"});
  expect_fault([](Json& config) { config["buffers"][1]["sign"] = false; },
               {"buffers[1]", "\"sign\" is no field"});
  expect_fault([](Json& config) { config["rounding"] = "even"; }, {"\"rounding\" is no field"});
  expect_fault([](Json& config) { config["preprocessing"]["pad"] = 1; },
               {"preprocessing", "\"pad\" is no field"});
}

TEST_F(IntegerFolder, WithANumberThatDoesNotFitIsRefused) {
  expect_fault([](Json& config) { config["steps"][2]["zero"] = 1LL << 31; },
               {"steps[2].zero: expected an integer from -2147483648 to 2147483647"});
  expect_fault([](Json& config) { config["steps"][2]["rows"] = 1.5; },
               {"steps[2].rows: expected an integer"});
  expect_fault([](Json& config) { config["steps"][2]["adds"] = 1; },
               {"steps[2].adds: expected true or false"});
  expect_fault([](Json& config) { config["buffers"][0]["step"] = nullptr; },
               {"buffers[0].step: expected a finite"});
  expect_fault(
      [](Json& config) { config["preprocessing"]["interpolation"] = "cubic"; },
      {"preprocessing.interpolation: unknown interpolation \"cubic\", expected bilinear or bicubic"});
}

TEST_F(IntegerFolder, WithAnUnknownKindOrBufferIsRefused) {
  expect_fault([](Json& config) { config["steps"][3]["kind"] = "convolution"; },
               {"steps[3].kind: unknown kind \"convolution\", expected one of patch, fill, linear"});
  expect_fault([](Json& config) { config["steps"][3]["from"] = "nowhere"; },
               {"steps[3].from: there is no buffer \"nowhere\""});
  expect_fault([](Json& config) { config["logits"] = "nowhere"; }, {"logits: there is no buffer"});
}

TEST_F(IntegerFolder, IsCheckedAndProvedWhenRead) {
  expect_fault([](Json& config) { config["steps"][2]["rows"] = 100; },
               {"step 2, \"patch_embed.proj\": rows is 100"});
  // The buffer may hold more than the weights were made for.
  IntegerProgram wide = program_;
  IntegerTensor& bias = wide.tensors.at("head.bias");
  bias.values32[3] = INT32_MAX;
  EXPECT_NE(input_error([&] { write_integer_folder(folder_ / "wide", wide); }).find("row 3 of its output"),
            std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "wide"));
}

TEST_F(IntegerFolder, WhoseTensorsAreTruncatedIsRefused) {
  const std::string whole = read_file(folder_ / "model.safetensors", "tensors");
  for (const size_t size : {size_t{0}, size_t{7}, size_t{100}, whole.size() / 2, whole.size() - 1}) {
    write_atomically(folder_ / "model.safetensors", whole.substr(0, size));
    EXPECT_NE(fault().find("model.safetensors"), std::string::npos) << size;
  }
}

TEST_F(IntegerFolder, WhoseConfigIsTruncatedIsRefused) {
  const std::string whole = read_file(folder_ / "config.json", "config");
  for (size_t size = 0; size + 2 < whole.size(); size += whole.size() / 50) {
    overwrite("config.json", whole.substr(0, size));
    EXPECT_NE(fault().find("config.json"), std::string::npos) << size;
  }
}

TEST_F(IntegerFolder, WithOneBitOfAWeightFlippedIsRefused) {
  std::string bytes = read_file(folder_ / "model.safetensors", "tensors");
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_atomically(folder_ / "model.safetensors", bytes);
  EXPECT_NE(fault().find("model.safetensors: its checksum is "), std::string::npos);
}

TEST_F(IntegerFolder, WithATensorOfAnotherTypeIsRefused) {
  SafetensorsReader reader(folder_ / "model.safetensors");
  std::vector<std::vector<std::byte>> values;
  std::vector<SafetensorsTensor> tensors;
  for (const SafetensorsEntry& entry : reader.entries()) {
    values.emplace_back(entry.end - entry.begin);
    reader.read(entry, values.back().data());
    tensors.push_back(
        {entry.name, entry.name == "head.bias" ? "F32" : entry.dtype, entry.shape, values.back()});
  }
  write_raw_safetensors(folder_ / "model.safetensors", tensors);
  EXPECT_NE(fault().find("tensor \"head.bias\": its dtype is F32, expected I8, I16 or I32"),
            std::string::npos);
}

TEST_F(IntegerFolder, WithAFileMissingIsRefused) {
  std::filesystem::remove(folder_ / "model.safetensors");
  EXPECT_NE(fault().find("not found"), std::string::npos);
  std::filesystem::remove(folder_ / "config.json");
  EXPECT_NE(fault().find("not found"), std::string::npos);
}

TEST_F(IntegerFolder, LaysEachTensorAtAMultipleOfItsWidth) {
  const SafetensorsReader reader(folder_ / "model.safetensors");
  for (const SafetensorsEntry& entry : reader.entries()) {
    const uint64_t width = entry.dtype == "I32" ? 4 : entry.dtype == "I16" ? 2 : 1;
    EXPECT_EQ(entry.begin % width, 0U) << entry.name;
  }
}

/// Whatever byte of the config is another one, the folder is refused or runs within its buffers.
TEST_F(IntegerFolder, WithAnyByteOfItsConfigChangedIsRefusedOrRuns) {
  const std::string whole = read_file(folder_ / "config.json", "config");
  Random random({37});
  const std::vector<int8_t> picture = testing::random_codes(program_, random);
  for (int i = 0; i < 200; ++i) {
    std::string changed = whole;
    changed[random.below(whole.size())] = static_cast<char>(' ' + random.below(95));
    overwrite("config.json", changed);
    try {
      const IntegerProgram read = read_integer_folder(folder_.path());
      if (read.preprocessing.height == program_.preprocessing.height &&
          read.preprocessing.width == program_.preprocessing.width) {
        interpret(read, picture);
      }
    } catch (const InputError& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace normgraft
