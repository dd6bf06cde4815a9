#include "normgraft/core/files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "normgraft/core/error.h"

namespace normgraft {
namespace {

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              ("normgraft_files_" + std::string(test->name()) + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static std::string content(const Path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return std::move(out).str();
  }

  size_t files_in_folder() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_)) ++count;
    return count;
  }

  template <typename Action>
  static std::string input_error(Action action) {
    try {
      action();
    } catch (const InputError& error) {
      return error.what();
    }
    return "no InputError";
  }

  Path folder_;
};

TEST_F(Files, KeepTheOldContentWhenTheWriterThrows) {
  const Path path = folder_ / "plan.json";
  write_atomically(path, "old");
  const auto fail = [](std::ostream& out) {
    out << std::string(3 << 20, 'n');
    throw std::runtime_error("midway");
  };
  EXPECT_THROW(write_atomically(path, fail), std::runtime_error);
  EXPECT_EQ(content(path), "old");
  EXPECT_EQ(files_in_folder(), 1U) << "a temporary file was left behind";
}

TEST_F(Files, AreReplacedAsAWhole) {
  const Path path = folder_ / "new" / "folder" / "data.bin";
  const std::string large(5'000'001, 'x');
  write_atomically(path, large);
  EXPECT_EQ(content(path), large);
  write_atomically(path, "short");
  EXPECT_EQ(content(path), "short");
}

TEST_F(Files, ThatCannotBeWrittenAreNamedWithTheCause) {
  const Path path = folder_ / "occupied";
  std::filesystem::create_directories(path / "inside");
  try {
    write_atomically(path, "text");
    FAIL() << "a folder was overwritten";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("directory"), std::string::npos) << error.what();
  }
  EXPECT_EQ(files_in_folder(), 1U) << "a temporary file was left behind";
}

/// Files of this process may not grow beyond a size until the end of the scope.
class SizeLimit {
 public:
  explicit SizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  SizeLimit(const SizeLimit&) = delete;
  SizeLimit& operator=(const SizeLimit&) = delete;
  ~SizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST_F(Files, KeepTheOldContentAndTellTheCauseWhenThereIsNoRoomForTheNew) {
  const Path path = folder_ / "large.bin";
  write_atomically(path, "old");
  std::string message = "written";
  try {
    const SizeLimit limit(100'000);
    write_atomically(path, std::string(200'000, 'n'));
  } catch (const std::runtime_error& error) {
    message = error.what();
  }
  EXPECT_EQ(message, "cannot write " + path.string() + ": File too large");
  EXPECT_EQ(content(path), "old");
  EXPECT_EQ(files_in_folder(), 1U) << "a temporary file was left behind";
}

TEST_F(Files, KeepTheOldContentWhenTheWritersStreamFails) {
  const Path path = folder_ / "plan.json";
  write_atomically(path, "old");
  const auto fail = [](std::ostream& out) { (out << "half").setstate(std::ios::failbit); };
  EXPECT_THROW(write_atomically(path, fail), std::runtime_error);
  EXPECT_EQ(content(path), "old");
}

TEST_F(Files, AreReadBackByteForByte) {
  const Path path = folder_ / "bytes";
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes += static_cast<char>(i % 256);
  write_atomically(path, bytes);
  EXPECT_EQ(read_file(path, "test file"), bytes);
  write_atomically(path, "");
  EXPECT_EQ(read_file(path, "test file"), "");
}

TEST_F(Files, ThatAreMissingOrFoldersAreInputErrors) {
  EXPECT_EQ(input_error([&] { read_file(folder_ / "none", "checkpoint"); }),
            "checkpoint not found: " + (folder_ / "none").string());
  EXPECT_EQ(input_error([&] { read_file(folder_, "checkpoint"); }),
            "checkpoint is not a file: " + folder_.string());
}

TEST_F(Files, WithDamagedJsonAreInputErrorsThatNameThePlace) {
  const Path path = folder_ / "plan.json";
  write_atomically(path, "{\"sites\": [1, 2,]}");
  const std::string message = input_error([&] { read_json(path, "plan"); });
  EXPECT_NE(message.find("plan " + path.string()), std::string::npos) << message;
  EXPECT_NE(message.find("byte 17 of 18"), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

TEST_F(Files, WithANumberInJsonThatNoDoubleHoldsAreInputErrors) {
  const Path path = folder_ / "plan.json";
  write_atomically(path, "{\"x\": 0.15E98196632951233}");
  EXPECT_EQ(input_error([&] { read_json(path, "plan"); }),
            "plan " + path.string() + " holds a number beyond the range of a double");
}

TEST_F(Files, HoldJsonInTheOrderItWasBuilt) {
  const Path path = folder_ / "a.json";
  const Json json = {{"zeta", 1}, {"alpha", {1.5, "text"}}};
  write_json(path, json);
  EXPECT_EQ(content(path), "{\n  \"zeta\": 1,\n  \"alpha\": [\n    1.5,\n    \"text\"\n  ]\n}\n");
  EXPECT_EQ(read_json(path, "test file"), json);
}

TEST(Checksum, IsThePublishedFnv1a) {
  const auto hash = [](std::string_view text) {
    return fnv1a(std::as_bytes(std::span(text.data(), text.size())));
  };
  EXPECT_EQ(hash(""), 0xcbf29ce484222325ULL);
  EXPECT_EQ(hash("a"), 0xaf63dc4c8601ec8cULL);
  EXPECT_EQ(hash("foobar"), 0x85944171f73967e8ULL);
  const std::string_view end = "bar";
  EXPECT_EQ(fnv1a(std::as_bytes(std::span(end)), hash("foo")), hash("foobar"));
}

}  // namespace
}  // namespace normgraft
