#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <ostream>
#include <set>
#include <stdexcept>

#include "normgraft/core/error.h"
#include "normgraft/mapping/mapping.h"

// Layout, little-endian:
//   magic[8], u32 version, u64 payload bytes, payload, u64 FNV-1a of everything before it.
// Payload:
//   text model, u8 weighted, u8 whether there is a part to choose by, u32 sites, and for each site
//   text name, i64 pictures, i64 tokens, i64 channels, u8 blind, f64 ratio, u8 channel, f64 low, f64 high
//   (Carried), u32 bins, f64 edges[bins + 1], and for each measure (kWeight only when weighted): for each
//   fold and bin f32 weight, x - left edge, y, sxx, sxy, syy, and under kWeight weight2; then for each fold
//   f64 weight, mean and sum of squares of y itself.
// A text is its u32 length and its bytes.
// Before version 4 no channel tells the spread. Versions 1 and 2 know nothing of a part to choose by and of
// what is carried; their folds are the two halves and the pictures held out. Version 1 has no y itself: y of
// bins is.

namespace normgraft {
namespace {

static_assert(std::endian::native == std::endian::little, "mappings.ngm is written as it lies in memory");

constexpr std::string_view kMagic = "NGMAPS\r\n";
constexpr uint32_t kVersion = 4;
constexpr size_t kHeaderBytes = kMagic.size() + sizeof(uint32_t) + sizeof(uint64_t);
constexpr size_t kChecksumBytes = sizeof(uint64_t);

uint64_t checksum(std::string_view bytes) {
  return fnv1a(std::as_bytes(std::span(bytes)));
}

class Writer {
 public:
  template <class T>
  void value(T v) {
    bytes_.append(reinterpret_cast<const char*>(&v), sizeof v);
  }

  void text(std::string_view t) {
    value(static_cast<uint32_t>(t.size()));
    bytes_.append(t);
  }

  void real32(double v) {
    const auto narrow = static_cast<float>(v);
    if (!std::isfinite(narrow))
      throw std::runtime_error("a moment of a mapping is beyond the range of float");
    value(narrow);
  }

  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

/// Reads values from bytes it does not trust.
class Reader {
 public:
  Reader(std::string_view bytes, std::string file) : bytes_(bytes), file_(std::move(file)) {}

  [[noreturn]] void fail(const std::string& why) const {
    throw InputError(fmt::format("mappings {}: {}", file_, why));
  }

  void need(uint64_t count, uint64_t size) const {
    if (count > bytes_.size() / size) fail("damaged: a length points beyond the end of the file");
  }

  template <class T>
  T value() {
    need(1, sizeof(T));
    T v;
    std::memcpy(&v, bytes_.data(), sizeof v);
    bytes_.remove_prefix(sizeof v);
    return v;
  }

  std::string text() {
    const auto length = value<uint32_t>();
    need(length, 1);
    std::string t(bytes_.substr(0, length));
    bytes_.remove_prefix(length);
    return t;
  }

  double finite(double v) const {
    if (!std::isfinite(v)) fail("damaged: a value is not finite");
    return v;
  }

  double positive_or_zero(double v) const {
    if (!(finite(v) >= 0)) fail("damaged: a sum of squares or weight is negative");
    return v;
  }

  int64_t size() {
    const auto v = value<int64_t>();
    if (v < 1) fail("damaged: a size is not positive");
    return v;
  }

