#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "normgraft/core/error.h"
#include "normgraft/mapping/mapping.h"
#include "synthetic.h"

namespace normgraft {
namespace {

constexpr size_t kVersionAt = 8;
constexpr size_t kLengthAt = 12;
constexpr size_t kPayloadAt = 20;

Mappings two_sites(bool weighted, size_t bins) {
  Mappings mappings;
  mappings.model = "deit_tiny_patch16_224";
  mappings.weighted = weighted;
  for (uint64_t seed : {31, 32}) {
    mappings.sites.push_back(synthetic::capture(synthetic::layer_norm(6, 30, 96, seed), weighted, bins));
    mappings.sites.back().name = "blocks." + std::to_string(seed) + ".norm1";
    if (seed == 32) mappings.sites.back().carried = {.blind = true, .ratio = 55.5};
  }
  return mappings;
}

class MappingFile : public testing::Test {
 protected:
  void SetUp() override {
    const std::string test = testing::UnitTest::GetInstance()->current_test_info()->name();
    folder_ = std::filesystem::temp_directory_path() /
              ("normgraft_mapping_file_" + test + "_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    path_ = folder_ / "mappings.ngm";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string bytes() const { return read_file(path_, "mappings"); }

  void put(const std::string& content) const {
    std::ofstream(path_, std::ios::binary)
        .write(content.data(), static_cast<std::streamsize>(content.size()));
  }

  /// The content with its last 8 bytes replaced by the right checksum.
  static std::string sealed(std::string content) {
    const auto summed = std::span(content).first(content.size() - sizeof(uint64_t));
    const uint64_t sum = fnv1a(std::as_bytes(summed));
    std::memcpy(content.data() + summed.size(), &sum, sizeof sum);
    return content;
  }

  /// The message of the InputError that reading gives, empty when it succeeds. Other exceptions pass.
  std::string complaint() const {
    try {
      read_mappings(path_);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }

  Path folder_, path_;
};

TEST_F(MappingFile, GivesBackWhatWasWritten) {
  for (bool weighted : {false, true}) {
    const Mappings written = two_sites(weighted, 512);
    write_mappings(path_, written);
    const Mappings read = read_mappings(path_);
    EXPECT_EQ(read.model, written.model);
    EXPECT_EQ(read.weighted, weighted);
    EXPECT_TRUE(read.choose_part);
    ASSERT_EQ(read.sites.size(), 2U);
    for (size_t s = 0; s < 2; ++s) {
      EXPECT_EQ(read.sites[s].name, written.sites[s].name);
      EXPECT_EQ(read.sites[s].pictures, 6);
      EXPECT_EQ(read.sites[s].tokens, 1);
      EXPECT_EQ(read.sites[s].channels, 30 * 96);
      EXPECT_EQ(read.sites[s].edges, written.sites[s].edges);
      EXPECT_EQ(read.sites[s].carried, written.sites[s].carried);
      for (int measure = 0; measure < kMeasures; ++measure) {
        for (int fold = 0; fold < kFolds; ++fold) {
          EXPECT_EQ(read.sites[s].y[measure][fold].weight, written.sites[s].y[measure][fold].weight);
          EXPECT_EQ(read.sites[s].y[measure][fold].syy, written.sites[s].y[measure][fold].syy);
          for (size_t i = 0; i < written.sites[s].bin_count(); ++i) {
            const Moments& a = read.sites[s].bins[measure][fold][i];
            const Moments& b = written.sites[s].bins[measure][fold][i];
            EXPECT_FLOAT_EQ(static_cast<float>(a.weight), static_cast<float>(b.weight));
            EXPECT_FLOAT_EQ(static_cast<float>(a.weight2), static_cast<float>(b.weight2));
            EXPECT_NEAR(a.x, b.x, 1e-7 * (written.sites[s].edges[i + 1] - written.sites[s].edges[i]));
            EXPECT_NEAR(a.y, b.y, 1e-6 * (1 + std::abs(b.y)));
            EXPECT_NEAR(a.sxx, b.sxx, 1e-7 * b.sxx);
            EXPECT_NEAR(a.sxy, b.sxy, 1e-7 * std::abs(b.sxy));
            EXPECT_NEAR(a.syy, b.syy, 1e-7 * b.syy);
          }
        }
      }
    }
  }
}

TEST_F(MappingFile, ErrorsFromAFileAreWithin1EMinus5OfTheRawPairs) {
  const auto pictures = synthetic::layer_norm(6, 60, 192, 33);
  for (bool weighted : {false, true}) {
    write_mappings(path_, {"vit", weighted, {synthetic::capture(pictures, weighted)}});
    const Mappings read = read_mappings(path_);
    const Measure measure = weighted ? Measure::kWeight : Measure::kCount;
    const Samples samples = make_samples(read.sites[0], measure, Part::kAll);
    for (double slope : {0.1, 0.35, 1.0}) {
      const auto f = [&](double x) { return 1.7 * std::tanh(slope * x) + 0.05 * x; };
      EXPECT_NEAR(evaluate_fit(f, samples).error, synthetic::raw_error(pictures, weighted, Part::kAll, f),
                  1e-5 * samples.variance);
    }
  }
}

TEST_F(MappingFile, KeepsSmallMomentsFarFromZero) {
  std::vector<float> x(1000), y(1000);
  Random random{34};
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(4096 + random.uniform());
    y[i] = 10 * (x[i] - 4096.5F);
  }
  SiteAccumulator accumulator("norm", 10, 100);
  for (int i = 0; i < 5; ++i) accumulator.add_picture(Fold::kFirstHalf, x, y);
  write_mappings(path_, {"vit", false, {accumulator.finish()}});
  const Samples samples = make_samples(read_mappings(path_).sites[0], Measure::kCount, Part::kAll);
  EXPECT_NEAR(evaluate_fit([](double v) { return 10 * (v - 4096.5); }, samples).r2, 1, 1e-5);
}

TEST_F(MappingFile, IsSmallEnoughToShare) {
  Mappings mappings = two_sites(false, 2048);
  write_mappings(path_, mappings);
  EXPECT_LT(bytes().size() * 25 / 2, 6U << 20);
}

TEST_F(MappingFile, HasTheSameBytesForTheSameMappings) {
  write_mappings(path_, two_sites(true, 64));
  const std::string first = bytes();
  write_mappings(path_, two_sites(true, 64));
  EXPECT_EQ(bytes(), first);
}

TEST_F(MappingFile, ThatIsMissingIsAnInputError) {
  EXPECT_EQ(complaint(), "mappings not found: " + path_.string());
}

TEST_F(MappingFile, ThatIsSomethingElseIsRecognised) {
  put("{\"sites\": []} and some more text to be long enough");
  EXPECT_EQ(complaint(), "mappings " + path_.string() + ": not a mappings file");
  put("");
  EXPECT_EQ(complaint(), "mappings " + path_.string() + ": truncated: ends within its header");
}

TEST_F(MappingFile, FromANewerVersionNamesBothVersions) {
  write_mappings(path_, two_sites(false, 16));
  std::string content = bytes();
  content[kVersionAt] = 9;
  put(sealed(content));
  EXPECT_EQ(complaint(), "mappings " + path_.string() +
                             ": written in version 9 of the format, this program reads up to 4");
}

TEST_F(MappingFile, OfVersion1HoldsYItselfInItsBins) {
  const Mappings read = read_mappings(Path(NORMGRAFT_SOURCE_DIR) / "examples" / "deit_tiny.ngm");
  ASSERT_EQ(read.sites.size(), 25U);
  const SiteMapping& site = read.site("blocks.0.norm2");
  Moments all;
  for (const Moments& bin : site.of(Measure::kWeight, Part::kAll)) all.merge(bin);
  const Moments y = site.y_of(Measure::kWeight, Part::kAll);
  EXPECT_NEAR(y.syy, all.syy, 1e-9 * all.syy);
  EXPECT_NEAR(y.weight, all.weight, 1e-9 * all.weight);
}

TEST_F(MappingFile, OfVersion1HasNothingToChooseByAndReportsOnWhatItHeldOut) {
  const Mappings read = read_mappings(Path(NORMGRAFT_SOURCE_DIR) / "examples" / "deit_tiny.ngm");
  EXPECT_FALSE(read.choose_part);
  const SiteMapping& site = read.site("norm");
  EXPECT_EQ(site.carried, Carried{});
  EXPECT_EQ(effective_pairs(site, Measure::kCount, Part::kChoose), 0);
  const double report = effective_pairs(site, Measure::kCount, Part::kReport);
  EXPECT_NEAR(4 * report, effective_pairs(site, Measure::kCount, Part::kFit), 0.05 * 4 * report);
  EXPECT_FALSE(std::isnan(ceiling(site, Measure::kWeight, Part::kReport)));
  // Written again it still has none.
  write_mappings(path_, read);
  EXPECT_FALSE(read_mappings(path_).choose_part);
}

/// The bytes of mappings without weights as older versions wrote them. Version 2: three folds, nothing of
/// parts and of what is carried. Version 3: no channel.
class OlderVersion {
 public:
  OlderVersion(uint32_t version, const Mappings& mappings) : version_(version) {
    text(mappings.model);
    value(uint8_t{0});
    if (version >= 3) value(static_cast<uint8_t>(mappings.choose_part));
    value(static_cast<uint32_t>(mappings.sites.size()));
    for (const SiteMapping& site : mappings.sites) add(site);
  }

  std::string bytes() const {
    std::string content = "NGMAPS\r\n";
    const uint64_t length = payload_.size();
    content.append(reinterpret_cast<const char*>(&version_), sizeof version_);
    content.append(reinterpret_cast<const char*>(&length), sizeof length);
    content += payload_;
    const uint64_t sum = fnv1a(std::as_bytes(std::span(content)));
    return content.append(reinterpret_cast<const char*>(&sum), sizeof sum);
  }

 private:
  template <class T>
  void value(T v) {
    payload_.append(reinterpret_cast<const char*>(&v), sizeof v);
  }
  void text(const std::string& t) {
    value(static_cast<uint32_t>(t.size()));
    payload_ += t;
  }
  std::vector<Fold> folds() const {
    if (version_ == 2) return {Fold::kFirstHalf, Fold::kSecondHalf, Fold::kReport};
    return {Fold::kFirstHalf, Fold::kSecondHalf, Fold::kChoose, Fold::kReport};
  }
  void add(const SiteMapping& site) {
    text(site.name);
    value(site.pictures);
    value(site.tokens);
    value(site.channels);
    if (version_ >= 3) {
      value(static_cast<uint8_t>(site.carried.blind));
      value(site.carried.ratio);
    }
    value(static_cast<uint32_t>(site.bin_count()));
    for (double edge : site.edges) value(edge);
    for (Fold fold : folds()) {
      const auto& bins = site.of(Measure::kCount, fold);
      for (size_t i = 0; i < bins.size(); ++i) {
        const Moments& m = bins[i];
        for (double v : {m.weight, m.weight > 0 ? m.x - site.edges[i] : 0.0, m.y, m.sxx, m.sxy, m.syy})
          value(static_cast<float>(v));
      }
    }
    for (Fold fold : folds()) {
      const Moments& y = site.y[0][static_cast<size_t>(fold)];
      for (double v : {y.weight, y.y, y.syy}) value(v);
    }
  }

  uint32_t version_;
  std::string payload_;
};

TEST_F(MappingFile, OfVersion3HasNoChannelThatTellsTheSpread) {
  const Mappings written = two_sites(false, 64);
  put(OlderVersion(3, written).bytes());
  const Mappings read = read_mappings(path_);
  EXPECT_TRUE(read.choose_part);
  for (size_t s = 0; s < 2; ++s) {
    EXPECT_EQ(read.sites[s].carried, written.sites[s].carried);
    EXPECT_FALSE(read.sites[s].carried.channel);
    EXPECT_EQ(read.sites[s].edges, written.sites[s].edges);
    for (Fold fold : {Fold::kFirstHalf, Fold::kSecondHalf, Fold::kChoose, Fold::kReport}) {
      EXPECT_NEAR(read.sites[s].of(Measure::kCount, fold)[20].y,
                  written.sites[s].of(Measure::kCount, fold)[20].y, 1e-6);
    }
  }
}

TEST_F(MappingFile, KeepsTheChannelThatTellsTheSpreadAndItsRange) {
  Mappings written = two_sites(false, 16);
  written.sites[0].carried = {.channel = true, .low = -1.25, .high = 0.5};
  write_mappings(path_, written);
  const Mappings read = read_mappings(path_);
  EXPECT_EQ(read.sites[0].carried, written.sites[0].carried);
  EXPECT_EQ(read.sites[1].carried, written.sites[1].carried);
  EXPECT_EQ(read.sites[0].pairs(), written.sites[0].tokens);
}

TEST_F(MappingFile, WithARangeOfACarrierThatIsNoneIsRefused) {
  const auto complaint_of = [&](double low, double high) {
    Mappings damaged = two_sites(false, 16);
    damaged.sites[1].carried = {.channel = true, .low = low, .high = high};
    write_mappings(path_, damaged);
    return complaint();
  };
  const std::string start = "mappings " + path_.string() + ": damaged: ";
  EXPECT_EQ(complaint_of(1, 1), "");
  EXPECT_EQ(complaint_of(1, 0.5), start + "the range of a carrier ends before it begins");
  EXPECT_EQ(complaint_of(0, INFINITY), start + "a value is not finite");
  EXPECT_EQ(complaint_of(NAN, 0), start + "a value is not finite");
}

TEST_F(MappingFile, OfVersion2KnowsThatASiteIsBlindWhereSomethingWasAddedToItsY) {
  Mappings written = two_sites(false, 64);
  for (OfFolds<Moments>* y : {&written.sites[1].y}) {
    for (auto& folds : *y) {
      for (Moments& m : folds) m.syy *= 0.5;
    }
  }
  put(OlderVersion(2, written).bytes());
  const Mappings read = read_mappings(path_);
  EXPECT_FALSE(read.choose_part);
  EXPECT_FALSE(read.sites[0].carried.blind);
  EXPECT_TRUE(read.sites[1].carried.blind);
  EXPECT_EQ(read.sites[1].carried.ratio, 0);
  for (size_t s = 0; s < 2; ++s) {
    EXPECT_EQ(effective_pairs(read.sites[s], Measure::kWeight, Part::kChoose), 0);
    EXPECT_NEAR(ceiling(read.sites[s], Measure::kCount, Part::kReport),
                ceiling(written.sites[s], Measure::kCount, Part::kReport), 0.02);
    for (Fold fold : {Fold::kFirstHalf, Fold::kSecondHalf, Fold::kReport}) {
      EXPECT_NEAR(read.sites[s].of(Measure::kCount, fold)[20].y,
                  written.sites[s].of(Measure::kCount, fold)[20].y, 1e-6);
    }
  }
}

TEST_F(MappingFile, ThatIsTruncatedAnywhereIsAnInputError) {
  write_mappings(path_, two_sites(false, 16));
  const std::string content = bytes();
  for (size_t n = 0; n < content.size(); n += n < 100 ? 1 : 37) {
    put(content.substr(0, n));
    EXPECT_NE(complaint().find("truncated"), std::string::npos) << n;
  }
  put(content + "x");
  EXPECT_NE(complaint().find("damaged"), std::string::npos);
}

TEST_F(MappingFile, WithAnyByteChangedIsAnInputError) {
  write_mappings(path_, two_sites(false, 16));
  const std::string content = bytes();
  Random random{35};
  for (size_t i = 0; i < content.size(); i += i < 200 ? 1 : 23) {
    std::string damaged = content;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << random.below(8)));
    put(damaged);
    EXPECT_NE(complaint(), "") << i;
    if (i < kPayloadAt) continue;
    EXPECT_NE(complaint().find("the checksum does not match"), std::string::npos) << i;
  }
}

TEST_F(MappingFile, ForgedWithARightChecksumNeverCrashesTheReader) {
  write_mappings(path_, two_sites(true, 16));
  const std::string content = bytes();
  Random random{36};
  int refused = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    std::string forged = content;
    for (uint64_t i = 0; i <= random.below(3); ++i) {
      const size_t at = kPayloadAt + random.below(trial % 2 ? 120 : content.size() - kPayloadAt);
      forged[at] = static_cast<char>(trial % 3 ? random.below(256) : 255);
    }
    put(sealed(forged));
    if (!complaint().empty()) {
      ++refused;
      continue;
    }
    for (const SiteMapping& site : read_mappings(path_).sites) {
      make_samples(site, Measure::kWeight, Part::kAll, 8);
      ceiling(site, Measure::kWeight, Part::kAll);
    }
  }
  EXPECT_GT(refused, 500);
}

TEST_F(MappingFile, WithALengthBeyondItsEndIsRefusedBeforeMemoryIsTaken) {
  write_mappings(path_, two_sites(false, 16));
  std::string content = bytes();
  const uint32_t huge = 0xfffffff0;
  std::memcpy(content.data() + kPayloadAt, &huge, sizeof huge);
  put(sealed(content));
  EXPECT_EQ(complaint(),
            "mappings " + path_.string() + ": damaged: a length points beyond the end of the file");
  const uint64_t longer = ~uint64_t{0};
  std::memcpy(content.data() + kLengthAt, &longer, sizeof longer);
  put(sealed(content));
  EXPECT_NE(complaint().find("truncated"), std::string::npos);
}

TEST_F(MappingFile, WithASiteTwiceIsRefused) {
  Mappings mappings = two_sites(false, 16);
  mappings.sites[1].name = mappings.sites[0].name;
  write_mappings(path_, mappings);
  EXPECT_EQ(complaint(), "mappings " + path_.string() + ": damaged: site blocks.31.norm1 appears twice");
}

}  // namespace
}  // namespace normgraft
