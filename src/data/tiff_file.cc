#include "tiff_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace normgraft {
namespace {

constexpr tmsize_t kMaxBytesAtOnce = tmsize_t{1} << 30;

/// Whether a warning, told by its format, leaves the picture what it is.
bool is_harmless(std::string_view warning) {
  constexpr std::array<std::string_view, 3> kBeginnings = {"Unknown field with tag", "ASCII value for ",
                                                           "Invalid TIFF directory; tags are not sorted"};
  return std::any_of(kBeginnings.begin(), kBeginnings.end(),
                     [&](std::string_view beginning) { return warning.starts_with(beginning); });
}

}  // namespace

void TiffFile::Complaints::add(const char* format, va_list arguments) {
  if (!first.empty()) return;
  char text[256];
  std::vsnprintf(text, sizeof text, format, arguments);
  first = text;
  std::replace(first.begin(), first.end(), '\n', ' ');
}

TiffFile::TiffFile(const std::string& bytes, const Path& path)
    : path_(path), source_{bytes}, tiff_(nullptr, TIFFClose) {
  const auto on_error = [](TIFF*, void* user, const char*, const char* format, va_list arguments) {
    static_cast<Complaints*>(user)->add(format, arguments);
    return 1;
  };
  const auto on_warning = [](TIFF*, void* user, const char*, const char* format, va_list arguments) {
    if (!is_harmless(format)) static_cast<Complaints*>(user)->add(format, arguments);
    return 1;
  };
  const auto read = [](thandle_t handle, void* into, tmsize_t size) {
    auto* source = static_cast<Source*>(handle);
    const uint64_t from = std::min<uint64_t>(source->position, source->bytes.size());
    const auto count = std::min<uint64_t>(static_cast<uint64_t>(size), source->bytes.size() - from);
    std::memcpy(into, source->bytes.data() + from, count);
    source->position += count;
    return static_cast<tmsize_t>(count);
  };
  const auto write = [](thandle_t, void*, tmsize_t) { return tmsize_t{0}; };
  const auto seek = [](thandle_t handle, toff_t offset, int whence) {
    auto* source = static_cast<Source*>(handle);
    const uint64_t base = whence == SEEK_SET   ? 0
                          : whence == SEEK_CUR ? source->position
                                               : source->bytes.size();
    return static_cast<toff_t>(source->position = base + offset);
  };
  const auto close = [](thandle_t) { return 0; };
  const auto size = [](thandle_t handle) {
    return static_cast<toff_t>(static_cast<Source*>(handle)->bytes.size());
  };

  const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> options(TIFFOpenOptionsAlloc(),
                                                                                 TIFFOpenOptionsFree);
  if (!options) throw std::runtime_error("cannot set up the TIFF decoder");
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), kMaxBytesAtOnce);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), on_error, &complaints_);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), on_warning, &complaints_);
  constexpr const char* kReadWithoutMapping = "rm";
  tiff_.reset(TIFFClientOpenExt("picture", kReadWithoutMapping, &source_, read, write, seek, close, size,
                                nullptr, nullptr, options.get()));
  if (!tiff_ && complaints_.first.empty()) complaints_.first = "it cannot be opened";
  require_silence();
}

void TiffFile::read_block(uint32_t x, uint32_t y, uint16_t plane, uint8_t* into, tmsize_t size) {
  const tmsize_t count = TIFFIsTiled(get()) != 0
                             ? TIFFReadEncodedTile(get(), TIFFComputeTile(get(), x, y, 0, plane), into, size)
                             : TIFFReadEncodedStrip(get(), TIFFComputeStrip(get(), y, plane), into, size);
  if (count < size && complaints_.first.empty()) complaints_.first = fmt::format("row {} is incomplete", y);
  require_silence();
}

void TiffFile::require_silence() const {
  if (!complaints_.first.empty()) throw damaged_picture(path_, complaints_.first);
}

}  // namespace normgraft
