#include "normgraft/network/safetensors.h"

#include <gtest/gtest.h>

#include "network/fixtures.h"

namespace normgraft {
namespace {

using testing::input_error;
using testing::TemporaryFolder;

class Safetensors : public ::testing::Test {
 protected:
  /// A file of a header and data; the length field tells the truth unless given.
  Path write(const std::string& header, const std::string& data, std::optional<uint64_t> length = {}) {
    const uint64_t stated = length.value_or(header.size());
    const Path path = folder_ / "x.safetensors";
    std::ofstream(path, std::ios::binary)
        << std::string(reinterpret_cast<const char*>(&stated), sizeof(stated)) << header << data;
    return path;
  }

  std::string fault(const std::string& header, const std::string& data, std::optional<uint64_t> length = {}) {
    const Path path = write(header, data, length);
    const std::string message = input_error([&] { read_safetensors(path); });
    EXPECT_NE(message.find(path.string()), std::string::npos) << message;
    return message;
  }

  TemporaryFolder folder_;
};

void expect_mentions(const std::string& message, const std::vector<std::string>& parts) {
  for (const std::string& part : parts)
    EXPECT_NE(message.find(part), std::string::npos) << message << "\nlacks " << part;
}

TEST_F(Safetensors, ReadsEveryFloatingTypeAsF32) {
  const std::string header = R"({"__metadata__":{"format":"pt"},
    "d":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},
    "f":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]},
    "h":{"dtype":"F16","shape":[2],"data_offsets":[16,20]},
    "b":{"dtype":"BF16","shape":[],"data_offsets":[20,22]},
    "none":{"dtype":"BF16","shape":[0,3],"data_offsets":[22,22]}})";
  const double d = 0.1;
  const float f[2] = {1.5F, -2.25F};
  const uint16_t h[2] = {0x3c00, 0xc100};  // 1 and -2.5
  const uint16_t b = 0x4049;               // 3.140625
  std::string data;
  data.append(reinterpret_cast<const char*>(&d), 8).append(reinterpret_cast<const char*>(f), 8);
  data.append(reinterpret_cast<const char*>(h), 4).append(reinterpret_cast<const char*>(&b), 2);
  const auto tensors = read_safetensors(write(header, data));
  ASSERT_EQ(tensors.size(), 5U);
  for (const auto& [name, tensor] : tensors) EXPECT_EQ(tensor.scalar_type(), at::kFloat) << name;
  EXPECT_EQ(tensors.at("d").item<float>(), 0.1F);
  EXPECT_TRUE(at::equal(tensors.at("f"), at::tensor({1.5F, -2.25F}).view({1, 2})));
  EXPECT_TRUE(at::equal(tensors.at("h"), at::tensor({1.0F, -2.5F})));
  EXPECT_EQ(tensors.at("b").dim(), 0);
  EXPECT_EQ(tensors.at("b").item<float>(), 3.140625F);
  EXPECT_EQ(tensors.at("none").sizes(), (std::vector<int64_t>{0, 3}));
}

TEST_F(Safetensors, KeepsIntegerTypes) {
  const std::string header = R"({"i":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},
    "u":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}})";
  const auto tensors =
      read_safetensors(write(header, std::string("\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\xff", 11)));
  EXPECT_EQ(tensors.at("i").scalar_type(), at::kLong);
  EXPECT_EQ(tensors.at("i").item<int64_t>(), -1);
  EXPECT_TRUE(at::equal(tensors.at("u"), at::tensor({1, 2, 255}, at::kByte)));
}

TEST_F(Safetensors, WritesWhatItReads) {
  const std::map<std::string, Tensor> tensors = {
      {"b.weight", at::randn({3, 4}).t()}, {"a", at::tensor(2.5F)}, {"c \"quoted\"", at::empty({0, 2})}};
  const Path path = folder_ / "written.safetensors";
  write_safetensors(path, tensors);
  const auto read = read_safetensors(path);
  ASSERT_EQ(read.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) EXPECT_TRUE(at::equal(read.at(name), tensor)) << name;
}

TEST_F(Safetensors, WritesAHeaderPaddedToEightBytes) {
  for (const std::string name : {"a", "ab", "abc"}) {
    const Path path = folder_ / "padded.safetensors";
    write_safetensors(path, {{name, at::ones({1})}});
    uint64_t length = 0;
    std::ifstream(path, std::ios::binary).read(reinterpret_cast<char*>(&length), sizeof(length));
    EXPECT_EQ(length % 8, 0U);
  }
}

TEST_F(Safetensors, AcceptsAHeaderOfOddLength) {
  const std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  const std::string odd = header + std::string(header.size() % 2 == 0 ? 1 : 2, ' ');
  EXPECT_EQ(read_safetensors(write(odd, std::string(4, '\0'))).at("a").item<float>(), 0.0F);
}

