#include "normgraft/core/safetensors.h"

#include <gtest/gtest.h>

#include "support/input_error.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::input_error;
using testing::TemporaryFolder;

class RawSafetensors : public ::testing::Test {
 protected:
  Path write(const std::string& header, const std::string& data, uint64_t length) {
    const Path path = folder_ / "x.safetensors";
    std::ofstream(path, std::ios::binary)
        << std::string(reinterpret_cast<const char*>(&length), sizeof(length)) << header << data;
    return path;
  }
  Path write(const std::string& header, const std::string& data) {
    return write(header, data, header.size());
  }

  std::string fault(const Path& path) {
    return input_error([&] { SafetensorsReader reader(path); });
  }

  TemporaryFolder folder_;
};

TEST_F(RawSafetensors, HoldWhatWasWrittenInItsOrder) {
  const std::vector<int32_t> wide = {1, -2, 3};
  const std::vector<int8_t> narrow = {-4, 5};
  const Path path = folder_ / "x.safetensors";
  write_raw_safetensors(path, {{"z", "I32", {3}, std::as_bytes(std::span(wide))},
                               {"a", "I8", {1, 2}, std::as_bytes(std::span(narrow))},
                               {"none", "I16", {0}, {}}});
  SafetensorsReader reader(path);
  ASSERT_EQ(reader.entries().size(), 3U);
  EXPECT_EQ(reader.entries()[0].name, "z");
  EXPECT_EQ(reader.entries()[0].dtype, "I32");
  EXPECT_EQ(reader.entries()[1].name, "a");
  EXPECT_EQ(reader.entries()[1].shape, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(reader.entries()[2].shape, (std::vector<int64_t>{0}));
  std::vector<int8_t> second(2);
  std::vector<int32_t> first(3);
  reader.read(reader.entries()[1], second.data());
  reader.read(reader.entries()[0], first.data());
  reader.read(reader.entries()[2], nullptr);
  EXPECT_EQ(first, wide);
  EXPECT_EQ(second, narrow);
}

TEST_F(RawSafetensors, AreListedInTheOrderOfTheirBytes) {
  const SafetensorsReader reader(write(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[2,3]},
                                           "b":{"dtype":"I16","shape":[],"data_offsets":[0,2]}})",
                                       "123"));
  EXPECT_EQ(reader.entries()[0].name, "b");
  EXPECT_EQ(reader.entries()[1].name, "a");
}

TEST_F(RawSafetensors, ThatOverlapAreRefused) {
  EXPECT_NE(fault(write(R"({"a":{"dtype":"I8","shape":[3],"data_offsets":[0,3]},
                            "b":{"dtype":"I8","shape":[2],"data_offsets":[2,4]}})",
                        "1234"))
                .find("overlaps tensor \"a\""),
            std::string::npos);
}

TEST_F(RawSafetensors, WhoseHeaderIsLongerThanTheFileAreRefused) {
  EXPECT_NE(fault(write("{}", "", 3)).find("a header of 3 bytes is longer than the file of 10 bytes"),
            std::string::npos);
}

TEST_F(RawSafetensors, WhoseShapeNeedsOtherBytesAreRefused) {
  EXPECT_NE(fault(write(R"({"a":{"dtype":"I16","shape":[3],"data_offsets":[0,4]}})", "1234"))
                .find("4 bytes of data, but Short of shape [3] need 6"),
            std::string::npos);
}

}  // namespace
}  // namespace normgraft
