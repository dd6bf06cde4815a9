#include "stream_hint.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "normgraft/data/loader.h"
#include "normgraft/graft/graft.h"
#include "normgraft/graft/yardstick.h"
#include "normgraft/network/batches.h"
#include "normgraft/realign/realign.h"
#include "support/small_model.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::small_vit;
using testing::TemporaryFolder;

/// Sixty small pictures, and the same decoded [B, 3, 32, 32].
struct Pictures {
  TemporaryFolder folder;
  std::vector<Picture> list;
  Tensor images;

  Pictures() {
    testing::write_small_pictures(folder / "pictures", 3, 20);
    list = testing::pictures_in(folder / "pictures");
    const Preprocessing p = small_vit().preprocessing();
    LoaderOptions options;
    options.batch = 60;
    Loader loader(list, evaluation_transform(p), p.height, p.width, options, silent_monitor());
    const auto batch = loader.next();
    images = images_tensor(*batch, p).clone();
  }
};

double distance(const StreamHint& hint, const Network& student, const Network& teacher,
                const Tensor& images) {
  const at::NoGradGuard no_grad;
  StreamHint::Streams own, expected;
  student.forward(images, hint.watch(own));
  teacher.forward(images, hint.watch(expected));
  return hint.distance(own, expected).item<double>() / static_cast<double>(images.size(0));
}

TEST(StreamHint, HalfTheDistanceIsTheDivergenceThatIndependentErrorsCause) {
  const at::NoGradGuard no_grad;
  const Pictures pictures;
  const Network teacher = small_vit();
  const StreamHint hint(teacher, pictures.list, 1, silent_monitor());
  const Tensor expected = teacher.forward(pictures.images);
  // Errors of the last Linear reach the last site alone.
  double predicted = 0, measured = 0;
  for (int draw = 0; draw < 100; ++draw) {
    Network student = small_vit();
    at::manual_seed(100 + draw);
    Tensor& bias = student.tensors().at("blocks.1.mlp.fc2.bias");
    const Tensor error = 0.05 * at::randn_like(bias);
    bias = bias + error - error.mean();
    predicted += 0.5 * distance(hint, student, teacher, pictures.images);
    measured += divergence(expected, student.forward(pictures.images)).mean().item<double>();
  }
  EXPECT_NEAR(predicted / measured, 1.0, 0.25);
}

TEST(StreamHint, DoesNotSeeWhatAllChannelsShare) {
  const Pictures pictures;
  const Network teacher = small_vit();
  const StreamHint hint(teacher, pictures.list, 1, silent_monitor());
  Network student = small_vit();
  student.tensors().at("cls_token") = student.tensors().at("cls_token") + 3;
  EXPECT_NEAR(distance(hint, student, teacher, pictures.images), 0, 1e-6);
  student.tensors().at("cls_token")[0][0][2] += 3;
  EXPECT_GT(distance(hint, student, teacher, pictures.images), 1e-3);
}

TEST(StreamHint, BringsTheStreamNearerInTraining) {
  const Pictures pictures;
  const Network teacher = small_vit();
  const StreamHint hint(teacher, pictures.list, 1, silent_monitor());
  const auto trained = [&](double weight, const char* name) {
    Graft student(small_vit());
    for (const Site& site : teacher.sites())
      student.set_function(site.name, Expression::parse("clip(0.6*x, -1.2, 1.3)"));
    RealignOptions options = realign_defaults(RealignMode::kConstants);
    options.epochs = 6;
    options.rate = 1e-2;
    options.hint = weight;
    realign(student, &teacher, split_pictures(pictures.list), options, pictures.folder / name, false,
            silent_monitor());
    const Graft last = load_graft(pictures.folder / name / "last", {}, silent_monitor());
    return distance(hint, last.network(), teacher, pictures.images);
  };
  EXPECT_LT(trained(10, "hinted"), 0.9 * trained(0, "alone"));
}

}  // namespace
}  // namespace normgraft