  bool done() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
  std::string file_;
};

void write_moments(Writer& out, const Moments& m, double edge, Measure measure) {
  out.real32(m.weight);
  out.real32(m.weight > 0 ? m.x - edge : 0);
  out.real32(m.y);
  out.real32(m.sxx);
  out.real32(m.sxy);
  out.real32(m.syy);
  if (measure == Measure::kWeight) out.real32(m.weight2);
}

Moments read_moments(Reader& in, double edge, Measure measure) {
  Moments m;
  m.weight = in.positive_or_zero(in.value<float>());
  m.x = edge + in.finite(in.value<float>());
  m.y = in.finite(in.value<float>());
  m.sxx = in.positive_or_zero(in.value<float>());
  m.sxy = in.finite(in.value<float>());
  m.syy = in.positive_or_zero(in.value<float>());
  m.weight2 = measure == Measure::kWeight ? in.positive_or_zero(in.value<float>()) : m.weight;
  return m.weight > 0 ? m : Moments{};
}

void write_site(Writer& out, const SiteMapping& site, bool weighted) {
  out.text(site.name);
  out.value(site.pictures);
  out.value(site.tokens);
  out.value(site.channels);
  out.value(static_cast<uint8_t>(site.carried.blind));
  out.value(site.carried.ratio);
  out.value(static_cast<uint8_t>(site.carried.channel));
  out.value(site.carried.low);
  out.value(site.carried.high);
  out.value(static_cast<uint32_t>(site.bin_count()));
  for (double edge : site.edges) out.value(edge);
  for (Measure measure : {Measure::kCount, Measure::kWeight}) {
    if (measure == Measure::kWeight && !weighted) continue;
    for (const std::vector<Moments>& fold : site.bins[static_cast<size_t>(measure)]) {
      for (size_t i = 0; i < fold.size(); ++i) write_moments(out, fold[i], site.edges[i], measure);
    }
    for (const Moments& y : site.y[static_cast<size_t>(measure)]) {
      for (double value : {y.weight, y.y, y.syy}) out.value(value);
    }
  }
}

std::vector<double> read_edges(Reader& in) {
  const auto bins = in.value<uint32_t>();
  if (bins == 0) in.fail("damaged: a site without bins");
  in.need(uint64_t{bins} + 1, sizeof(double));
  std::vector<double> edges(size_t{bins} + 1);
  for (double& edge : edges) edge = in.finite(in.value<double>());
  for (size_t i = 1; i < edges.size(); ++i) {
    if (!(edges[i - 1] < edges[i])) in.fail("damaged: edges do not increase");
  }
  return edges;
}

Moments read_y(Reader& in) {
  Moments y;
  y.weight = in.positive_or_zero(in.value<double>());
  y.y = in.finite(in.value<double>());
  y.syy = in.positive_or_zero(in.value<double>());
  return y;
}

/// The folds that a file of that version has, in its order.
std::span<const Fold> folds_in(uint32_t version) {
  static constexpr Fold kBefore3[] = {Fold::kFirstHalf, Fold::kSecondHalf, Fold::kReport};
  return version < 3 ? std::span<const Fold>(kBefore3) : folds_of(Part::kAll);
}

/// Whether a number was added to y in bins: its sums of squares are not those of y itself.
bool moved_in_bins(const SiteMapping& site) {
  constexpr double kRounding = 1e-4;
  const Moments own = site.y_of(Measure::kCount, Part::kAll);
  Moments in_bins;
  for (const Moments& bin : site.of(Measure::kCount, Part::kAll)) in_bins.merge(bin);
  return std::abs(in_bins.syy - own.syy) > kRounding * own.syy;
}

SiteMapping read_site(Reader& in, bool weighted, uint32_t version) {
  SiteMapping site;
  site.name = in.text();
  site.pictures = in.size();
  site.tokens = in.size();
  site.channels = in.size();
  if (version >= 3) {
    site.carried.blind = in.value<uint8_t>() != 0;
    site.carried.ratio = in.positive_or_zero(in.value<double>());
  }
  if (version >= 4) {
    site.carried.channel = in.value<uint8_t>() != 0;
    site.carried.low = in.finite(in.value<double>());
    site.carried.high = in.finite(in.value<double>());
    if (site.carried.low > site.carried.high)
      in.fail("damaged: the range of a carrier ends before it begins");
  }
  site.edges = read_edges(in);
  for (Measure measure : {Measure::kCount, Measure::kWeight}) {
    auto& folds = site.bins[static_cast<size_t>(measure)];
    if (measure == Measure::kWeight && !weighted) {
      folds = site.bins[static_cast<size_t>(Measure::kCount)];
      site.y[static_cast<size_t>(measure)] = site.y[static_cast<size_t>(Measure::kCount)];
      continue;
    }
    for (std::vector<Moments>& fold : folds) fold.resize(site.bin_count());
    for (const Fold fold : folds_in(version)) {
      in.need(site.bin_count(), sizeof(float));
      std::vector<Moments>& moments = folds[static_cast<size_t>(fold)];
      for (size_t i = 0; i < moments.size(); ++i) moments[i] = read_moments(in, site.edges[i], measure);
    }
    if (version == 1) continue;
    for (const Fold fold : folds_in(version)) {
      site.y[static_cast<size_t>(measure)][static_cast<size_t>(fold)] = read_y(in);
    }
  }
  if (version == 1) site.y = y_of_bins(site);
  if (version == 2) site.carried.blind = moved_in_bins(site);
  return site;
}

struct Content {
  uint32_t version;
  std::string_view payload;
};

/// The content of a file whose magic, version, length and checksum are right.
Content open_content(std::string_view bytes, const std::string& file) {
  Reader in(bytes, file);
  if (!bytes.starts_with(kMagic.substr(0, bytes.size()))) in.fail("not a mappings file");
  if (bytes.size() < kHeaderBytes + kChecksumBytes) in.fail("truncated: ends within its header");
  in = Reader(bytes.substr(kMagic.size()), file);
  const auto version = in.value<uint32_t>();
  if (version > kVersion) {
    in.fail(
        fmt::format("written in version {} of the format, this program reads up to {}", version, kVersion));
  }
  if (version == 0) in.fail("damaged: version 0 of the format does not exist");
  const auto length = in.value<uint64_t>();
  const size_t body = bytes.size() - kHeaderBytes - kChecksumBytes;
  if (length > body) in.fail(fmt::format("truncated: {} of {} bytes of content", body, length));
  if (length < body) in.fail(fmt::format("damaged: {} bytes follow the end", body - length));
  const std::string_view summed = bytes.substr(0, kHeaderBytes + body);
  in = Reader(bytes.substr(summed.size()), file);
  if (in.value<uint64_t>() != checksum(summed)) in.fail("damaged: the checksum does not match");
  return {version, summed.substr(kHeaderBytes)};
}

}  // namespace

Mappings read_mappings(const Path& path) {
  const std::string bytes = read_file(path, "mappings");
  const Content content = open_content(bytes, path.string());
  Reader in(content.payload, path.string());
  Mappings mappings;
  mappings.model = in.text();
  mappings.weighted = in.value<uint8_t>() != 0;
  mappings.choose_part = content.version >= 3 && in.value<uint8_t>() != 0;
  const auto sites = in.value<uint32_t>();
  std::set<std::string> names;
  for (uint32_t i = 0; i < sites; ++i) {
    mappings.sites.push_back(read_site(in, mappings.weighted, content.version));
    const std::string& name = mappings.sites.back().name;
    if (!names.insert(name).second) in.fail(fmt::format("damaged: site {} appears twice", name));
  }
  if (!in.done()) in.fail("damaged: bytes follow the last site");
  return mappings;
}

void write_mappings(const Path& path, const Mappings& mappings) {
  Writer payload;
  payload.text(mappings.model);
  payload.value(static_cast<uint8_t>(mappings.weighted));
  payload.value(static_cast<uint8_t>(mappings.choose_part));
  payload.value(static_cast<uint32_t>(mappings.sites.size()));
  for (const SiteMapping& site : mappings.sites) write_site(payload, site, mappings.weighted);
  const std::string content = payload.take();
  Writer file;
  file.value(kVersion);
  file.value(static_cast<uint64_t>(content.size()));
  std::string bytes = std::string(kMagic) + file.take() + content;
  Writer end;
  end.value(checksum(bytes));
  write_atomically(path, bytes + end.take());
}

}  // namespace normgraft
