#include "weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "normgraft/core/error.h"
#include "normgraft/core/json_place.h"
#include "normgraft/network/safetensors.h"
#include "normgraft/network/torch_file.h"

namespace normgraft {
namespace {

constexpr std::array kNames = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"};
constexpr std::array kEndings = {".safetensors", ".pth", ".pt"};
constexpr std::array kOfTorch = {".pth", ".pt", ".bin"};

template <size_t kCount>
bool ends_with(const Path& file, const std::array<const char*, kCount>& endings) {
  return std::find(endings.begin(), endings.end(), file.extension().string()) != endings.end();
}

/// The tensors of all shards. The index names them by a file name beside it.
Tensors read_shards(const Path& index) {
  const Json json = read_json(index, "index of shards");
  const std::string place = "index of shards " + index.string();
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [tensor, shard] : JsonPlace(json, place)["weight_map"].members()) {
    const std::string file = shard.text();
    if (Path(file).filename() != Path(file)) shard.fail("it is no name of a file beside the index");
    shards[file].push_back(tensor);
  }
  Tensors tensors;
  for (const auto& [file, names] : shards) {
    Tensors of_shard = read_safetensors(index.parent_path() / file);
    for (const std::string& name : names) {
      const auto found = of_shard.find(name);
      if (found == of_shard.end())
        throw InputError(fmt::format("{}: tensor \"{}\" is not in {}", place, name, file));
      tensors.insert(of_shard.extract(found));
    }
    if (!of_shard.empty())
      throw InputError(fmt::format("{}: {} has a tensor \"{}\" that the index does not name", place, file,
                                   of_shard.begin()->first));
  }
  return tensors;
}

}  // namespace

Path weights_in(const Path& folder) {
  std::error_code error;
  for (const char* name : kNames)
    if (std::filesystem::exists(folder / name, error)) return folder / name;
  std::set<Path> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    if (ends_with(entry.path(), kEndings)) found.insert(entry.path());
  if (found.size() == 1) return *found.begin();
  if (found.empty()) {
    throw InputError(
        fmt::format("model folder {}: weights not found, expected {}, or one .pth, .pt or .safetensors",
                    folder.string(), fmt::join(kNames, ", ")));
  }
  throw InputError(fmt::format("model folder {}: {} files of weights in it, expected one, or {}",
                               folder.string(), found.size(), fmt::join(kNames, ", ")));
}

Tensors read_weights(const Path& file, Monitor& monitor) {
  if (file.extension() == ".json") return read_shards(file);
  if (ends_with(file, kOfTorch)) return read_torch_file(file, monitor);
  return read_safetensors(file);
}

}  // namespace normgraft
