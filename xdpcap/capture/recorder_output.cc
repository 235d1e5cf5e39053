// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/capture/recorder_output.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace xdpcap {
namespace {

/// What is written between two looks at the rings: well under a millisecond's worth for a file in memory.
constexpr std::size_t kSliceBytes = std::size_t{1} << 20;

/// "64 MiB", or "100000 bytes".
std::string size_text(std::uint64_t bytes) {
  constexpr std::pair<unsigned, std::string_view> kUnits[] = {
      {30, "GiB"}, {20, "MiB"}, {10, "KiB"}};
  for (const auto& [bits, unit] : kUnits) {
    const std::uint64_t number = bytes >> bits;
    if (number > 0 && number << bits == bytes) {
      return fmt::format("{} {}", number, unit);
    }
  }
  return fmt::format("{} bytes", bytes);
}

std::string join(const std::vector<DumpReason>& reasons, std::string DumpReason::* text) {
  std::string all;
  for (const DumpReason& reason : reasons) {
    all += (all.empty() ? "" : " and ") + reason.*text;
  }
  return all;
}

}  // namespace

RecorderOutput::RecorderOutput(PcapngWriter& writer, const WallClock& clock,
                               const std::vector<Action>& actions,
                               std::optional<std::uint32_t> sole_ifindex,
                               const RecorderOptions& options)
    : writer_(writer),
      clock_(clock),
      memory_(*options.memory),
      options_(options),
      packets_(writer, clock, actions, sole_ifindex) {
  for (const Action action : actions) {
    counts_[index(action)].is_captured = true;
  }
}

void RecorderOutput::ask(DumpReason reason) {
  if (std::ranges::find(asked_, reason.what, &DumpReason::what) == asked_.end()) {
    asked_.push_back(std::move(reason));
  }
}

Result<void> RecorderOutput::write(std::span<const TimeOrder::Pending> batch) {
  Result<void> result;
  for (const TimeOrder::Pending& held : batch) {
    Count& count = counts_[index(held.packet.action)];
    ++count.taken;
    if (!is_open() || !count.is_captured) {
      continue;
    }
    if (Result<void> kept = keep(held.packet); !kept) {
      close();  // the rest is counted
      result = std::move(kept);
    }
  }
  return result;
}

Result<void> RecorderOutput::keep(const Packet& packet) {
  TRY(make_room(packet.bytes.size()));
  Count& count = counts_[index(packet.action)];
  if (!memory_.has_room(packet.bytes.size())) {
    ++count.overwritten;
    packets_.skip(packet);
    return {};
  }
  memory_.append(packet, clock_.to_wall_ns(packet.ktime_ns));
  ++count.in_memory;
  return {};
}

Result<void> RecorderOutput::make_room(std::size_t captured_bytes) {
  while (!memory_.has_room(captured_bytes) && !memory_.is_empty()) {
    if (to_write_packets_ > 0) {
      TRY(write_oldest());
    } else {
      overwrite_oldest();
    }
  }
  return {};
}

void RecorderOutput::overwrite_oldest() {
  const Packet packet = memory_.oldest().packet;
  packets_.skip(packet);
  Count& count = counts_[index(packet.action)];
  --count.in_memory;
  ++count.overwritten;
  memory_.drop_oldest();
}

Result<void> RecorderOutput::write_oldest() {
  const RecordedPacket oldest = memory_.oldest();
  --counts_[index(oldest.packet.action)].in_memory;
  Result<void> written = packets_.write(oldest.packet, oldest.wall_time_ns);
  memory_.drop_oldest();
  --to_write_packets_;
  ++dump_.packets;
  return written;
}

Result<void> RecorderOutput::flush() {
  return is_open() ? writer_.flush() : Result<void>{};
}

Result<PacketOutput::Step> RecorderOutput::go_on() {
  if (!is_open() || (!is_dumping_ && asked_.empty())) {
    return Step::Nothing;
  }
  if (!is_dumping_) {
    TRY(begin_dump());
  }
  for (std::size_t bytes = 0; to_write_packets_ > 0 && bytes < kSliceBytes;) {
    bytes += FlightRecorder::packet_bytes(memory_.oldest().packet.bytes.size());
    TRY(write_oldest());
  }
  if (to_write_packets_ > 0) {
    return Step::More;
  }
  TRY(writer_.flush());
  return Step::Statistics;
}

Result<void> RecorderOutput::begin_dump() {
  const std::vector<DumpReason> reasons = std::exchange(asked_, {});
  PcapngSection section = options_.section;
  section.comment =
      fmt::format("flight recorder: the last {}, written {}", size_text(memory_.size_bytes()),
                  join(reasons, &DumpReason::phrase));
  dump_ = {.packets = 0, .reason = join(reasons, &DumpReason::what)};
  is_dumping_ = true;
  to_write_packets_ = memory_.packets();
  return writer_.begin_section(section);
}

Result<void> RecorderOutput::write_statistics(std::span<const PcapngStatistics> statistics) {
  if (!is_open()) {
    return {};
  }
  is_dumping_ = false;
  TRY(writer_.write_statistics(statistics));
  if (options_.on_dump) {
    options_.on_dump(dump_);
  }
  return {};
}

void RecorderOutput::end() {
  ask({.what = "end of the capture", .phrase = "at the end of the capture"});
}

void RecorderOutput::close() {
  packets_.close();
  memory_.clear();
  to_write_packets_ = 0;
  for (Count& count : counts_) {
    count.in_memory = 0;
  }
}

void RecorderOutput::count(Action action, PacketTotals& totals) const {
  const Count& count = counts_[index(action)];
  totals.overwritten = count.overwritten;
  totals.in_memory = count.in_memory;
  totals.written = packets_.delivered(action);
  totals.unwritten = count.taken - count.overwritten - count.in_memory - totals.written;
}

}  // namespace xdpcap
