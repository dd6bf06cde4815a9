#pragma once

#include <string_view>

namespace normgraft {

/// The page's style sheet: colours for light, dark and paper, and the classes of the drawings.
std::string_view page_style();

}  // namespace normgraft
