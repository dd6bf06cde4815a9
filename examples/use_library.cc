// use_library MODEL PICTURES RUN: evolves functions for the norms of a model, grafts them in, and says how
// far the graft is from the model. Everything that the stages leave behind is in the folder RUN.
#include <iostream>

#include "normgraft/graft/graft.h"
#include "normgraft/graft/yardstick.h"
#include "normgraft/network/threads.h"
#include "normgraft/pipeline/stages.h"

namespace {

using namespace normgraft;

struct Notices : Monitor {
  void notice(const std::string& line) override { std::cerr << line << '\n'; }
};

void evolve_and_graft(const Path& model, const Path& pictures, const Path& folder) {
  Notices notices;  // the library prints nothing itself
  set_network_threads(0);

  CaptureRequest request;
  request.model = model;
  request.data = pictures;
  const RunFolder run(folder);
  capture_stage(run, request, notices);
  evolve_stage(run, EvolveOptions{}, notices);
  select_stage(run, SelectRequest{}, notices);
  graft_stage(run, GraftRequest{}, notices);

  const Graft graft = load_graft(run.grafted(), {}, notices);
  for (const auto& [site, f] : graft.functions()) std::cout << site << ": " << f.to_string() << '\n';

  // Judged on pictures that nothing was fitted to or chosen by.
  const Network teacher = load_model(model, {}, notices);
  const PictureFolder all = open_picture_folder(pictures, nullptr, notices);
  const PictureSplit split = split_as_recorded(all.pictures, run.read().at("split"));
  std::cout << Yardstick(teacher, split.report, notices).measure(graft.network()).kl << " nats\n";
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 4) throw InputError("expected MODEL PICTURES RUN");
    evolve_and_graft(argv[1], argv[2], argv[3]);
  } catch (const InputError& error) {
    std::cerr << error.what() << '\n';
    return 2;
  }
}
