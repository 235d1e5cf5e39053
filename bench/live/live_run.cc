// SPDX-License-Identifier: BSD-3-Clause

#include "bench/live/live_run.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>

#include "bench/live/live_reader.h"
#include "bench/support/udp_packet.h"

namespace bench {
namespace {

using cbpfc::Result;

constexpr std::uint16_t kPort = 54;  // that no case's filter matches

/// The two equations of a capture, and that it saw what the interface saw.
std::string imbalance(const LiveRun& run, const LiveCase& what) {
  const Totals& totals = run.totals;
  const std::uint64_t arrived = run.sent.arrived;
  const std::uint64_t received = totals.received.value_or(0);
  const std::uint64_t matched = totals.matched.value_or(0);
  const std::uint64_t to_match = what.matches == Matches::Everything ? arrived : 0;
  if (received != arrived) {
    return fmt::format("{} received, {} arrived", received, arrived);
  }
  if (matched != to_match) {
    return fmt::format("{} matched of {}", matched, to_match);
  }
  const std::uint64_t sum = totals.held_back + totals.written + totals.lost + totals.unwritten;
  if (what.writes_file && matched != sum) {
    return fmt::format("{} matched, {} held back + written + lost", matched, sum);
  }
  return {};
}

/// Fills in what the reader says.
Result<void> account(LiveRun& run, const LiveCase& what, const std::string& text) {
  run.totals =
      TRY(what.reader == ReaderKind::Tcpdump ? parse_tcpdump_totals(text) : parse_totals(text));
  run.written = run.totals.written;
  if (what.reader == ReaderKind::Xdpcap) {
    run.lost = run.totals.lost;
    run.imbalance = imbalance(run, what);
    return {};
  }
  // The others do not count all they lose: what arrived and is not in the file.
  run.lost = run.sent.arrived - std::min(run.sent.arrived, run.written);
  return {};
}

/// The part with a capture.
Result<void> capture(LiveRun& run, const LiveStage& stage, const LiveCase& what,
                     const LivePlan& plan, const DetachedMount& files) {
  const std::string file = files.path("capture");
  const std::string output = what.discards ? "/dev/null" : file;
  LiveReader reader = TRY(LiveReader::start(stage, what, plan.xdpcap, output));
  const double before_seconds = TRY(reader.cpu_seconds());
  run.sent = TRY(stage.send(udp_packet(plan.packet_bytes, kPort), plan.packets));
  run.resident_ring_bytes = TRY(reader.memory()).resident_ring_bytes;
  const auto sent_at = std::chrono::steady_clock::now();
  const ChildEnd end = TRY(reader.stop());
  run.end_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - sent_at).count();
  run.reader_cpu_seconds = end.cpu_seconds - before_seconds;
  run.most_resident_bytes = end.most_resident_bytes;
  run.ring_bytes = what.ring_bytes;
  std::error_code is_missing;
  if (const auto bytes = std::filesystem::file_size(file, is_missing); !is_missing) {
    run.file_bytes = bytes;
    std::filesystem::remove(file, is_missing);
  }
  return account(run, what, reader.text()).with_context(what.name);
}

}  // namespace

Result<LiveRun> run_live(const LiveStage& stage, const LiveCase& what, const LivePlan& plan,
                         const DetachedMount& files) {
  LiveRun run{.what = what.name,
              .reader = what.reader,
              .action = what.action,
              .packet_bytes = plan.packet_bytes};
  const auto frame = udp_packet(plan.packet_bytes, kPort);
  // Of a run at full length half would be more than is needed.
  const std::uint64_t half = std::clamp<std::uint64_t>(plan.packets / 2, 1, 1'000'000);
  const Sent before = TRY(stage.send(frame, half));
  if (what.is_baseline()) {
    run.sent = TRY(stage.send(frame, plan.packets));
  } else {
    TRY(capture(run, stage, what, plan, files));
  }
  const Sent after = TRY(stage.send(frame, half));
  run.baseline_per_second =
      static_cast<double>(before.arrived + after.arrived) / (before.seconds + after.seconds);
  return run;
}

}  // namespace bench
