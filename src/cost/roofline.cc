#include "normgraft/cost/roofline.h"

#include <algorithm>
#include <cmath>

#include "normgraft/cost/profile.h"

namespace normgraft {
namespace {

/// Horowitz, ISSCC 2014, 45 nm, in pJ.
struct OperationEnergy {
  double addition, multiplication;
  double mean() const { return (addition + multiplication) / 2; }
};
constexpr OperationEnergy kInt32{0.1, 3.1}, kFloat16{0.4, 1.1}, kFloat32{0.9, 3.7};
constexpr double kInt8Multiplication = 0.2;
constexpr double kOffchipByte = 640.0 / 4, kTokenBufferByte = 5.0 / 4;

/// Integers of a norm site are multiplied and added in 32 bits: docs/integer.md.
OperationEnergy at_norms(ElementKind kind) {
  switch (kind) {
    case ElementKind::kInt8:
      return kInt32;
    case ElementKind::kFloat16:
      return kFloat16;
    case ElementKind::kFloat32:
      break;
  }
  return kFloat32;
}

OperationEnergy in_products(ElementKind kind) {
  if (kind == ElementKind::kInt8) return {kInt32.addition, kInt8Multiplication};
  return at_norms(kind);
}

/// Elements that go through a norm or an addition once.
struct Pass {
  double elements = 0, ops = 0, bytes = 0;

