#include "command_line.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "normgraft/core/files.h"
#include "support/temporary_folder.h"

namespace normgraft::testing {
namespace {

[[noreturn]] void become_program(std::vector<std::string> arguments, long file_size_limit,
                                 const std::string& out, const std::string& err) {
  const auto redirect = [](const std::string& path, int descriptor) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(file, descriptor);
  };
  redirect(out, STDOUT_FILENO);
  redirect(err, STDERR_FILENO);
  if (file_size_limit > 0) {
    const rlimit limit{static_cast<rlim_t>(file_size_limit), static_cast<rlim_t>(file_size_limit)};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  const char* const other = std::getenv("NORMGRAFT_PROGRAM");  // in place of the one that was built
  std::string program = other != nullptr ? other : NORMGRAFT_PROGRAM;
  std::vector<char*> pointers = {program.data()};
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  ::execv(program.c_str(), pointers.data());
  ::_exit(127);
}

}  // namespace

Outcome run_program(const std::vector<std::string>& arguments, const Circumstances& circumstances) {
  const TemporaryFolder folder;
  const std::string out = folder / "out", err = folder / "err";
  const pid_t child = ::fork();
  if (child == 0) become_program(arguments, circumstances.file_size_limit, out, err);
  int status = 0;
  if (circumstances.kill_after_file.empty()) {
    ::waitpid(child, &status, 0);
  } else {
    while (::waitpid(child, &status, WNOHANG) == 0) {
      if (std::filesystem::exists(circumstances.kill_after_file)) {
        std::this_thread::sleep_for(std::chrono::milliseconds(circumstances.kill_after_milliseconds));
        ::kill(child, SIGKILL);
        ::waitpid(child, &status, 0);
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  Outcome outcome;
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.out = read_file(out, "output");
  outcome.err = read_file(err, "output");
  return outcome;
}

}  // namespace normgraft::testing
