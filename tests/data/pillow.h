#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "data/support.h"
#include "normgraft/core/files.h"
#include "normgraft/data/folder.h"
#include "normgraft/data/image.h"

namespace normgraft {

/// Picture work done by Pillow in Debian's Python: jobs are collected, run at once, and their results read.
class Pillow {
 public:
  explicit Pillow(const TemporaryFolder& folder) : folder_(folder) {}

  /// Saves a test picture under `file`.
  void make(const Path& file, const std::string& mode, int width, int height,
            const Json& more = Json::object()) {
    Json job = {{"op", "make"}, {"mode", mode}, {"width", width}, {"height", height}, {"out", file.string()}};
    job.update(more);
    jobs_.push_back(job);
  }

  /// Returns the number of the result.
  size_t apply(const std::string& op, const Path& file, const Json& arguments = Json::object()) {
    Json job = {{"op", op}, {"file", file.string()}, {"out", output(results_).string()}};
    job.update(arguments);
    jobs_.push_back(job);
    return results_++;
  }

  void run() {
    const Path jobs = folder_ / "jobs.json";
    write_json(jobs, jobs_);
    const std::string script = NORMGRAFT_SOURCE_DIR "/tests/data/pillow_oracle.py";
    ASSERT_EQ(std::system(fmt::format("/usr/bin/python3 '{}' '{}'", script, jobs.string()).c_str()), 0);
    jobs_ = Json::array();
  }

  Image result(size_t number) const {
    const std::string bytes = read_file(output(number), "result of Pillow");
    int32_t size[2];
    std::memcpy(size, bytes.data(), sizeof size);
    return {size[0], size[1], {bytes.begin() + sizeof size, bytes.end()}};
  }

 private:
  Path output(size_t number) const { return folder_ / fmt::format("result-{}.rgb", number); }

  const TemporaryFolder& folder_;
  Json jobs_ = Json::array();
  size_t results_ = 0;
};

/// The largest difference of two pictures of one size, in levels.
inline int largest_difference(const Image& a, const Image& b) {
  int largest = 0;
  for (size_t i = 0; i < a.rgb.size(); ++i) largest = std::max(largest, std::abs(a.rgb[i] - b.rgb[i]));
  return largest;
}

inline void expect_same(const Image& ours, const Image& theirs, const std::string& what, int tolerance = 0) {
  ASSERT_EQ(ours.width, theirs.width) << what;
  ASSERT_EQ(ours.height, theirs.height) << what;
  ASSERT_EQ(ours.rgb.size(), theirs.rgb.size()) << what;
  EXPECT_LE(largest_difference(ours, theirs), tolerance) << what;
}

inline Path shared_images() {
  const char* data = std::getenv("NORMGRAFT_DATA");
  return (data != nullptr ? Path(data) : Path(NORMGRAFT_SOURCE_DIR) / ".." / "shared") / "images";
}

/// Every `stride`-th picture of the reporting set; empty where it is not there.
inline std::vector<Path> real_pictures(size_t stride) {
  const Path root = shared_images() / "imagenet-1k-sample";
  if (!std::filesystem::is_directory(root)) return {};
  std::vector<Path> paths;
  const PictureFolder folder = open_picture_folder(root, nullptr, silent_monitor());
  for (size_t i = 0; i < folder.pictures.size(); i += stride) paths.push_back(folder.pictures[i].path);
  return paths;
}

#define NORMGRAFT_SKIP_WITHOUT(pictures) \
  if (pictures.empty()) GTEST_SKIP() << "no real pictures below " << shared_images() << "; set NORMGRAFT_DATA"

}  // namespace normgraft
