// SPDX-License-Identifier: BSD-3-Clause

#include "bench/live/live_reader.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/report.h"
#include "bench/live/live_text.h"
#include "bench/live/perf_reader.h"
#include "xdpcap/kernel/map.h"

namespace bench {
namespace {

using cbpfc::Errc;
using cbpfc::Result;
using std::chrono::milliseconds;

std::vector<std::string> command_line(const LiveStage& stage, const LiveCase& what,
                                      const std::string& xdpcap, const std::string& output) {
  std::vector<std::string> words;
  if (what.reader == ReaderKind::Tcpdump) {
    // As root: otherwise it becomes another user before it creates its file.
    words = {"tcpdump", "-i", "to_a", "-n", "-Z", "root", "-w", output};
    words.insert(words.end(), what.options.begin(), what.options.end());
    return words;
  }
  words = {xdpcap};
  words.insert(words.end(), what.options.begin(), what.options.end());
  words.push_back(stage.hook_path());
  if (what.writes_file) {
    words.push_back(output);
  }
  if (!what.filter.empty()) {
    words.push_back(what.filter);
  }
  return words;
}

int run_perf_child(const LiveStage& stage, const LiveCase& what, const std::string& output) {
  const auto result = run_perf_reader(stage.target(), {.size = what.perf, .output = output});
  if (!result) {
    xdpcap::cli::print_to_stderr(xdpcap::cli::format_error("perf reader", result.error(), true));
  }
  return result ? 0 : 1;
}

std::string contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return std::move(text).str();
}

}  // namespace

Result<LiveReader> LiveReader::start(const LiveStage& stage, const LiveCase& what,
                                     const std::string& xdpcap, const std::string& output) {
  const Placement placement{.network_namespace_fd = stage.observed_namespace_fd(),
                            .off_cpu = ::sched_getcpu()};
  LiveReader reader(
      what.reader,
      what.reader == ReaderKind::PerfBuffer
          ? TRY(ChildProcess::start(
                "the perf reader", [&] { return run_perf_child(stage, what, output); }, placement))
          : TRY(ChildProcess::start(command_line(stage, what, xdpcap, output), placement)));
  TRY(reader.await_start(stage));
  return reader;
}

bool LiveReader::captures(const LiveStage& stage) const {
  if (kind_ == ReaderKind::Tcpdump) {
    return text().find("listening on") != std::string::npos;
  }
  const auto is_filled = [&stage](xdpcap::Action action) {
    const auto id = xdpcap::program_in_slot(stage.target().hook_fd(),
                                            static_cast<std::uint32_t>(xdpcap::index(action)));
    return id && id->has_value();
  };
  // xdpcap enters all slots, the highest last.
  return is_filled(kind_ == ReaderKind::Xdpcap ? xdpcap::kActions.back() : stage.target().action());
}

Result<void> LiveReader::await_start(const LiveStage& stage) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::seconds(10);
  while (!captures(stage)) {
    if (!is_running() || Clock::now() > deadline) {
      return cbpfc::fail(Errc::Kernel, "start a reader: it does not capture; it says: " + text());
    }
    std::this_thread::sleep_for(milliseconds(5));
  }
  // It may yet have something to do before it waits for packets.
  std::this_thread::sleep_for(milliseconds(20));
  return {};
}

Result<ReaderMemory> LiveReader::memory() const {
  const std::string folder = fmt::format("/proc/{}/", pid());
  const std::string status = contents(folder + "status");
  const ReaderMemory memory{.most_resident_bytes = status_bytes(status, "VmHWM"),
                            .resident_ring_bytes = resident_ring_bytes(contents(folder + "smaps")),
                            .resident_bytes = status_bytes(status, "VmRSS")};
  if (memory.resident_bytes == 0) {
    return cbpfc::fail(Errc::Io, "read the memory of process " + std::to_string(pid()));
  }
  return memory;
}

Result<ChildEnd> LiveReader::stop() {
  if (kind_ == ReaderKind::Tcpdump) {
    // It leaves what is in its ring when it is told to end, and gets a block that is not full only after a second.
    std::this_thread::sleep_for(milliseconds(1'100));
    for (double before = -1, now = 0; now - before > 1e-3;) {
      before = TRY(cpu_seconds());
      std::this_thread::sleep_for(milliseconds(20));
      now = TRY(cpu_seconds());
    }
  }
  process_.signal(SIGINT);
  const ChildEnd end = TRY(process_.wait(std::chrono::seconds(30)));
  if (end.exit_code != 0) {
    return cbpfc::fail(Errc::Kernel, "capture: the reader failed; it says: " + text());
  }
  return end;
}

}  // namespace bench