  double seconds(const Accelerator& on) const {
    return std::max({bytes / on.offchip_bytes_per_second, ops / on.vector_operations_per_second,
                     elements / (static_cast<double>(on.lanes) * on.clock_hz)});
  }
};

double clocks_of(double elements, const Accelerator& on) {
  return std::ceil(elements / static_cast<double>(on.lanes));
}

double norm_ops_per_element(const NormWork& norm) {
  static const Profile kFlops = flops_profile();
  return norm.f ? cost_per_element(*norm.f, kFlops, norm.channels)
                : layernorm_flops_per_element(norm.channels);
}

Json to_json(const RooflineCost& c) {
  return Json{{"ops", c.ops},
              {"buffer_bits", c.buffer_bits},
              {"bytes", c.bytes},
              {"first_output_clocks", c.first_output_clocks},
              {"energy_pj", c.energy_pj},
              {"seconds", c.seconds}};
}

Json to_json(const FusionCosts& costs) {
  Json json = Json::object();
  for (const Named<Fusion>& fusion : kFusions)
    json[std::string(fusion.name)] = to_json(at(costs, fusion.value));
  return json;
}

Json to_json(const NetworkRoofline& roofline) {
  return Json{{"norms", to_json(roofline.norms)},
              {"products", to_json(roofline.products)},
              {"network", to_json(roofline.network)}};
}

}  // namespace

RooflineCost& operator+=(RooflineCost& sum, const RooflineCost& cost) {
  sum.ops += cost.ops;
  sum.buffer_bits = std::max(sum.buffer_bits, cost.buffer_bits);
  sum.bytes += cost.bytes;
  sum.first_output_clocks += cost.first_output_clocks;
  sum.energy_pj += cost.energy_pj;
  sum.seconds += cost.seconds;
  return sum;
}

bool token_fits(int64_t channels, const Accelerator& accelerator) {
  return (channels + 2) * accelerator.stream_bits <= accelerator.buffer_bits;
}

RooflineCost norm_cost(const NormWork& norm, Fusion fusion, const Accelerator& on) {
  const auto tokens = static_cast<double>(norm.tokens), channels = static_cast<double>(norm.channels);
  const double elements = tokens * channels;
  const double stream = on.stream_bytes(), element = on.element_bytes();
  const bool fits = token_fits(norm.channels, on);
  const bool apart = norm.adds && fusion == Fusion::kUnfused;
  const bool adds_here = norm.adds && !apart;
  const bool holds_token = !norm.f && fits;

  Pass addition, pass{.elements = elements, .ops = elements * norm_ops_per_element(norm)};
  if (apart) addition = {elements, elements, elements * (2 * stream + element)};
  double bytes = stream;
  if (adds_here) {
    pass.ops += elements;
    bytes += element;
    if (norm.goes_on) bytes += stream;
  }
  // What left with the statistics still unknown is read again; where x + h was not written, both of them.
  if (!norm.f && !fits) bytes += adds_here && !norm.goes_on ? stream + element : stream;
  if (fusion != Fusion::kIntoLinear || !fits) bytes += element;
  pass.bytes = elements * bytes;

  RooflineCost cost;
  cost.ops = addition.ops + pass.ops;
  cost.bytes = addition.bytes + pass.bytes;
  cost.seconds = addition.seconds(on) + pass.seconds(on);
  const auto number = static_cast<double>(on.stream_bits);
  if (norm.f) {
    cost.buffer_bits = norm.f->reads(Op::kR) ? number : 0;
  } else {
    cost.buffer_bits = number * (holds_token ? channels + 2 : 2);
  }
  cost.first_output_clocks = clocks_of(addition.elements, on) + (norm.f ? 1 : clocks_of(channels, on));
  const double buffered = holds_token ? 2 * elements * stream : 0;
  cost.energy_pj =
      cost.ops * at_norms(on.elements).mean() + buffered * kTokenBufferByte + cost.bytes * kOffchipByte;
  return cost;
}

RooflineCost product_cost(const ProductWork& product, Fusion fusion, const Accelerator& on) {
  const bool y_stays = fusion == Fusion::kIntoLinear && token_fits(product.site_channels, on);
  const double read = product.read - (y_stays ? product.of_sites : 0);
  RooflineCost cost;
  cost.ops = product.ops;
  cost.bytes = (read + product.written + product.weights) * on.element_bytes() +
               product.stream_written * on.stream_bytes();
  cost.energy_pj = cost.ops * in_products(on.elements).mean() + cost.bytes * kOffchipByte;
  cost.seconds =
      std::max(cost.ops / on.matrix_operations_per_second, cost.bytes / on.offchip_bytes_per_second);
  return cost;
}

NetworkRoofline network_roofline(const NetworkWork& work, const Accelerator& accelerator) {
  NetworkRoofline roofline;
  roofline.sites.resize(work.norms.size());
  for (const Named<Fusion>& fusion : kFusions) {
    const auto k = static_cast<size_t>(fusion.value);
    for (size_t i = 0; i < work.norms.size(); ++i) {
      roofline.sites[i][k] = norm_cost(work.norms[i], fusion.value, accelerator);
      roofline.norms[k] += roofline.sites[i][k];
    }
    for (const ProductWork& product : work.products) {
      roofline.products[k] += product_cost(product, fusion.value, accelerator);
    }
    roofline.network[k] = roofline.norms[k];
    roofline.network[k] += roofline.products[k];
  }
  return roofline;
}

AcceleratorCost compare_on(const Accelerator& accelerator, const NetworkWork& layernorm,
                           const NetworkWork& graft) {
  AcceleratorCost cost{.accelerator = accelerator,
                       .sites = {},
                       .replaced = {},
                       .layernorm = network_roofline(layernorm, accelerator),
                       .graft = network_roofline(graft, accelerator)};
  int64_t channels = 0, numbers = 0;
  for (const NormWork& norm : graft.norms) {
    cost.sites.push_back(norm.name);
    cost.replaced.push_back(norm.f.has_value());
    channels = std::max(channels, norm.channels);
    numbers = std::max(numbers, norm.tokens * norm.channels);
  }
  cost.token_bits = channels * accelerator.stream_bits;
  cost.token_fits = token_fits(channels, accelerator);
  cost.stream_bits = numbers * accelerator.stream_bits;
  cost.stream_fits = cost.stream_bits <= accelerator.buffer_bits;
  return cost;
}

Json to_json(const AcceleratorCost& cost) {
  Json sites = Json::array();
  for (size_t i = 0; i < cost.sites.size(); ++i) {
    sites.push_back({{"name", cost.sites[i]},
                     {"replaced", static_cast<bool>(cost.replaced[i])},
                     {"layernorm", to_json(cost.layernorm.sites[i])},
                     {"graft", to_json(cost.graft.sites[i])}});
  }
  return Json{{"description", to_json(cost.accelerator)},
              {"token_bits", cost.token_bits},
              {"token_fits", cost.token_fits},
              {"stream_bits", cost.stream_bits},
              {"stream_fits", cost.stream_fits},
              {"layernorm", to_json(cost.layernorm)},
              {"graft", to_json(cost.graft)},
              {"sites", sites}};
}

}  // namespace normgraft
