#include <fmt/format.h>
#include <turbojpeg.h>

#include <memory>
#include <string_view>
#include <vector>

#include "codecs.h"
#include "normgraft/core/error.h"

namespace normgraft {
namespace {

using Decompressor = std::unique_ptr<void, decltype(&tjDestroy)>;

/// Whether pixels are missing or made up, given the first complaint of the decoder. Stray bytes between two
/// markers cost nothing as long as the end of the picture is there.
bool is_damage(std::string_view complaint, const std::string& bytes) {
  if (complaint.find("extraneous bytes") != std::string_view::npos) {
    return bytes.rfind("\xff\xd9") == std::string::npos;
  }
  return complaint.starts_with("Corrupt JPEG data") || complaint.starts_with("Premature end");
}

/// An ink of a print over what black leaves: round(a * b / 255).
int share(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/// Four inks to RGB. As Adobe's programs write them, 255 stands for no ink.
void convert_inverted_cmyk(const std::vector<uint8_t>& cmyk, std::vector<uint8_t>& rgb) {
  for (size_t pixel = 0; pixel < rgb.size() / 3; ++pixel) {
    const int light = cmyk[pixel * 4 + 3];
    for (size_t c = 0; c < 3; ++c) {
      const int ink = 255 - cmyk[pixel * 4 + c];
      rgb[pixel * 3 + c] = static_cast<uint8_t>(light - share(ink, light));
    }
  }
}

}  // namespace

Image decode_jpeg(const std::string& bytes, const Path& path) {
  const Decompressor decompressor(tjInitDecompress(), tjDestroy);
  if (!decompressor) throw std::runtime_error("cannot set up the JPEG decoder");
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto complaint = [&] { return std::string_view(tjGetErrorStr2(decompressor.get())); };
  const auto damaged = [&] {
    return InputError(fmt::format("picture {} is truncated or damaged: {}", path.string(), complaint()));
  };

  // The header call also fails for chroma subsampling that has no name, which decoding does not mind.
  int width = 0, height = 0, subsampling = -1, colors = -1;
  tjDecompressHeader3(decompressor.get(), data, bytes.size(), &width, &height, &subsampling, &colors);
  if (width == 0 || height == 0) throw damaged();
  Image image = blank_image(width, height, path);

  const bool inks = colors == TJCS_CMYK || colors == TJCS_YCCK;
  std::vector<uint8_t> cmyk(inks ? image.rgb.size() / 3 * 4 : 0);
  const int failed = tjDecompress2(decompressor.get(), data, bytes.size(), (inks ? cmyk : image.rgb).data(),
                                   width, 0, height, inks ? TJPF_CMYK : TJPF_RGB, TJFLAG_ACCURATEDCT);
  if (failed != 0) {
    const bool only_warned = tjGetErrorCode(decompressor.get()) == TJERR_WARNING;
    if (!only_warned || is_damage(complaint(), bytes)) throw damaged();
  }
  if (inks) convert_inverted_cmyk(cmyk, image.rgb);
  return image;
}

}  // namespace normgraft
