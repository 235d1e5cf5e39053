// SPDX-License-Identifier: BSD-3-Clause

#include "stage.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "attach/chain_state.h"
#include "kernel/map.h"
#include "kernel/object_ids.h"

namespace xdpcap::test {
namespace {

std::vector<std::string> words_of(pid_t pid) {
  const std::ifstream file(fmt::format("/proc/{}/cmdline", pid), std::ios::binary);
  std::ostringstream text;  // an iterator would throw where the process ends meanwhile
  text << file.rdbuf();
  return split(text.str(), '\0');
}

std::vector<pid_t> processes_with(const std::string& word) {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc() && *end == '\0' && std::ranges::count(words_of(pid), word) > 0) {
      found.push_back(pid);
    }
  }
  return found;
}

// Ids of maps that say they are the chain of a hook.
std::vector<std::uint32_t> chains_of(int hook_fd) {
  const std::uint32_t hook_id = map_info(hook_fd)->id;
  const std::vector<std::uint32_t> ids = all_map_ids().value();
  std::vector<std::uint32_t> found;
  for (const std::uint32_t id : ids) {
    const Result<UniqueFd> map = open_map(id);
    const Result<MapInfo> info = map ? map_info(map->get()) : std::unexpected(map.error());
    if (!info || info->name != chain::kStateMapName) {
      continue;
    }
    std::vector<char> value(info->value_size_bytes);
    chain::ChainState state{};
    const std::uint32_t key = 0;
    if (value.size() >= sizeof(state) &&
        ::bpf_map_lookup_elem(map->get(), &key, value.data()) == 0) {
      std::memcpy(&state, value.data(), sizeof(state));
      if (state.hook_map_id == hook_id) {
        found.push_back(id);
      }
    }
  }
  return found;
}

std::vector<std::string> files_but_the_lock(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(directory, missing)) {
    if (entry.path().filename() != "lock") {
      names.push_back(entry.path().filename().string());
    }
  }
  return names;
}

}  // namespace

Stage::Stage(const RigOptions& options) : rig_(options), run_directory_(rig_.file("run")) {
  note_bpf_objects(::getpid());
}

std::vector<std::string> Stage::arguments(const std::vector<std::string>& rest) const {
  std::vector<std::string> words = {"-run-dir", run_directory_};
  words.insert(words.end(), rest.begin(), rest.end());
  return words;
}

std::vector<std::string> Stage::command(const std::vector<std::string>& rest) const {
  return xdpcap_command(arguments(rest));
}

std::vector<pid_t> Stage::processes() const {
  return processes_with(rig_.hook());
}

std::vector<pid_t> Stage::guardians() const {
  std::vector<pid_t> found = processes();
  std::erase_if(found, [](pid_t pid) { return words_of(pid).front() != "xdpcap-guardian"; });
  return found;
}

void Stage::expect_nothing_left() const {
  EXPECT_TRUE(becomes_true([&] { return filled_slots(hook_fd()) == 0; }, Millis(1'000)))
      << "programs are left in the hook";
  EXPECT_TRUE(becomes_true([&] { return processes().empty(); }, Millis(3'000)))
      << "a process is left";
  EXPECT_TRUE(becomes_true([&] { return chains_of(hook_fd()).empty(); }, Millis(3'000)))
      << "maps are left";
  EXPECT_EQ(files_but_the_lock(run_directory_), std::vector<std::string>());
}

std::vector<std::string> in_shell(const std::string& setup,
                                  const std::vector<std::string>& command) {
  std::vector<std::string> words = {"bash", "-c", setup + " && exec \"$@\"", "bash"};
  words.insert(words.end(), command.begin(), command.end());
  return words;
}

void expect_exact(const std::string& totals_line, const std::string& path) {
  const Totals totals = parse_totals(totals_line);
  EXPECT_EQ(totals.matched, totals.held_back + totals.overwritten + totals.written + totals.lost +
                                totals.unwritten);
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

}  // namespace xdpcap::test
