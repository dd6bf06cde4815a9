#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "codecs.h"

namespace normgraft {

/// The first picture of an animation, drawn on its canvas, as Pillow shows it.
Image decode_webp(const std::string& bytes, const Path& path) {
  const WebPData data{reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data.bytes, data.size, &features) != VP8_STATUS_OK) {
    throw damaged_picture(path, "its header cannot be read");
  }
  Image image = blank_image(features.width, features.height, path);

  WebPAnimDecoderOptions options;
  if (WebPAnimDecoderOptionsInit(&options) == 0) throw std::runtime_error("cannot set up the WebP decoder");
  options.color_mode = MODE_RGBA;
  const std::unique_ptr<WebPAnimDecoder, decltype(&WebPAnimDecoderDelete)> decoder(
      WebPAnimDecoderNew(&data, &options), WebPAnimDecoderDelete);
  WebPAnimInfo info{};
  uint8_t* rgba = nullptr;
  int time = 0;
  if (!decoder || WebPAnimDecoderGetInfo(decoder.get(), &info) == 0 ||
      info.canvas_width != static_cast<uint32_t>(image.width) ||
      info.canvas_height != static_cast<uint32_t>(image.height) ||
      WebPAnimDecoderGetNext(decoder.get(), &rgba, &time) == 0) {
    throw damaged_picture(path, "it cannot be decoded");
  }
  for (size_t pixel = 0; pixel < image.rgb.size() / 3; ++pixel) {
    std::copy_n(rgba + pixel * 4, 3, &image.rgb[pixel * 3]);
  }
  return image;
}

}  // namespace normgraft
