#pragma once

#include "normgraft/data/image.h"

namespace normgraft {

/// A rectangle of whole pixels.
struct Window {
  int left, top, width, height;
};

/// The pixels inside `window` of what resize(image, width, height, interpolation, box) gives, for the work of
/// these alone.
Image resize_window(const Image& image, int width, int height, Interpolation interpolation, const Box& box,
                    const Window& window);

}  // namespace normgraft
