#include "timm_names.h"

#include <algorithm>
#include <array>
#include <utility>

namespace normgraft {
namespace {

using enum Pooling;
using enum TimmFacts::Flag;

constexpr std::string_view kGelu = "gelu", kGeluTanh = "gelu_tanh", kQuickGelu = "quick_gelu", kSilu = "silu";

// name, D, heads, eps, activation, pooling, flags. Sorted by name.
constexpr TimmFacts kComputed[] = {
    {"aimv2_1b_patch14_224", 2048, 16, 1e-5, kSilu, kAverage, kRms | kPatchNorm},
    {"aimv2_1b_patch14_336", 2048, 16, 1e-5, kSilu, kAverage, kRms | kPatchNorm},
    {"aimv2_1b_patch14_448", 2048, 16, 1e-5, kSilu, kAverage, kRms | kPatchNorm},
    {"aimv2_3b_patch14_224", 3072, 24, 1e-5, kSilu, kAverage, kRms | kPatchNorm},
    {"aimv2_3b_patch14_336", 3072, 24, 1e-5, kSilu, kAverage, kRms | kPatchNorm},
    {"aimv2_3b_patch14_448", 3072, 24, 1e-5, kSilu, kAverage, kRms | kPatchNorm},
    {"aimv2_huge_patch14_224", 1536, 12, 1e-5, kSilu, kAverage, kRms | kPatchNorm},
    {"aimv2_huge_patch14_336", 1536, 12, 1e-5, kSilu, kAverage, kRms | kPatchNorm},
    {"aimv2_huge_patch14_448", 1536, 12, 1e-5, kSilu, kAverage, kRms | kPatchNorm},
    {"aimv2_large_patch14_224", 1024, 8, 1e-5, kSilu, kAverage, kRms | kPatchNorm},
    {"aimv2_large_patch14_336", 1024, 8, 1e-5, kSilu, kAverage, kRms | kPatchNorm},
    {"aimv2_large_patch14_448", 1024, 8, 1e-5, kSilu, kAverage, kRms | kPatchNorm},
    {"beit3_base_patch16_224", 768, 12, 1e-5, kGelu, kAverage, 0},
    {"beit3_giant_patch14_224", 1408, 16, 1e-5, kGelu, kAverage, 0},
    {"beit3_giant_patch14_336", 1408, 16, 1e-5, kGelu, kAverage, 0},
    {"beit3_large_patch16_224", 1024, 16, 1e-5, kGelu, kAverage, 0},
    {"deit3_base_patch16_224", 768, 12, 1e-6, kGelu, kToken, kPatchPositions},
    {"deit3_base_patch16_384", 768, 12, 1e-6, kGelu, kToken, kPatchPositions},
    {"deit3_huge_patch14_224", 1280, 16, 1e-6, kGelu, kToken, kPatchPositions},
    {"deit3_large_patch16_224", 1024, 16, 1e-6, kGelu, kToken, kPatchPositions},
    {"deit3_large_patch16_384", 1024, 16, 1e-6, kGelu, kToken, kPatchPositions},
    {"deit3_medium_patch16_224", 512, 8, 1e-6, kGelu, kToken, kPatchPositions},
    {"deit3_small_patch16_224", 384, 6, 1e-6, kGelu, kToken, kPatchPositions},
    {"deit3_small_patch16_384", 384, 6, 1e-6, kGelu, kToken, kPatchPositions},
    {"deit_base_distilled_patch16_224", 768, 12, 1e-6, kGelu, kToken, 0},
    {"deit_base_distilled_patch16_384", 768, 12, 1e-6, kGelu, kToken, 0},
    {"deit_base_patch16_224", 768, 12, 1e-6, kGelu, kToken, 0},
    {"deit_base_patch16_384", 768, 12, 1e-6, kGelu, kToken, 0},
    {"deit_small_distilled_patch16_224", 384, 6, 1e-6, kGelu, kToken, 0},
    {"deit_small_patch16_224", 384, 6, 1e-6, kGelu, kToken, 0},
    {"deit_tiny_distilled_patch16_224", 192, 3, 1e-6, kGelu, kToken, 0},
    {"deit_tiny_patch16_224", 192, 3, 1e-6, kGelu, kToken, 0},
    {"eva_large_patch14_196", 1024, 16, 1e-6, kGelu, kAverage, 0},
    {"eva_large_patch14_336", 1024, 16, 1e-6, kGelu, kAverage, 0},
    {"flexivit_base", 768, 12, 1e-6, kGelu, kToken, kPatchPositions | kBilinear},
    {"flexivit_large", 1024, 16, 1e-6, kGelu, kToken, kPatchPositions | kBilinear},
    {"flexivit_small", 384, 6, 1e-6, kGelu, kToken, kPatchPositions | kBilinear},
    {"test_vit", 64, 2, 1e-6, kGelu, kToken, kAnySize},
    {"test_vit2", 64, 2, 1e-6, kGelu, kAverage, kAnySize},
    {"test_vit3", 96, 3, 1e-6, kGelu, kAttention, kPoolsAll},
    {"test_vit4", 96, 3, 1e-6, kGelu, kAverage, kAnySize | kRms},
    {"vit_base_patch14_dinov2", 768, 12, 1e-6, kGelu, kToken, 0},
    {"vit_base_patch14_reg1_tipsv2", 768, 12, 1e-6, kGelu, kToken, kPatchPositions},
    {"vit_base_patch14_reg4_dinov2", 768, 12, 1e-6, kGelu, kToken, kPatchPositions},
    {"vit_base_patch16_224", 768, 12, 1e-6, kGelu, kToken, 0},
    {"vit_base_patch16_224_miil", 768, 12, 1e-6, kGelu, kToken, 0},
    {"vit_base_patch16_384", 768, 12, 1e-6, kGelu, kToken, 0},
    {"vit_base_patch16_clip_224", 768, 12, 1e-5, kGelu, kToken, 0},
    {"vit_base_patch16_clip_384", 768, 12, 1e-5, kGelu, kToken, 0},
    {"vit_base_patch16_clip_quickgelu_224", 768, 12, 1e-5, kQuickGelu, kToken, 0},
    {"vit_base_patch16_gap_224", 768, 16, 1e-6, kGelu, kAverage, 0},
    {"vit_base_patch16_plus_240", 896, 14, 1e-6, kGelu, kToken, 0},
    {"vit_base_patch16_plus_clip_240", 896, 14, 1e-5, kGelu, kToken, 0},
    {"vit_base_patch16_reg4_gap_256", 768, 12, 1e-6, kGelu, kAverage, kPatchPositions},
    {"vit_base_patch16_siglip_224", 768, 12, 1e-6, kGelu, kAttention, 0},
    {"vit_base_patch16_siglip_256", 768, 12, 1e-6, kGelu, kAttention, 0},
    {"vit_base_patch16_siglip_384", 768, 12, 1e-6, kGelu, kAttention, 0},
    {"vit_base_patch16_siglip_512", 768, 12, 1e-6, kGelu, kAttention, 0},
    {"vit_base_patch16_siglip_gap_224", 768, 12, 1e-6, kGelu, kAverage, 0},
    {"vit_base_patch16_siglip_gap_256", 768, 12, 1e-6, kGelu, kAverage, 0},
    {"vit_base_patch16_siglip_gap_384", 768, 12, 1e-6, kGelu, kAverage, 0},
    {"vit_base_patch16_siglip_gap_512", 768, 12, 1e-6, kGelu, kAverage, 0},
    {"vit_base_patch32_224", 768, 12, 1e-6, kGelu, kToken, 0},
    {"vit_base_patch32_384", 768, 12, 1e-6, kGelu, kToken, 0},
    {"vit_base_patch32_clip_224", 768, 12, 1e-5, kGelu, kToken, 0},
    {"vit_base_patch32_clip_256", 768, 12, 1e-5, kGelu, kToken, 0},
    {"vit_base_patch32_clip_384", 768, 12, 1e-5, kGelu, kToken, 0},
    {"vit_base_patch32_clip_448", 768, 12, 1e-5, kGelu, kToken, 0},
    {"vit_base_patch32_clip_quickgelu_224", 768, 12, 1e-5, kQuickGelu, kToken, 0},
    {"vit_base_patch32_plus_256", 896, 14, 1e-6, kGelu, kToken, 0},
    {"vit_base_patch32_siglip_256", 768, 12, 1e-6, kGeluTanh, kAttention, 0},
    {"vit_base_patch32_siglip_gap_256", 768, 12, 1e-6, kGeluTanh, kAverage, 0},
    {"vit_base_patch8_224", 768, 12, 1e-6, kGelu, kToken, 0},
    {"vit_betwixt_patch16_gap_256", 640, 10, 1e-6, kGelu, kAverage, 0},
    {"vit_betwixt_patch16_reg1_gap_256", 640, 10, 1e-6, kGelu, kAverage, kPatchPositions},
    {"vit_betwixt_patch16_reg4_gap_256", 640, 10, 1e-6, kGelu, kAverage, kPatchPositions},
    {"vit_betwixt_patch16_reg4_gap_384", 640, 10, 1e-6, kGelu, kAverage, kPatchPositions},
    {"vit_betwixt_patch32_clip_224", 640, 10, 1e-5, kGelu, kToken, 0},
    {"vit_giant_patch14_224", 1408, 16, 1e-6, kGelu, kToken, 0},
    {"vit_giant_patch14_clip_224", 1408, 16, 1e-5, kGelu, kToken, 0},
    {"vit_giant_patch14_dinov2", 1536, 24, 1e-6, kSilu, kToken, 0},
    {"vit_giant_patch14_reg1_tipsv2", 1536, 24, 1e-6, kSilu, kToken, kPatchPositions},
    {"vit_giant_patch14_reg4_dinov2", 1536, 24, 1e-6, kSilu, kToken, kPatchPositions},
    {"vit_giant_patch16_gap_224", 1408, 16, 1e-6, kGelu, kAverage, 0},
    {"vit_giantopt_patch16_siglip_256", 1536, 16, 1e-6, kGeluTanh, kAttention, 0},
    {"vit_giantopt_patch16_siglip_384", 1536, 16, 1e-6, kGeluTanh, kAttention, 0},
    {"vit_giantopt_patch16_siglip_gap_256", 1536, 16, 1e-6, kGeluTanh, kAverage, 0},
    {"vit_giantopt_patch16_siglip_gap_384", 1536, 16, 1e-6, kGeluTanh, kAverage, 0},
    {"vit_gigantic_patch14_224", 1664, 16, 1e-6, kGelu, kToken, 0},
    {"vit_gigantic_patch14_clip_224", 1664, 16, 1e-5, kGelu, kToken, 0},
    {"vit_gigantic_patch14_clip_378", 1664, 16, 1e-5, kGelu, kToken, 0},
    {"vit_gigantic_patch14_clip_quickgelu_224", 1664, 16, 1e-5, kQuickGelu, kToken, 0},
    {"vit_huge_patch14_224", 1280, 16, 1e-6, kGelu, kToken, 0},
    {"vit_huge_patch14_clip_224", 1280, 16, 1e-5, kGelu, kToken, 0},
    {"vit_huge_patch14_clip_336", 1280, 16, 1e-5, kGelu, kToken, 0},
    {"vit_huge_patch14_clip_378", 1280, 16, 1e-5, kGelu, kToken, 0},
    {"vit_huge_patch14_clip_quickgelu_224", 1280, 16, 1e-5, kQuickGelu, kToken, 0},
    {"vit_huge_patch14_clip_quickgelu_378", 1280, 16, 1e-5, kQuickGelu, kToken, 0},
    {"vit_huge_patch14_gap_224", 1280, 16, 1e-6, kGelu, kAverage, 0},
    {"vit_huge_patch16_gap_448", 1280, 16, 1e-6, kGelu, kAverage, 0},
    {"vit_large_patch14_224", 1024, 16, 1e-6, kGelu, kToken, 0},
    {"vit_large_patch14_clip_224", 1024, 16, 1e-5, kGelu, kToken, 0},
    {"vit_large_patch14_clip_336", 1024, 16, 1e-5, kGelu, kToken, 0},
    {"vit_large_patch14_clip_quickgelu_224", 1024, 16, 1e-5, kQuickGelu, kToken, 0},
    {"vit_large_patch14_clip_quickgelu_336", 1024, 16, 1e-5, kQuickGelu, kToken, 0},
    {"vit_large_patch14_dinov2", 1024, 16, 1e-6, kGelu, kToken, 0},
    {"vit_large_patch14_reg1_tipsv2", 1024, 16, 1e-6, kGelu, kToken, kPatchPositions},
    {"vit_large_patch14_reg4_dinov2", 1024, 16, 1e-6, kGelu, kToken, kPatchPositions},
    {"vit_large_patch16_224", 1024, 16, 1e-6, kGelu, kToken, 0},
    {"vit_large_patch16_384", 1024, 16, 1e-6, kGelu, kToken, 0},
    {"vit_large_patch16_siglip_256", 1024, 16, 1e-6, kGelu, kAttention, 0},
    {"vit_large_patch16_siglip_384", 1024, 16, 1e-6, kGelu, kAttention, 0},
    {"vit_large_patch16_siglip_512", 1024, 16, 1e-6, kGeluTanh, kAttention, 0},
    {"vit_large_patch16_siglip_gap_256", 1024, 16, 1e-6, kGelu, kAverage, 0},
    {"vit_large_patch16_siglip_gap_384", 1024, 16, 1e-6, kGelu, kAverage, 0},
    {"vit_large_patch16_siglip_gap_512", 1024, 16, 1e-6, kGeluTanh, kAverage, 0},
    {"vit_large_patch32_224", 1024, 16, 1e-6, kGelu, kToken, 0},
    {"vit_large_patch32_384", 1024, 16, 1e-6, kGelu, kToken, 0},
    {"vit_little_patch16_reg1_gap_256", 320, 5, 1e-6, kGelu, kAverage, kPatchPositions},
    {"vit_little_patch16_reg4_gap_256", 320, 5, 1e-6, kGelu, kAverage, kPatchPositions},
    {"vit_medium_patch16_clip_224", 512, 8, 1e-5, kGelu, kToken, 0},
    {"vit_medium_patch16_gap_240", 512, 8, 1e-6, kGelu, kAverage, 0},
    {"vit_medium_patch16_gap_256", 512, 8, 1e-6, kGelu, kAverage, 0},
    {"vit_medium_patch16_gap_384", 512, 8, 1e-6, kGelu, kAverage, 0},
    {"vit_medium_patch16_reg1_gap_256", 512, 8, 1e-6, kGelu, kAverage, kPatchPositions},
    {"vit_medium_patch16_reg4_gap_256", 512, 8, 1e-6, kGelu, kAverage, kPatchPositions},
    {"vit_medium_patch32_clip_224", 512, 8, 1e-5, kGelu, kToken, 0},
    {"vit_mediumd_patch16_reg4_gap_256", 512, 8, 1e-6, kGelu, kAverage, kPatchPositions},
    {"vit_mediumd_patch16_reg4_gap_384", 512, 8, 1e-6, kGelu, kAverage, kPatchPositions},
    {"vit_small_patch14_dinov2", 384, 6, 1e-6, kGelu, kToken, 0},
    {"vit_small_patch14_reg4_dinov2", 384, 6, 1e-6, kGelu, kToken, kPatchPositions},
    {"vit_small_patch16_224", 384, 6, 1e-6, kGelu, kToken, 0},
    {"vit_small_patch16_36x1_224", 384, 6, 1e-6, kGelu, kToken, 0},
    {"vit_small_patch16_384", 384, 6, 1e-6, kGelu, kToken, 0},
    {"vit_small_patch32_224", 384, 6, 1e-6, kGelu, kToken, 0},
    {"vit_small_patch32_384", 384, 6, 1e-6, kGelu, kToken, 0},
    {"vit_small_patch8_224", 384, 6, 1e-6, kGelu, kToken, 0},
    {"vit_so150m2_patch16_reg1_gap_256", 832, 13, 1e-6, kGelu, kAverage, 0},
    {"vit_so150m2_patch16_reg1_gap_384", 832, 13, 1e-6, kGelu, kAverage, 0},
    {"vit_so150m2_patch16_reg1_gap_448", 832, 13, 1e-6, kGelu, kAverage, 0},
    {"vit_so150m_patch16_reg4_gap_256", 896, 14, 1e-6, kGelu, kAverage, 0},
    {"vit_so150m_patch16_reg4_gap_384", 896, 14, 1e-6, kGelu, kAverage, 0},
    {"vit_so150m_patch16_reg4_map_256", 896, 14, 1e-6, kGelu, kAttention, 0},
    {"vit_so400m_patch14_reg1_tipsv2", 1152, 16, 1e-6, kGelu, kToken, kPatchPositions},
    {"vit_so400m_patch14_siglip_224", 1152, 16, 1e-6, kGelu, kAttention, 0},
    {"vit_so400m_patch14_siglip_378", 1152, 16, 1e-6, kGelu, kAttention, 0},
    {"vit_so400m_patch14_siglip_384", 1152, 16, 1e-6, kGelu, kAttention, 0},
    {"vit_so400m_patch14_siglip_gap_224", 1152, 16, 1e-6, kGelu, kAverage, 0},
    {"vit_so400m_patch14_siglip_gap_378", 1152, 16, 1e-6, kGelu, kAverage, 0},
    {"vit_so400m_patch14_siglip_gap_384", 1152, 16, 1e-6, kGelu, kAverage, 0},
    {"vit_so400m_patch14_siglip_gap_448", 1152, 16, 1e-6, kGelu, kAverage, 0},
    {"vit_so400m_patch14_siglip_gap_896", 1152, 16, 1e-6, kGelu, kAverage, 0},
    {"vit_so400m_patch16_siglip_256", 1152, 16, 1e-6, kGeluTanh, kAttention, 0},
    {"vit_so400m_patch16_siglip_384", 1152, 16, 1e-6, kGeluTanh, kAttention, 0},
    {"vit_so400m_patch16_siglip_512", 1152, 16, 1e-6, kGeluTanh, kAttention, 0},
    {"vit_so400m_patch16_siglip_gap_256", 1152, 16, 1e-6, kGeluTanh, kAverage, 0},
    {"vit_so400m_patch16_siglip_gap_384", 1152, 16, 1e-6, kGeluTanh, kAverage, 0},
    {"vit_so400m_patch16_siglip_gap_512", 1152, 16, 1e-6, kGeluTanh, kAverage, 0},
    {"vit_tiny_patch16_224", 192, 3, 1e-6, kGelu, kToken, 0},
    {"vit_tiny_patch16_384", 192, 3, 1e-6, kGelu, kToken, 0},
    {"vit_wee_patch16_reg1_gap_256", 256, 4, 1e-6, kGelu, kAverage, kPatchPositions},
    {"vit_xsmall_patch16_clip_224", 256, 4, 1e-5, kGelu, kToken, 0},
};

struct Refusal {
  std::string_view name, reason;
};

constexpr std::string_view kDifferential = "differential attention",
                           kNoLastNorm = "no norm behind its blocks",
                           kSideBySide = "attention and MLP stand side by side",
                           kTwoBranches = "two attentions and two MLPs stand side by side";

constexpr Refusal kRefused[] = {
    {"vit_base_patch16_18x2_224", kTwoBranches},
    {"vit_base_patch16_radio_v3", kNoLastNorm},
    {"vit_base_patch16_rpn_224", "its blocks normalise behind the branch"},
    {"vit_base_patch16_xp_224", kSideBySide},
    {"vit_dlittle_patch16_reg1_gap_256", kDifferential},
    {"vit_dpwee_patch16_reg1_gap_256", kSideBySide},
    {"vit_dwee_patch16_reg1_gap_256", kDifferential},
    {"vit_giant_patch16_radio_v3", kNoLastNorm},
    {"vit_huge_patch14_xp_224", kSideBySide},
    {"vit_huge_patch16_radio_v3", kNoLastNorm},
    {"vit_huge_patch16_radio_v4", kNoLastNorm},
    {"vit_intern300m_patch14_448", kNoLastNorm},
    {"vit_large_patch14_xp_224", kSideBySide},
    {"vit_large_patch16_radio_v3", kNoLastNorm},
    {"vit_pwee_patch16_reg1_gap_256", kSideBySide},
    {"vit_small_patch16_18x2_224", kTwoBranches},
    {"vit_so400m_patch16_radio_v4", kNoLastNorm},
};

// Names that timm builds by another class than VisionTransformer: by their first word, or by any word.
constexpr std::array<std::string_view, 18> kOtherFirstWords = {
    "beit",  "beitv2",   "cait",      "convit", "crossvit", "deepseek", "eva",     "eva02", "gemma4",
    "hiera", "hieradet", "naflexvit", "qwen3",  "sam2",     "samvit",   "vitamin", "volo",  "xcit"};
constexpr std::array<std::string_view, 15> kOtherWords = {
    "rope", "dinov3", "lingbot",   "sapiens2",  "pe",  "relpos", "srelpos", "r",
    "r26",  "r50",    "resnet26d", "resnet50d", "mci", "5b",     "7b"};

template <typename Words>
bool contains(const Words& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_of_another_class(std::string_view name) {
  const std::string_view first = name.substr(0, name.find('_'));
  if (contains(kOtherFirstWords, first)) return true;
  while (!name.empty()) {
    const std::string_view word = name.substr(0, name.find('_'));
    if (contains(kOtherWords, word)) return true;
    name.remove_prefix(std::min(name.size(), word.size() + 1));
  }
  return false;
}

constexpr std::pair<int64_t, int64_t> kUsualHeads[] = {
    {64, 2},   {96, 3},   {192, 3},   {256, 4},   {320, 5},   {384, 6},   {512, 8},   {640, 10}, {768, 12},
    {832, 13}, {896, 14}, {1024, 16}, {1152, 16}, {1280, 16}, {1408, 16}, {1536, 24}, {1664, 16}};

}  // namespace

const TimmFacts* timm_facts(std::string_view name) {
  const auto* found = std::find_if(std::begin(kComputed), std::end(kComputed),
                                   [&](const TimmFacts& facts) { return facts.name == name; });
  return found == std::end(kComputed) ? nullptr : found;
}

std::optional<std::string> timm_exact_refusal(std::string_view name) {
  for (const Refusal& refusal : kRefused) {
    if (refusal.name == name) return std::string(refusal.reason);
  }
  return std::nullopt;
}

std::optional<std::string> timm_refusal(std::string_view name) {
  if (timm_facts(name) != nullptr) return std::nullopt;
  if (auto reason = timm_exact_refusal(name)) return reason;
  if (is_of_another_class(name)) return "timm builds it by another class than VisionTransformer";
  return std::nullopt;
}

std::optional<int64_t> timm_usual_heads(int64_t channels) {
  for (const auto& [of, heads] : kUsualHeads) {
    if (of == channels) return heads;
  }
  return std::nullopt;
}

}  // namespace normgraft
