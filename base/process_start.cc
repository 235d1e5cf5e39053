// SPDX-License-Identifier: BSD-3-Clause

#include "base/process_start.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <new>
#include <sstream>

#include "base/report.h"

namespace xdpcap::cli {
namespace {

std::atomic<std::byte*> kept_memory;  // any thread may find no memory

}  // namespace

void occupy_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) {
      // open() takes the lowest free number, which is this one.
      [[maybe_unused]] const int occupied = ::open("/dev/null", O_RDONLY);
    }
  }
}

void end_without_memory() {
  std::set_new_handler([] {
    if (give_back_kept_memory()) {
      return;  // `new` tries again
    }
    print_to_stderr(
        "xdpcap: there is no memory left: the machine's is used up, or a limit of this process (ulimit -v) or of its "
        "control group\n");
    std::_Exit(kExitFailure);
  });
}

void keep_memory_for_the_end() {
  constexpr std::size_t kKeptBytes = 64U << 10U;
  kept_memory = new std::byte[kKeptBytes];
}

bool give_back_kept_memory() {
  const std::byte* memory = kept_memory.exchange(nullptr);
  delete[] memory;
  return memory != nullptr;
}

std::string command_line(pid_t pid) {
  // Nothing of a process that ends meanwhile.  (An iterator over the file would throw then.)
  const std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  std::string words = text.str();
  words.erase(words.find_last_not_of('\0') + 1);
  std::ranges::replace(words, '\0', ' ');
  return words;
}

}  // namespace xdpcap::cli
