#include "network_work.h"

#include <gtest/gtest.h>

#include "normgraft/network/r_units.h"
#include "normgraft/network/stream.h"
#include "support/carrying_model.h"

namespace normgraft {
namespace {

/// The products of that name; they have to be there once.
ProductWork product_named(const NetworkWork& work, const std::string& name) {
  const auto is_it = [&](const ProductWork& product) { return product.name == name; };
  EXPECT_EQ(std::count_if(work.products.begin(), work.products.end(), is_it), 1) << name;
  const auto found = std::find_if(work.products.begin(), work.products.end(), is_it);
  return found == work.products.end() ? ProductWork{} : *found;
}

double ops_of_products(const NetworkWork& work) {
  double ops = 0;
  for (const ProductWork& product : work.products) ops += product.ops;
  return ops;
}

// small_vit: 16 patches of 192 pixels, N = 17, D = 16, 2 blocks, hidden 64, 3 classes.

TEST(NetworkWork, HasTheProductsOfAVisionTransformer) {
  const NetworkWork work = network_work(Graft(testing::small_vit()), Norms::kOwn);
  const double block = 17 * 16 * (48 + 16 + 64 + 64), attention = 2 * 17 * 17 * 16;
  EXPECT_EQ(ops_of_products(work), 2 * (16 * 192 * 16 + 2 * (block + attention) + 16 * 3));
  EXPECT_EQ(work.products.size(), 1U + 2 * 5 + 1);
}

TEST(NetworkWork, CountsWhatALinearReadsAndWrites) {
  const NetworkWork work = network_work(Graft(testing::small_vit()), Norms::kOwn);
  const ProductWork qkv = product_named(work, "blocks.0.attn.qkv.weight");
  EXPECT_EQ(qkv.read, 17 * 16);
  EXPECT_EQ(qkv.of_sites, 17 * 16);
  EXPECT_EQ(qkv.site_channels, 16);
  EXPECT_EQ(qkv.written, 17 * 48);
  EXPECT_EQ(qkv.weights, 48 * 16);
  const ProductWork attention = product_named(work, "blocks.1.attn.qkv, products");
  EXPECT_EQ(attention.read, 17 * 48);
  EXPECT_EQ(attention.written, 17 * 16);
  EXPECT_EQ(attention.weights, 0);
  const ProductWork writer = product_named(work, "blocks.1.mlp.fc2.weight");
  EXPECT_EQ(writer.of_sites, 0);
  EXPECT_EQ(writer.written, 17 * 16);
  EXPECT_EQ(writer.stream_written, 0);
  const ProductWork embedding = product_named(work, "patch_embed.proj.weight");
  EXPECT_EQ(embedding.read, 16 * 192);
  EXPECT_EQ(embedding.stream_written, 16 * 16);
  EXPECT_EQ(embedding.written, 0);
  const ProductWork head = product_named(work, "head.weight");
  EXPECT_EQ(head.read, 16);
  EXPECT_EQ(head.of_sites, 16) << "of the class token";
  EXPECT_EQ(head.written, 3);
}

TEST(NetworkWork, KnowsWhichSitesAddAndWhichGoOn) {
  const NetworkWork work = network_work(Graft(testing::small_vit()), Norms::kOwn);
  ASSERT_EQ(work.norms.size(), 5U);
  for (size_t i = 0; i < work.norms.size(); ++i) {
    EXPECT_EQ(work.norms[i].adds, i > 0) << work.norms[i].name;
    EXPECT_EQ(work.norms[i].goes_on, i < 4) << work.norms[i].name;
    EXPECT_EQ(work.norms[i].tokens, 17);
    EXPECT_EQ(work.norms[i].channels, 16);
    EXPECT_FALSE(work.norms[i].f);
  }
}

TEST(NetworkWork, HasTheFunctionsOfAGraftOrLayerNormsInTheirPlaces) {
  Graft graft(testing::small_vit());
  const Expression f = Expression::parse("0.5*x");
  graft.set_function("blocks.1.norm1", f);
  const NetworkWork own = network_work(graft, Norms::kOwn), norms = network_work(graft, Norms::kLayerNorm);
  for (size_t i = 0; i < own.norms.size(); ++i) {
    EXPECT_EQ(own.norms[i].f.has_value(), i == 2);
    EXPECT_FALSE(norms.norms[i].f);
  }
  EXPECT_EQ(own.norms[2].f->to_string(), f.to_string());
}

TEST(NetworkWork, OfLayerNormsLeavesOutWhatTellsR) {
  const Graft graft(testing::carrying_vit());
  const Network& network = graft.network();
  ASSERT_GT(telling_ops(network), 0);
  const NetworkWork own = network_work(graft, Norms::kOwn), norms = network_work(graft, Norms::kLayerNorm);
  EXPECT_EQ(ops_of_products(norms), ops_of_products(network_work(Graft(testing::small_vit()), Norms::kOwn)));
  EXPECT_EQ(ops_of_products(own), ops_of_products(norms) + telling_ops(network));
  Network widened = testing::small_vit();
  free_channel(widened);
  add_r_units(widened, 3);
  const NetworkWork with = network_work(Graft(widened), Norms::kOwn),
                    without = network_work(Graft(widened), Norms::kLayerNorm);
  EXPECT_EQ(product_named(with, "blocks.0.mlp.fc1.weight").written, 17 * 67);
  EXPECT_EQ(product_named(without, "blocks.0.mlp.fc1.weight").written, 17 * 64);
  EXPECT_EQ(product_named(with, "blocks.0.mlp.fc2.weight").weights, 16 * 67);
  EXPECT_EQ(product_named(without, "blocks.0.mlp.fc2.weight").weights, 16 * 64);
}

TEST(NetworkWork, OfPoolingReadsAllPatchesOfTheLastSite) {
  VitConfig config = testing::small_vit_config();
  config.pooling = Pooling::kAverage;
  const Network token = testing::small_vit();
  const Graft graft(make_vit(config, token.preprocessing(), token.tensors()));
  const ProductWork head = product_named(network_work(graft, Norms::kOwn), "head.weight");
  EXPECT_EQ(head.of_sites, 16 * 16);
  EXPECT_EQ(head.ops, 2 * 16 * 3);
}

}  // namespace
}  // namespace normgraft
