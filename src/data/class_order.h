#pragma once

#include <string_view>

namespace normgraft {

/// Whether folder `a` comes before `b` in the order in which timm numbers classes: runs of digits count as
/// numbers, A to Z as a to z; other letters by their bytes. Names that are equal so far stand by their bytes.
bool comes_before(std::string_view a, std::string_view b);

}  // namespace normgraft
