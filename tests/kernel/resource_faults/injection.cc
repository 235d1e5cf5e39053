// SPDX-License-Identifier: BSD-3-Clause

#include "injection.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace xdpcap::test {
namespace {

constexpr Millis kLongest(8'000);

bool is_every_fault_wanted() {
  return std::getenv("XDPCAP_EVERY_FAULT") != nullptr;
}

std::vector<std::string> strace(const std::string& log, const Injection& injection,
                                std::size_t when, const std::vector<std::string>& command) {
  std::vector<std::string> words = {"strace", "-f", "--seccomp-bpf", "-qq", "-o", log};
  if (injection.on_output_only) {
    words.insert(words.end(), {"-P", command.back()});
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

void end_what_hangs(const Stage& stage) {
  for (const pid_t pid : stage.processes()) {
    ::kill(pid, SIGKILL);
  }
}

// One run; whether the capture worked.
bool survive(const Stage& stage, const std::vector<std::string>& command, const std::string& file) {
  std::filesystem::remove(file);
  Process process(command);
  const Ended end = process.wait(kLongest);
  const std::string errors = process.errors();
  if (!end.is_over) {
    ADD_FAILURE() << "it hangs; so far: " << errors;
    end_what_hangs(stage);
    return false;
  }
  EXPECT_EQ(end.signal, 0) << errors;
  const std::vector<std::string> lines = split(errors, '\n');
  const bool has_totals =
      lines.size() > 1 && lines[lines.size() - 2].find(" packets received, ") != std::string::npos;
  if (end.exit_code != 0) {
    EXPECT_EQ(end.exit_code, 1) << errors;
    EXPECT_TRUE(errors.starts_with("xdpcap: ")) << errors;
  } else {
    EXPECT_TRUE(has_totals) << errors;
  }
  if (has_totals) {
    expect_exact(lines[lines.size() - 2], file);
  }
  stage.expect_nothing_left();
  return end.exit_code == 0;
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
        survive(stage, strace(log, injection, n, stage.command(arguments)), arguments.back());
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
