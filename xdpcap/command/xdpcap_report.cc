// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/command/xdpcap_report.h"

#include <fmt/core.h>

#include <iterator>

#include "base/report.h"
#include "xdpcap/kernel/errors.h"
#include "xdpcap/pcapng/pcapng_writer.h"
#include "xdpcap/statistics/status.h"

namespace xdpcap {
namespace {

// What grows with the options; programs and counters are some pages.
std::string describe_memory(const HookCapture& capture, const XdpcapOptions& options) {
  const RingSet& rings = capture.rings();
  const std::uint64_t output_bytes = PcapngWriter::buffer_bytes();
  const std::uint64_t recorder_bytes = options.recorder_bytes.value_or(0);
  std::string line =
      fmt::format("memory: {} of {} bytes take {} bytes", counted(rings.count(), "ring"),
                  rings.ring_bytes(), rings.memory_bytes());
  if (capture.whole_packets_bytes() != 0) {
    fmt::format_to(std::back_inserter(line), ", copies of packets in several buffers {} bytes",
                   capture.whole_packets_bytes());
  }
  fmt::format_to(std::back_inserter(line), ", output buffer {} bytes", output_bytes);
  if (options.recorder_bytes) {
    fmt::format_to(std::back_inserter(line), ", flight recorder {} bytes", recorder_bytes);
  }
  fmt::format_to(
      std::back_inserter(line), "; {} bytes in all",
      rings.memory_bytes() + capture.whole_packets_bytes() + output_bytes + recorder_bytes);
  return line;
}

}  // namespace

void say(std::string_view text) {
  cli::print_to_stderr(fmt::format("xdpcap: {}\n", cli::printable(text)));
}

int report(const Error& error, bool verbose, int exit_code) {
  cli::print_to_stderr(cli::format_error("xdpcap", error, verbose));
  return exit_code;
}

void describe(const HookCapture& capture, const cbpfc::Filter& filter,
              const XdpcapOptions& options) {
  say(fmt::format("hook {}: {}", options.hook_path, capture.variant().describe()));
  say(fmt::format("transport {}: {}", name(capture.transport()),
                  xdpcap::describe(capture.transport())));
  say(fmt::format("{} of {} bytes, watermark {} bytes, snap length {} bytes",
                  counted(capture.rings().count(), "ring"), capture.rings().ring_bytes(),
                  capture.watermark_bytes(), options.snaplen_bytes));
  say(fmt::format("link type {}, filter {}", options.link_type.name,
                  counted(filter.insns().size(), "classic instruction")));
  say(describe_memory(capture, options));
}

bool all_were_handed_on(const CaptureSummary& summary) {
  const std::uint64_t missed = sum(summary.totals).tail_call_failures;
  if (missed != 0) {
    say(fmt::format(
        "{} could not be handed on to the captures behind this one, which did not see them: a packet has 33 tail "
        "calls, and the XDP program's own count, too; share the hook with fewer",
        counted(missed, "packet")));
  }
  return missed == 0;
}

int conclude(const CaptureSummary& summary, const XdpcapOptions& options) {
  const PacketTotals all = sum(summary.totals);
  int exit_code = cli::kExitSuccess;
  if (summary.error) {
    exit_code = report(*summary.error, options.verbose);
  }
  if (summary.end == CaptureEnd::OutputStuck) {
    say(fmt::format("output {}: stopped while it took nothing more; {} not written", options.output,
                    counted(all.unwritten, "packet")));
    exit_code = cli::kExitFailure;
  }
  for (const Action action : first_actions(kMostActions)) {
    const PacketTotals& one = summary.totals[index(action)];
    if (!one.is_balanced()) {
      say(fmt::format(
          "{}: the numbers do not add up: {} matched, but {} held back + {} overwritten + {} written + "
          "{} lost + {} not written; please report this",
          name(action), one.matched, one.held_back, one.overwritten, one.written, one.lost,
          one.unwritten));
      exit_code = cli::kExitFailure;
    }
  }
  if (!all_were_handed_on(summary)) {
    exit_code = cli::kExitFailure;
  }
  if (summary.corrupt_records != 0) {
    say(fmt::format("skipped {} of the ring that made no sense; please report this",
                    counted(summary.corrupt_records, "record")));
    exit_code = cli::kExitFailure;
  }
  if (summary.end == CaptureEnd::Failed && all.unwritten != 0 && options.quiet) {
    say(fmt::format("output {}: {} not written", options.output, counted(all.unwritten, "packet")));
  }
  if (all.lost != 0) {
    say(fmt::format(
        "{} of {} that matched were lost: the rings were full; try a larger -buffer, a smaller -snaplen, a narrower "
        "filter, or a faster disk or reader",
        all.lost, counted(all.matched, "packet")));
  }
  if (summary.are_totals_known && !options.quiet && !options.like_original) {
    cli::print_to_stderr(cli::format_totals(all) + "\n");
  }
  return exit_code;
}

}  // namespace xdpcap

namespace xdpcap::cli {

std::string original_name(Action action) {
  return index(action) < kActions.size() ? short_name(action)
                                         : fmt::format("xdpAction({})", index(action));
}

std::string original_status(const ActionTotals& totals, const std::vector<Action>& actions) {
  std::string line;
  for (const Action action : actions) {
    const PacketTotals& counted = totals[index(action)];
    fmt::format_to(std::back_inserter(line), "{}: {}/{}\t", original_name(action), counted.received,
                   counted.matched);
  }
  return line + "(received/matched packets)";
}

int original_exit_code(int exit_code) {
  switch (exit_code) {
    case kExitUsage: return 1;
    case kExitFailure: return 2;
    default: return exit_code;
  }
}

}  // namespace xdpcap::cli
