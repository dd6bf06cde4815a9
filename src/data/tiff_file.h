#pragma once

#include <tiffio.h>

#include <cstdarg>
#include <memory>
#include <string>

#include "codecs.h"

namespace normgraft {

/// The first picture of a TIFF in memory, behind libtiff. Every error and warning of the library is damage,
/// but for warnings that are not about the picture (private tags, for one).
class TiffFile {
 public:
  TiffFile(const std::string& bytes, const Path& path);
  TiffFile(const TiffFile&) = delete;
  TiffFile& operator=(const TiffFile&) = delete;

  /// A number of the directory, or the default that the format gives it.
  template <class Number>
  Number number(uint32_t tag) {
    Number value{};
    TIFFGetFieldDefaulted(tiff_.get(), tag, &value);
    return value;
  }
  TIFF* get() { return tiff_.get(); }

  /// Reads the strip or tile that holds pixel (x, y) of a plane; at least `size` bytes must be there.
  void read_block(uint32_t x, uint32_t y, uint16_t plane, uint8_t* into, tmsize_t size);

 private:
  struct Source {
    const std::string& bytes;
    uint64_t position = 0;
  };
  struct Complaints {
    std::string first;
    void add(const char* format, va_list arguments);
  };

  void require_silence() const;

  const Path& path_;
  Source source_;
  Complaints complaints_;
  std::unique_ptr<TIFF, decltype(&TIFFClose)> tiff_;
};

}  // namespace normgraft
