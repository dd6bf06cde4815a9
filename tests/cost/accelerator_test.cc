#include "normgraft/cost/accelerator.h"

#include <gtest/gtest.h>

#include "support/input_error.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::input_error;
using testing::TemporaryFolder;

Json described() {
  return Json::parse(
      R"({"name": "board", "elements": "float16", "stream_bits": 32, "clock_hz": 2e8, "lanes": 4,
    "vector_operations_per_second": 1e9, "matrix_operations_per_second": 1e11, "offchip_bytes_per_second": 2e9,
    "buffer_bits": 65536})");
}

/// What load_accelerator() makes of a file with that content.
Accelerator loaded(const Json& json) {
  const TemporaryFolder folder;
  write_json(folder / "board.json", json);
  return load_accelerator((folder / "board.json").string());
}

/// The description with another value of a field.
Json with(const char* field, const Json& value) {
  Json json = described();
  json[field] = value;
  return json;
}

TEST(LoadAccelerator, ReadsEveryFieldOfAFile) {
  const Accelerator a = loaded(described());
  EXPECT_EQ(a.name, "board");
  EXPECT_EQ(a.element_bits(), 16);
  EXPECT_EQ(a.stream_bits, 32);
  EXPECT_EQ(a.clock_hz, 2e8);
  EXPECT_EQ(a.lanes, 4);
  EXPECT_EQ(a.vector_operations_per_second, 1e9);
  EXPECT_EQ(a.matrix_operations_per_second, 1e11);
  EXPECT_EQ(a.offchip_bytes_per_second, 2e9);
  EXPECT_EQ(a.buffer_bits, 65536);
  EXPECT_EQ(to_json(a), described());
}

TEST(LoadAccelerator, KnowsThreeByNameAndTheirDescriptionsAreFilesToo) {
  for (const char* name : {"small-fpga", "microcontroller", "npu"}) {
    const Accelerator a = load_accelerator(name);
    EXPECT_EQ(a.name, name);
    EXPECT_EQ(to_json(loaded(to_json(a))), to_json(a));
  }
  EXPECT_NO_THROW(load_accelerator(kDefaultAccelerator));
}

TEST(LoadAccelerator, RefusesAnUnknownNameAndSaysWhatExists) {
  const std::string message = input_error([] { load_accelerator("tpu"); });
  EXPECT_NE(message.find("unknown accelerator \"tpu\", expected small-fpga, microcontroller or npu"),
            std::string::npos)
      << message;
}

TEST(LoadAccelerator, NamesAFieldThatIsMissing) {
  const Json complete = described();
  for (const auto& [field, value] : complete.items()) {
    Json json = complete;
    json.erase(field);
    const std::string message = input_error([&] { loaded(json); });
    EXPECT_NE(message.find("board.json: " + field + " is missing"), std::string::npos) << message;
  }
}

TEST(LoadAccelerator, NamesAFieldThatItDoesNotKnow) {
  const std::string message = input_error([] { loaded(with("bufer_bits", 1)); });
  EXPECT_NE(message.find("board.json: bufer_bits: unknown field, expected name, elements"), std::string::npos)
      << message;
}

TEST(LoadAccelerator, NamesAFieldWhoseValueIsWrongAndWhatWasExpected) {
  const std::vector<std::tuple<const char*, Json, const char*>> cases = {
      {"name", "", "not empty"},
      {"name", 3, "a text"},
      {"elements", "int4", "int8, float16 or float32"},
      {"stream_bits", 24, "8, 16 or 32"},
      {"stream_bits", 8, "at least the 16 bits of an element"},
      {"stream_bits", 16.5, "an integer"},
      {"clock_hz", 0, "above 0"},
      {"clock_hz", "fast", "a finite number"},
      {"lanes", 0, "from 1 to"},
      {"lanes", 100000, "from 1 to"},
      {"vector_operations_per_second", -1, "above 0"},
      {"matrix_operations_per_second", nullptr, "a finite number"},
      {"offchip_bytes_per_second", 1e30, "up to 1e18"},
      {"buffer_bits", -1, "from 0 to"},
      {"buffer_bits", 1.5, "an integer"}};
  for (const auto& [field, value, expected] : cases) {
    const std::string message = input_error([field = field, value = value] { loaded(with(field, value)); });
    EXPECT_NE(message.find(std::string("board.json: ") + field + ": "), std::string::npos) << message;
    EXPECT_NE(message.find(expected), std::string::npos) << message;
  }
}

TEST(LoadAccelerator, RefusesWhatIsNoObjectOrNoJson) {
  EXPECT_NE(input_error([] { loaded(Json::array()); }).find("expected an object"), std::string::npos);
  const TemporaryFolder folder;
  write_atomically(folder / "broken.json", "{");
  EXPECT_NE(input_error([&] { load_accelerator((folder / "broken.json").string()); }).find("broken.json"),
            std::string::npos);
  EXPECT_NE(input_error([&] { load_accelerator(folder.path().string()); }).find(folder.path().string()),
            std::string::npos);
}

}  // namespace
}  // namespace normgraft
