// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/resource_faults/stage.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

namespace xdpcap::test {

Stage::Stage(const RigOptions& options) : rig_(options) {
  note_bpf_objects(::getpid());
}

std::vector<std::string> Stage::command(const std::vector<std::string>& rest) const {
  return xdpcap_command(rest);
}

void Stage::expect_nothing_left() const {
  EXPECT_TRUE(becomes_true([&] { return filled_slots(hook_fd()) == 0; }, Millis(1'000)))
      << "programs are left in the hook";
  EXPECT_TRUE(becomes_true([&] { return processes().empty(); }, Millis(3'000)))
      << "a process is left";
  EXPECT_TRUE(becomes_true([&] { return !has_chain(rig_.hook()); }, Millis(3'000)))
      << "a chain is left";
}

std::vector<std::string> in_shell(const std::string& setup,
                                  const std::vector<std::string>& command) {
  std::vector<std::string> words = {"bash", "-c", setup + " && exec \"$@\"", "bash"};
  words.insert(words.end(), command.begin(), command.end());
  return words;
}

void expect_exact(const std::string& totals_line, const std::string& path) {
  const Totals totals = parse_totals(totals_line);
  expect_balance(totals);
  EXPECT_EQ(packets_in(path).size(), totals.written);
}

namespace {

void end_what_hangs(const Stage& stage) {
  for (const pid_t pid : stage.processes()) {
    ::kill(pid, SIGKILL);
  }
}

}  // namespace

bool ends_well(const Stage& stage, const std::vector<std::string>& command,
               const std::string& file) {
  std::filesystem::remove(file);
  constexpr Millis kLongest(8'000);
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
    // The message may come after the numbers of each action.
    EXPECT_TRUE(std::ranges::any_of(lines, [](const std::string& line) {
      return line.starts_with("xdpcap: ");
    })) << errors;
  } else {
    EXPECT_TRUE(has_totals) << errors;
  }
  if (has_totals) {
    expect_exact(lines[lines.size() - 2], file);
  }
  stage.expect_nothing_left();
  return end.exit_code == 0;
}

}  // namespace xdpcap::test
