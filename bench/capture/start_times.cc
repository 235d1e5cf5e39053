// SPDX-License-Identifier: BSD-3-Clause

#include "bench/capture/start_times.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <sstream>
#include <string_view>
#include <thread>

#include "bench/support/child_process.h"
#include "bench/support/detached_mount.h"
#include "bench/support/hook_target.h"
#include "bench/support/udp_packet.h"
#include "xdpcap/kernel/errors.h"
#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/test_run.h"

namespace bench {
namespace {

using cbpfc::Errc;
using cbpfc::Result;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using xdpcap::UniqueFd;

constexpr milliseconds kPatience(5'000);
constexpr std::string_view kMark = "first packet of start_bench";

double to_ms(steady_clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

/// Where a child writes down when it calls execvp(); the clock is the same for all processes.
class SharedMoment {
 public:
  SharedMoment()
      : place_(static_cast<steady_clock::time_point*>(
            ::mmap(nullptr, sizeof(steady_clock::time_point), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  SharedMoment(const SharedMoment&) = delete;
  SharedMoment& operator=(const SharedMoment&) = delete;
  ~SharedMoment() {
    if (is_mapped()) {
      ::munmap(place_, sizeof(*place_));
    }
  }
  bool is_mapped() const { return static_cast<void*>(place_) != MAP_FAILED; }
  void note() { *place_ = steady_clock::now(); }
  steady_clock::time_point value() const { return *place_; }

 private:
  steady_clock::time_point* place_;
};

std::vector<std::string> words_of(const std::string& command, const std::string& hook,
                                  const std::string& output) {
  std::vector<std::string> words;
  std::istringstream text(command);
  for (std::string word; text >> word;) {
    words.push_back(word == kHookWord ? hook : word == kOutputWord ? output : word);
  }
  return words;
}

std::vector<std::uint8_t> marked_packet() {
  constexpr std::size_t kHeaderBytes = 42;
  std::vector<std::uint8_t> packet = udp_packet(kHeaderBytes + kMark.size(), 53);
  std::ranges::copy(kMark, packet.begin() + kHeaderBytes);
  return packet;
}

/// Whether the mark is in a file's first bytes.
bool has_packet(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 16384> start{};
  const ssize_t got = file.is_open() ? ::pread(file.get(), start.data(), start.size(), 0) : 0;
  return got > 0 && std::string_view(start.data(), static_cast<std::size_t>(got)).find(kMark) !=
                        std::string_view::npos;
}

class Stage {
 public:
  static Result<Stage> create() {
    constexpr std::uint64_t kMostOutputBytes = 256ULL << 20U;
    Stage stage(TRY(HookTarget::create(xdpcap::Action::Pass, false)), TRY(DetachedMount::bpffs()),
                TRY(DetachedMount::tmpfs(kMostOutputBytes)));
    if (bpf_obj_pin(stage.target_.hook_fd(), stage.hook_path().c_str()) != 0) {
      return xdpcap::kernel_failure("pin the hook", errno, xdpcap::kMapCapabilities);
    }
    return stage;
  }

  Result<StartTimes> measure(const std::string& command) {
    const std::string output = outputs_.path("output");
    const std::vector<std::string> words = words_of(command, hook_path(), output);
    ::unlink(output.c_str());
    SharedMoment exec;
    if (words.empty() || !exec.is_mapped()) {
      return cbpfc::fail(Errc::InvalidArgument, "a command is empty, or memory is short");
    }
    std::vector<char*> arguments;
    for (const std::string& word : words) {
      arguments.push_back(const_cast<char*>(word.c_str()));
    }
    arguments.push_back(nullptr);
    ChildProcess child = TRY(ChildProcess::start(words.front(),
                                                 [&] {
                                                   exec.note();
                                                   ::execvp(arguments[0], arguments.data());
                                                   return 127;
                                                 },
                                                 {}));
    StartTimes times;
    const auto filled = TRY(await(child, [this] { return is_slot_filled(); }));
    const auto written = TRY(await(child, [&] { return has_packet(output); }));
    times.slot = to_ms(filled - exec.value());
    times.output = to_ms(written - exec.value());
    TRY(run_for(kUndisturbed));
    const auto interrupted = steady_clock::now();
    child.signal(SIGINT);
    const ChildEnd end = TRY(child.wait(kPatience));
    times.end = to_ms(steady_clock::now() - interrupted);
    if (end.exit_code != 0) {
      return cbpfc::fail(Errc::Kernel,
                         fmt::format("{}: exit code {}: {}", command, end.exit_code, child.text()));
    }
    if (is_slot_filled()) {
      return cbpfc::fail(Errc::Kernel, command + ": it left a program in the hook");
    }
    return times;
  }

 private:
  static constexpr milliseconds kUndisturbed{
      100};  // what happens later than at the start has its time

  Stage(HookTarget target, DetachedMount pins, DetachedMount outputs)
      : target_(std::move(target)), pins_(std::move(pins)), outputs_(std::move(outputs)) {}

  std::string hook_path() const { return pins_.path("hook"); }

  bool is_slot_filled() const {
    const auto slot = static_cast<std::uint32_t>(xdpcap::index(target_.action()));
    const auto program = xdpcap::program_in_slot(target_.hook_fd(), slot);
    return program && *program;
  }

  /// Sends packets until `is_there`; returns when that was.
  template <typename Condition>
  Result<steady_clock::time_point> await(ChildProcess& child, const Condition& is_there) {
    const auto deadline = steady_clock::now() + kPatience;
    while (!is_there()) {
      if (steady_clock::now() > deadline || !child.is_running()) {
        return cbpfc::fail(Errc::Kernel, "the capture did not begin: " + child.text());
      }
      TRY(pause());
    }
    return steady_clock::now();
  }

  Result<void> run_for(milliseconds time) {
    const auto end = steady_clock::now() + time;
    while (steady_clock::now() < end) {
      TRY(pause());
    }
    return {};
  }

  /// A packet at most every 0.1 ms.
  Result<void> pause() {
    constexpr std::chrono::microseconds kLookInterval(20);
    constexpr std::chrono::microseconds kPacketInterval(100);
    if (steady_clock::now() >= next_packet_) {
      next_packet_ = steady_clock::now() + kPacketInterval;
      TRY(xdpcap::test_run(target_.program_fd(), packet_));
    }
    std::this_thread::sleep_for(kLookInterval);
    return {};
  }

  HookTarget target_;
  DetachedMount pins_;
  DetachedMount outputs_;
  std::vector<std::uint8_t> packet_ = marked_packet();
  steady_clock::time_point next_packet_;
};

}  // namespace

Result<std::vector<StartSeries>> measure_starts(const std::vector<std::string>& commands,
                                                int rounds) {
  Stage stage = TRY(Stage::create());
  std::vector<StartSeries> series;
  for (const std::string& command : commands) {
    series.push_back({.command = command});
    TRY(stage.measure(command));  // the first start reads files from the disk
  }
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < series.size(); ++i) {
      StartSeries& one = series[round % 2 == 0 ? i : series.size() - 1 - i];
      one.rounds.push_back(TRY(stage.measure(one.command)));
    }
  }
  return series;
}

}  // namespace bench
