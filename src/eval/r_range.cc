#include "normgraft/eval/r_range.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

namespace normgraft {
namespace {

/// x [..., D] of a site that carries a channel.
RCount count_beyond(const Carried& carried, const Tensor& x) {
  const double middle = (carried.low + carried.high) / 2, half = (carried.high - carried.low) / 2;
  const Tensor away = (x.select(-1, 0) - middle).abs();
  // NaN compares as false, and so is not within.
  const auto within = [&away](double limit) { return (away <= limit).sum().item<int64_t>(); };
  return {away.numel(), away.numel() - within(half), away.numel() - within(4 * half)};
}

RCount total(const RRange& range) {
  RCount sum;
  for (const auto& [site, count] : range) sum += count;
  return sum;
}

Json count_json(const RCount& count) {
  return {{"tokens", count.tokens}, {"beyond", count.beyond}, {"beyond_fourfold", count.fourfold}};
}

}  // namespace

RCount& RCount::operator+=(const RCount& other) {
  tokens += other.tokens;
  beyond += other.beyond;
  fourfold += other.fourfold;
  return *this;
}

RWatch::RWatch(Network& network) {
  for (size_t i = 0; i < network.sites().size(); ++i) {
    const Site& site = network.sites()[i];
    const Network::Normalizer function = network.normalizer(i);
    if (!function || !site.carried.channel) continue;
    counters_.push_back(std::make_shared<Counter>());
    counters_.back()->site = site.name;
    network.set_normalizer(i,
                           [counter = counters_.back(), function, carried = site.carried](const Tensor& x) {
                             const RCount found = count_beyond(carried, x);
                             counter->counts[0] += found.tokens;
                             counter->counts[1] += found.beyond;
                             counter->counts[2] += found.fourfold;
                             return function(x);
                           });
  }
}

RRange RWatch::take() {
  RRange range;
  for (const auto& counter : counters_) {
    range[counter->site] = {counter->counts[0].exchange(0), counter->counts[1].exchange(0),
                            counter->counts[2].exchange(0)};
  }
  return range;
}

Json to_json(const RRange& range) {
  Json json = count_json(total(range));
  json["sites"] = Json::object();
  for (const auto& [site, count] : range) {
    if (count.beyond > 0) json["sites"][site] = count_json(count);
  }
  return json;
}

std::string to_string(const RRange& range) {
  const RCount all = total(range);
  std::string text = fmt::format("r out of its range: {} of {} tokens, {} of them beyond it fourfold",
                                 all.beyond, all.tokens, all.fourfold);
  const auto most = std::max_element(range.begin(), range.end(), [](const auto& a, const auto& b) {
    return a.second.beyond < b.second.beyond;
  });
  if (all.beyond > 0) text += fmt::format("; most at {}: {}", most->first, most->second.beyond);
  return text;
}

}  // namespace normgraft
