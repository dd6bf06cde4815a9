#include "normgraft/network/threads.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <omp.h>
#include <sched.h>

#include <algorithm>

namespace normgraft {
namespace {

int available_cores() {
  cpu_set_t set;
  return ::sched_getaffinity(0, sizeof(set), &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

}  // namespace

void set_network_threads(int threads) {
  const int count = threads > 0 ? threads : available_cores();
  at::set_num_threads(count);
  omp_set_num_threads(count);  // where LibTorch brings an OpenMP of its own
  // LibTorch calls whatever BLAS the system provides; OpenBLAS keeps a pool of threads of its own.
  using SetThreads = void (*)(int);
  const auto set_blas_threads =
      reinterpret_cast<SetThreads>(::dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
  if (set_blas_threads != nullptr) set_blas_threads(1);
}

}  // namespace normgraft
