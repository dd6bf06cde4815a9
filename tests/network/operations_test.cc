#include "normgraft/network/operations.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <mutex>

#include "network/fixtures.h"

namespace normgraft {
namespace {

/// Keeps numbers as they are, and counts them by place.
class Counting : public Arithmetic {
 public:
  Tensor kept(Kept kind, const std::string& place, const Tensor& x) const override {
    const std::lock_guard lock(mutex_);
    kinds[place] = kind;
    numbers[place] += x.numel();
    return x;
  }
  mutable std::mutex mutex_;
  mutable std::map<std::string, Kept> kinds;
  mutable std::map<std::string, int64_t> numbers;
};

TEST(Operations, KeepsEachNumberOfAViTAtAPlaceOfItsOwn) {
  const at::NoGradGuard no_grad;
  Network vit = testing::small_vit();
  const Tensor images = testing::small_images(3);
  const Tensor plain = vit.forward(images);
  const auto counting = std::make_shared<Counting>();
  vit.set_arithmetic(counting);
  EXPECT_LT(testing::relative_error(vit.forward(images), plain), 1e-5);

  const int64_t tokens = 3 * 7, d = 8, heads = 2, hidden = 24;
  std::map<std::string, int64_t> expected = {
      {"patch_embed.proj.weight", 3 * 6 * 3 * 64}, {"norm", tokens * d}, {"head.weight", 3 * d}};
  for (const std::string block : {"blocks.0.", "blocks.1."}) {
    for (const char* stream : {"norm1", "norm2"}) expected[block + stream] = tokens * d;
    for (const char* part : {"attn.q", "attn.k", "attn.v"}) expected[block + part] = tokens * d;
    for (const char* part : {"attn.scores", "attn.softmax"}) expected[block + part] = tokens * heads * 7;
    for (const char* linear : {"attn.qkv", "attn.proj", "mlp.fc1"}) {
      expected[block + linear + ".weight"] = tokens * d;
    }
    expected[block + "mlp.act"] = expected[block + "mlp.fc2.weight"] = tokens * hidden;
  }
  EXPECT_EQ(counting->numbers, expected);
  EXPECT_EQ(counting->kinds.at("norm"), Kept::kStream);
  EXPECT_EQ(counting->kinds.at("head.weight"), Kept::kOperand);
  EXPECT_EQ(counting->kinds.at("blocks.1.mlp.act"), Kept::kInner);
  EXPECT_EQ(counting->kinds.at("blocks.1.attn.softmax"), Kept::kAttention);
}

/// Keeps only what is given for a kind.
class Replacing : public Arithmetic {
 public:
  Replacing(Kept kind, double value) : kind_(kind), value_(value) {}
  Tensor kept(Kept kind, const std::string&, const Tensor& x) const override {
    return kind == kind_ ? at::full_like(x, value_) : x;
  }

 private:
  Kept kind_;
  double value_;
};

TEST(Operations, DividesWhatSoftmaxWeighsByTheSumOfWhatIsKept) {
  at::manual_seed(4);
  const Tensor qkv = at::randn({2, 5, 3 * 6});
  const Replacing alike(Kept::kAttention, 0.25);
  const Tensors none;
  const Tensor mean_of_values = qkv.slice(2, 12, 18).mean(1, true).expand({2, 5, 6});
  EXPECT_LT(testing::relative_error(Operations(none, &alike).attention("a", qkv, 2), mean_of_values), 1e-5);
}

}  // namespace
}  // namespace normgraft
