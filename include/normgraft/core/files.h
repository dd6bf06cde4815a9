#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <ostream>
#include <span>
#include <string>
#include <string_view>

namespace normgraft {

using Path = std::filesystem::path;
using Json = nlohmann::ordered_json;

/// The whole file. Throws InputError naming `what` ("checkpoint", "plan") when it cannot be read.
std::string read_file(const Path& path, std::string_view what);

/// Parses a JSON file. Throws InputError naming `what`, the file and the place when it cannot.
Json read_json(const Path& path, std::string_view what);

/// Writes through a temporary file in the same folder, fsync and rename, so that `path` holds either what it
/// held before or the whole new content. Creates missing parent folders. Throws std::runtime_error naming the
/// file and the cause (a full disk, say); the temporary file is removed then.
void write_atomically(const Path& path, const std::function<void(std::ostream&)>& write);

/// The same for text at hand.
void write_atomically(const Path& path, std::string_view content);

/// JSON, two spaces of indent, final newline.
void write_json(const Path& path, const Json& json);

/// 64-bit FNV-1a, the checksum of the project's binary files and the hash of its structures.
uint64_t fnv1a(std::span<const std::byte> bytes, uint64_t seed = 0xcbf29ce484222325ULL);

}  // namespace normgraft
