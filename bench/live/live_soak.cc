// SPDX-License-Identifier: BSD-3-Clause

#include "bench/live/live_soak.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "bench/live/live_reader.h"
#include "bench/support/placement.h"
#include "bench/support/udp_packet.h"

namespace bench {
namespace {

using cbpfc::Result;

constexpr std::size_t kPacketBytes = 64;
constexpr std::uint16_t kSoakPort = 54;

std::uint64_t count_descriptors(pid_t pid) {
  std::error_code ignored;
  const std::filesystem::directory_iterator entries(fmt::format("/proc/{}/fd", pid), ignored);
  return static_cast<std::uint64_t>(std::distance(begin(entries), end(entries)));
}

const LiveCase& find_case(const std::vector<LiveCase>& cases, std::string_view name) {
  return *std::ranges::find(cases, name, &LiveCase::name);
}

}  // namespace

void Course::add(std::uint64_t value, bool is_first) {
  first = is_first ? value : first;
  last = value;
  most = std::max(most, value);
}

Result<SoakResult> soak(const std::string& xdpcap, std::chrono::seconds duration) {
  TRY(stay_on_cpu(last_cpu()));
  const LiveStage stage = TRY(LiveStage::create(xdpcap::Action::Drop));
  const std::vector<LiveCase> cases = live_cases();
  LiveReader reader =
      TRY(LiveReader::start(stage, find_case(cases, case_name::kEverything), xdpcap, "/dev/null"));
  const auto frame = udp_packet(kPacketBytes, kSoakPort);
  SoakResult result;
  const auto end = std::chrono::steady_clock::now() + duration;
  while (std::chrono::steady_clock::now() < end) {
    const Sent sent =
        TRY(stage.send(frame, std::numeric_limits<std::uint64_t>::max(), std::chrono::seconds(1)));
    result.arrived += sent.arrived;
    result.flood_seconds += sent.seconds;
    const ReaderMemory memory = TRY(reader.memory());
    result.resident_bytes.add(memory.resident_bytes, result.seconds == 0);
    result.descriptors.add(count_descriptors(reader.pid()), result.seconds == 0);
    result.resident_ring_bytes = memory.resident_ring_bytes;
    ++result.seconds;
  }
  result.reader_cpu_seconds = TRY(reader.stop()).cpu_seconds;
  result.totals = TRY(parse_totals(reader.text()));
  return result;
}

std::string soak_text(const SoakResult& result) {
  constexpr double kMib = 1024.0 * 1024.0;
  const auto mib = [](std::uint64_t bytes) { return static_cast<double>(bytes) / kMib; };
  const Totals& totals = result.totals;
  const std::uint64_t matched = totals.matched.value_or(0);
  const bool adds_up =
      totals.received == result.arrived && totals.matched == result.arrived &&
      matched == totals.held_back + totals.written + totals.lost + totals.unwritten;
  return fmt::format(
      "soak: {} samples, one a second; {} packets of 64 bytes, {:.2f} million a second\n"
      "{:<28} {:>10} {:>10} {:>10}\n"
      "{:<28} {:>10.2f} {:>10.2f} {:>10.2f}\n"
      "{:<28} {:>10} {:>10} {:>10}\n"
      "mapped rings in that: {:.0f} MiB; reader's CPU: {:.1f} s\n"
      "{} written, {} lost; the numbers {}\n",
      result.seconds, result.arrived,
      static_cast<double>(result.arrived) / result.flood_seconds / 1e6, "", "first", "last", "most",
      "resident memory, MiB", mib(result.resident_bytes.first), mib(result.resident_bytes.last),
      mib(result.resident_bytes.most), "descriptors", result.descriptors.first,
      result.descriptors.last, result.descriptors.most, mib(result.resident_ring_bytes),
      result.reader_cpu_seconds, totals.written, totals.lost, adds_up ? "add up" : "do not add up");
}

}  // namespace bench
