// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/resource_faults/injection.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace xdpcap::test {
namespace {

bool is_every_fault_wanted() {
  return std::getenv("XDPCAP_EVERY_FAULT") != nullptr;
}

std::vector<std::string> strace(const std::string& log, const Injection& injection,
                                std::size_t when, const std::vector<std::string>& command) {
  std::vector<std::string> words = {"strace", "-f", "--seccomp-bpf", "-qq", "-o", log};
  if (injection.on_output_only) {
    // Opened by its name in the directory, and then by its descriptor.
    const std::filesystem::path path = command.back();
    words.insert(words.end(), {"-P", path, "-P", path.filename()});
  }
  words.insert(words.end(),
               {"-e", "trace=" + injection.call, "-e",
                fmt::format("inject={}:{}:when={}", injection.call, injection.fault, when)});
  words.insert(words.end(), command.begin(), command.end());
  return words;
}

// Calls until main(), by the loader of shared libraries: those of a command that does nothing.
std::size_t calls_of_loader(const Stage& stage, const std::string& call) {
  const std::string log = stage.file("loader");
  const Outcome outcome =
      run({"strace", "-qq", "-o", log, "-e", "trace=" + call, XDPCAP_COMMAND, "-version"});
  EXPECT_EQ(outcome.end.exit_code, 0) << outcome.errors;
  std::ifstream lines(log);
  return static_cast<std::size_t>(
      std::count(std::istreambuf_iterator<char>(lines), std::istreambuf_iterator<char>(), '\n'));
}

// Whether a call has failed: the capture may have come to its end before.
bool has_injected(const std::string& log) {
  std::ifstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("(INJECTED)") != std::string::npos) {
      return true;
    }
  }
  return false;
}

}  // namespace

Outcomes inject_in_turn(const Stage& stage, const Injection& injection,
                        const std::vector<std::string>& arguments) {
  constexpr std::size_t kMostCalls = 5'000;
  const std::size_t stride = is_every_fault_wanted() ? 1 : injection.stride;
  const std::string log = stage.file("strace");
  Outcomes outcomes;
  const std::size_t first = injection.skips_loader ? calls_of_loader(stage, injection.call) + 1 : 1;
  for (std::size_t n = first; n <= first + kMostCalls && !testing::Test::HasFailure();
       n += stride) {
    SCOPED_TRACE(fmt::format("{} {} at call {}", injection.call, injection.fault, n));
    const bool has_worked =
        ends_well(stage, strace(log, injection, n, stage.command(arguments)), arguments.back());
    if (!has_injected(log)) {
      break;
    }
    ++(has_worked ? outcomes.worked : outcomes.refused);
  }
  fmt::print("{} {}: {} faults, {} captures worked, {} ended with a message\n", injection.call,
             injection.fault, outcomes.runs(), outcomes.worked, outcomes.refused);
  return outcomes;
}

}  // namespace xdpcap::test
