#include "normgraft/models/vit.h"

#include <gtest/gtest.h>

#include <limits>

#include "network/fixtures.h"

namespace normgraft {
namespace {

using testing::input_error;
using testing::small_config;
using testing::small_preprocessing;
using testing::small_tensors;

std::string construction_fault(const VitConfig& config, const Tensors& tensors) {
  return input_error([&] { make_vit(config, small_preprocessing(), tensors); });
}

TEST(Vit, NamesTheTensorsThatAreMissing) {
  Tensors tensors = small_tensors();
  tensors.erase("blocks.1.mlp.fc2.weight");
  tensors.erase("norm.bias");
  const std::string message = construction_fault(small_config(), tensors);
  EXPECT_NE(message.find("2 tensors are missing: blocks.1.mlp.fc2.weight, norm.bias"), std::string::npos)
      << message;
}

TEST(Vit, RefusesTensorsThatItDoesNotUnderstand) {
  Tensors tensors = small_tensors();
  tensors["blocks.0.attn.sub_norm.weight"] = at::ones({4});
  const std::string message = construction_fault(small_config(), tensors);
  EXPECT_NE(message.find("not understood: blocks.0.attn.sub_norm.weight"), std::string::npos) << message;
}

TEST(Vit, ShowsBothShapesOfATensorThatDoesNotFit) {
  Tensors tensors = small_tensors();
  tensors["blocks.0.attn.proj.weight"] = at::ones({8, 9});
  const std::string message = construction_fault(small_config(), tensors);
  EXPECT_NE(message.find("\"blocks.0.attn.proj.weight\" has shape [8, 9], expected [8, 8]"),
            std::string::npos)
      << message;
}

TEST(Vit, RefusesWeightsThatAreNotFinite) {
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Tensors tensors = small_tensors();
    tensors.at("head.bias")[3] = value;
    const std::string message = construction_fault(small_config(), tensors);
    EXPECT_NE(message.find("\"head.bias\""), std::string::npos) << message;
    EXPECT_NE(message.find("not finite"), std::string::npos) << message;
  }
}

TEST(Vit, RefusesAConfigurationThatCannotBe) {
  VitConfig config = small_config();
  config.heads = 3;
  EXPECT_NE(construction_fault(config, small_tensors()).find("8 channels cannot be divided among 3 heads"),
            std::string::npos);
  config = small_config();
  config.activation = "swish";
  EXPECT_NE(construction_fault(config, small_tensors()).find("\"swish\""), std::string::npos);
  config = small_config();
  config.height = 32;
  EXPECT_NE(construction_fault(config, small_tensors())
                .find("\"pos_embed\" has shape [1, 7, 8], expected [1, 9, 8]"),
            std::string::npos);
}

}  // namespace
}  // namespace normgraft
