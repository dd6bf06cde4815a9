#include "normgraft/quantize/arithmetic.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "normgraft/core/error.h"
#include "ranges.h"

namespace normgraft {
namespace {

constexpr double kLargestFloat16 = 65504;
constexpr int kWeightBits = 8;
constexpr int kInnerBits = 16;

Tensor as_float(NumberKind kind, const Tensor& x) {
  if (kind == NumberKind::kBfloat16) return x.to(at::kBFloat16).to(at::kFloat);
  return x.clamp(-kLargestFloat16, kLargestFloat16).to(at::kHalf).to(at::kFloat);
}

class Floats : public Arithmetic {
 public:
  explicit Floats(NumberKind kind) : kind_(kind) {}
  Tensor kept(Kept, const std::string&, const Tensor& x) const override { return as_float(kind_, x); }

 private:
  NumberKind kind_;
};

int bits_of(Kept kind, const Precision& format) {
  switch (kind) {
    case Kept::kStream:
    case Kept::kTold:
      return format.stream_bits;
    case Kept::kOperand:
    case Kept::kAttention:
      return format.operand_bits();
    case Kept::kInner:
      break;
  }
  return kInnerBits;
}

class Integers : public Arithmetic {
 public:
  Integers(const Precision& format, const std::map<std::string, RangeWatcher::Place>& places,
           const std::vector<Site>& sites) {
    for (const auto& [name, place] : places) {
      const int bits = bits_of(place.kind, format);
      if (place.kind == Kept::kAttention) {
        grids_[name] = grid_between(0, 1, bits);
      } else {
        grids_[name] = best_grid(place.seen, bits);
      }
    }
    for (const Site& site : sites) {  // a function takes r no further
      const Carried& c = site.carried;
      if (c.channel && c.low < c.high) {
        grids_.at(site.name + ".r") = grid_between(c.low, c.high, format.stream_bits);
      }
    }
  }

  Tensor kept(Kept, const std::string& place, const Tensor& x) const override {
    return on_grid(grids_.at(place), x);
  }

 private:
  std::map<std::string, IntegerGrid> grids_;
};

/// A tensor [out, ...] by which a Linear, or a convolution, weighs its input.
bool is_weight(const std::string& name, const Tensor& tensor) {
  return tensor.dim() >= 2 && name.ends_with(".weight");
}

std::set<std::string> blind_readers(const Network& network) {
  std::set<std::string> names;
  for (const Site& site : network.sites()) {
    if (!site.carried.blind) continue;
    for (const LinearNames& reader : site.readers) names.insert(reader.weight);
  }
  return names;
}

void round_tensors(Network& network, const Precision& format) {
  const std::set<std::string> blind = blind_readers(network);
  for (auto& [name, tensor] : network.tensors()) {
    if (!format.integers()) {
      tensor = as_float(format.kind, tensor);
    } else if (is_weight(name, tensor)) {
      tensor = blind.contains(name) ? blind_weight_on_grids(tensor, kWeightBits)
                                    : weight_on_grids(tensor, kWeightBits);
    }
  }
}

}  // namespace

void use_arithmetic(Network& network, const Precision& format, const Tensor& images, Monitor& monitor) {
  check(format);
  if (format.kind == NumberKind::kFloat32) return;
  const at::NoGradGuard no_grad;
  for (auto& [name, tensor] : network.tensors()) tensor = tensor.detach();
  if (!format.integers()) {
    round_tensors(network, format);
    network.set_arithmetic(std::make_shared<Floats>(format.kind));
    return;
  }
  if (!images.defined() || images.size(0) == 0)
    throw InputError("arithmetic: no picture to choose the steps of integers by, expected at least one");
  const auto watcher = std::make_shared<RangeWatcher>();
  network.set_arithmetic(watcher);
  network.forward(images);
  monitor.check();
  watcher->count();
  network.forward(images);
  monitor.check();
  network.set_arithmetic(std::make_shared<Integers>(format, watcher->places(), network.sites()));
  round_tensors(network, format);
  monitor.notice(fmt::format("arithmetic: {}, the steps of {} places chosen by {} pictures",
                             to_string(format), watcher->places().size(), images.size(0)));
}

}  // namespace normgraft
