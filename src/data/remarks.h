#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace normgraft {

/// What a tree of pictures holds besides readable pictures in the folders of their classes.
struct Remarks {
  int64_t hidden_files = 0, hidden_folders = 0;
  int64_t beside = 0;                ///< files in the root
  int64_t others = 0;                ///< files that are no pictures by their names
  std::set<std::string> extensions;  ///< of the others
  int64_t links_back = 0;            ///< links to a folder that holds the tree
  int64_t repeated = 0;              ///< links to a folder of the class that was read already
  int64_t unreadable = 0;            ///< broken links and folders that are named as pictures
  int64_t deeper = 0;                ///< pictures deeper than <class>/<file>
  std::vector<std::string> empty;    ///< folders without pictures
};

/// All of it in one line, and how the classes are ordered where that could surprise; empty where there is
/// nothing to say. `classes` are the folders in the order of their ranks.
std::string summary(const Remarks& remarks, const std::vector<std::string>& classes, bool has_class_list);

}  // namespace normgraft
