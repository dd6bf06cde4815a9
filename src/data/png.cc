#include <fmt/format.h>
#include <spng.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <ostream>
#include <vector>

#include "codecs.h"

namespace normgraft {
namespace {

using Context = std::unique_ptr<spng_ctx, decltype(&spng_ctx_free)>;

constexpr size_t kMaxChunkBytes = size_t{64} << 20;
constexpr std::string_view kEndChunk("\0\0\0\0IEND\xae\x42\x60\x82", 12);

/// 16-bit grey is clipped at 255, not scaled: so does Pillow, and networks were trained on that.
int decode_deep_grey(spng_ctx* context, Image& image) {
  std::vector<uint16_t> grey(image.rgb.size() / 3);
  const int error = spng_decode_image(context, grey.data(), grey.size() * sizeof(uint16_t), SPNG_FMT_PNG, 0);
  for (size_t pixel = 0; pixel < grey.size(); ++pixel) {
    std::fill_n(&image.rgb[pixel * 3], 3, static_cast<uint8_t>(std::min<int>(grey[pixel], 255)));
  }
  return error;
}

}  // namespace

Image decode_png(const std::string& bytes, const Path& path) {
  const Context context(spng_ctx_new(0), spng_ctx_free);
  if (!context) throw std::runtime_error("cannot set up the PNG decoder");
  const auto require = [&](int error) {
    if (error != 0) throw damaged_picture(path, spng_strerror(error));
  };
  require(spng_set_chunk_limits(context.get(), kMaxChunkBytes, kMaxChunkBytes));
  require(spng_set_crc_action(context.get(), SPNG_CRC_ERROR, SPNG_CRC_ERROR));
  require(spng_set_png_buffer(context.get(), bytes.data(), bytes.size()));
  spng_ihdr header{};
  require(spng_get_ihdr(context.get(), &header));
  Image image = blank_image(header.width, header.height, path);
  const bool deep_grey = header.bit_depth == 16 && header.color_type == SPNG_COLOR_TYPE_GRAYSCALE;
  require(deep_grey ? decode_deep_grey(context.get(), image)
                    : spng_decode_image(context.get(), image.rgb.data(), image.rgb.size(), SPNG_FMT_RGB8, 0));
  require(spng_decode_chunks(context.get()));  // up to the end of the PNG, whose checksum it does not look at
  if (bytes.find(kEndChunk) == std::string::npos) throw damaged_picture(path, "its end is damaged");
  return image;
}

void write_png(const Path& path, const Image& image) {
  const Context context(spng_ctx_new(SPNG_CTX_ENCODER), spng_ctx_free);
  if (!context) throw std::runtime_error("cannot set up the PNG encoder");
  const auto require = [&](int error) {
    if (error == 0) return;
    throw std::runtime_error(fmt::format("cannot encode {}: {}", path.string(), spng_strerror(error)));
  };
  spng_ihdr header{};
  header.width = static_cast<uint32_t>(image.width);
  header.height = static_cast<uint32_t>(image.height);
  header.bit_depth = 8;
  header.color_type = SPNG_COLOR_TYPE_TRUECOLOR;
  require(spng_set_option(context.get(), SPNG_ENCODE_TO_BUFFER, 1));
  require(spng_set_ihdr(context.get(), &header));
  require(spng_encode_image(context.get(), image.rgb.data(), image.rgb.size(), SPNG_FMT_PNG,
                            SPNG_ENCODE_FINALIZE));
  size_t size = 0;
  int error = 0;
  const std::unique_ptr<void, decltype(&std::free)> png(spng_get_png_buffer(context.get(), &size, &error),
                                                        std::free);
  require(error);
  write_atomically(path, std::string_view(static_cast<const char*>(png.get()), size));
}

}  // namespace normgraft
