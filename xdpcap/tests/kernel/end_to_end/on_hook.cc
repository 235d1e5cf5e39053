// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/end_to_end/on_hook.h"

#include <fmt/core.h>
#include <xdpcap/sharing/chain_directory.h>
#include <xdpcap/sharing/guardian.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "xdpcap/tests/kernel/end_to_end/capture.h"

namespace xdpcap::test {
namespace {

std::vector<std::string> words_of(pid_t pid) {
  const std::ifstream file(fmt::format("/proc/{}/cmdline", pid), std::ios::binary);
  std::ostringstream text;  // an iterator would throw where the process ends meanwhile
  text << file.rdbuf();
  return split(text.str(), '\0');
}

}  // namespace

std::vector<pid_t> processes_on(const std::string& hook_path) {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc() && *end == '\0' && std::ranges::count(words_of(pid), hook_path) > 0) {
      found.push_back(pid);
    }
  }
  return found;
}

std::vector<pid_t> guardians_on(const std::string& hook_path) {
  std::vector<pid_t> found = processes_on(hook_path);
  std::erase_if(found, [](pid_t pid) { return words_of(pid).front() != kGuardianName; });
  return found;
}

bool has_chain(const std::string& hook_path) {
  return std::filesystem::exists(ChainDirectory::path_for(hook_path));
}

}  // namespace xdpcap::test