TEST_F(Safetensors, RejectsAFileThatIsMissing) {
  expect_mentions(input_error([&] { read_safetensors(folder_ / "absent.safetensors"); }),
                  {"absent.safetensors"});
}

TEST_F(Safetensors, RejectsAFileShorterThanItsHeaderLength) {
  const Path path = folder_ / "short.safetensors";
  std::ofstream(path) << "1234567";
  expect_mentions(input_error([&] { read_safetensors(path); }), {"truncated", "7 bytes"});
}

TEST_F(Safetensors, RejectsAHeaderLongerThanTheFile) {
  expect_mentions(fault("{}", "", 3), {"header of 3 bytes", "longer than the file"});
  expect_mentions(fault("{}", "", ~uint64_t{0}), {"18446744073709551615"});
}

TEST_F(Safetensors, RejectsTruncatedData) {
  expect_mentions(fault(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "1234567"),
                  {"\"a\"", "[0, 8]", "out of range", "7 bytes"});
}

TEST_F(Safetensors, RejectsOffsetsThatAreReversedOrHuge) {
  expect_mentions(fault(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", "1234"),
                  {"\"a\"", "out of range"});
  expect_mentions(
      fault(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,18446744073709551615]}})",
            "1234"),
      {"\"a\"", "out of range"});
}

TEST_F(Safetensors, RejectsOverlappingTensors) {
  expect_mentions(fault(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
                            "b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
                        std::string(12, '\0')),
                  {"\"b\"", "overlaps", "\"a\""});
}

TEST_F(Safetensors, RejectsGapsBeforeAndAfterTensors) {
  const std::string data(12, '\0');
  expect_mentions(fault(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", data),
                  {"\"a\"", "0 to 4", "no tensor"});
  expect_mentions(fault(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", data),
                  {"8 to 12", "no tensor"});
}

TEST_F(Safetensors, RejectsAShapeThatDisagreesWithTheByteCount) {
  expect_mentions(fault(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", std::string(8, '\0')),
                  {"\"a\"", "8 bytes", "[3]", "12"});
  expect_mentions(fault(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})",
                        std::string(8, '\0')),
                  {"\"a\"", "2^63"});
}

TEST_F(Safetensors, ReadsUnalignedData) {
  const float b = -2.25F;
  const std::string data = "12" + std::string(reinterpret_cast<const char*>(&b), sizeof(b));
  const auto tensors = read_safetensors(write(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},
                                                  "b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
                                              data));
  EXPECT_EQ(tensors.at("a")[1].item<int64_t>(), '2');
  EXPECT_EQ(tensors.at("b").item<float>(), b);
}

TEST_F(Safetensors, RejectsDuplicateNames) {
  const std::string a = R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  expect_mentions(fault("{" + a + "," + a + "}", "1234"), {"\"a\"", "twice"});
  expect_mentions(fault(R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "1234"),
                  {"\"dtype\"", "twice"});
}

TEST_F(Safetensors, RejectsAnUnknownDtypeByName) {
  expect_mentions(fault(R"({"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}})", "1234"),
                  {"\"a\"", "unknown dtype \"F8_E4M3\"", "BF16"});
}

TEST_F(Safetensors, RejectsAHeaderThatIsNotTheExpectedJson) {
  expect_mentions(fault("{\"a\":", ""), {"not JSON", "byte"});
  expect_mentions(fault("\xff\xfe{}", ""), {"not JSON"});
  expect_mentions(fault("[1]", ""), {"array", "object"});
  expect_mentions(fault(R"({"a":[1]})", ""), {"\"a\"", "data_offsets"});
  expect_mentions(fault(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", "1234"),
                  {"\"a\"", "shape"});
  expect_mentions(fault(R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", "1234"),
                  {"\"a\"", "shape"});
  expect_mentions(fault(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", "1234"),
                  {"\"a\"", "data_offsets"});
  expect_mentions(fault(R"({"__metadata__":{"n":1}})", ""), {"__metadata__"});
}

TEST_F(Safetensors, RejectsEveryTruncationOfAValidFile) {
  const Path path = folder_ / "whole.safetensors";
  write_safetensors(path, {{"a", at::ones({2})}, {"b", at::ones({1, 3})}});
  const std::string whole = read_file(path, "file");
  for (size_t size = 0; size < whole.size(); ++size) {
    const Path cut = folder_ / "cut.safetensors";
    std::ofstream(cut, std::ios::binary) << whole.substr(0, size);
    EXPECT_THROW(read_safetensors(cut), InputError) << size << " of " << whole.size() << " bytes";
  }
}

}  // namespace
}  // namespace normgraft
