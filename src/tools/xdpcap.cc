// SPDX-License-Identifier: BSD-3-Clause
//
// xdpcap: captures packets from an XDP program's hook into a pcapng file.
//
//     options -> filter -> hook and its slots -> output -> capture programs -> file header -> loop
//
// in the order of what can be undone: nothing is touched before everything that can be checked has
// been; from the first program in the hook on, HookCapture's destructor takes them out on every way
// out.

#include <cbpfc/pcap_filter.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>

#include "attach/hook.h"
#include "attach/hook_capture.h"
#include "capture/capture_loop.h"
#include "capture/count_loop.h"
#include "cli/report.h"
#include "cli/signals.h"
#include "cli/standard_descriptors.h"
#include "cli/status.h"
#include "pcapng/file_sink.h"
#include "tools/xdpcap_options.h"
#include "tools/xdpcap_reload.h"
#include "tools/xdpcap_start.h"
#include "tools/xdpcap_statistics.h"

namespace {

using namespace xdpcap;  // NOLINT(google-build-using-namespace): this file is the program

void say(std::string_view text) {
  cli::print_to_stderr(fmt::format("xdpcap: {}\n", cli::printable(text)));
}

int report(const Error& error, bool verbose, int exit_code = cli::kExitFailure) {
  cli::print_to_stderr(cli::format_error("xdpcap", error, verbose));
  return exit_code;
}

int print(std::string_view text) {
  const Result<void> printed = cli::print_to_stdout(text);
  return printed ? cli::kExitSuccess : report(printed.error(), false);
}

struct Signals {
  cli::StopSignals stop;
  cli::RequestSignals requests;
};

class HookSource final : public CaptureSource {
 public:
  HookSource(HookCapture& capture, FilterReload& reload) : capture_(&capture), reload_(&reload) {}
  Result<std::vector<ActionCounters>> counters_by_cpu() override {
    return capture_->counters_by_cpu();
  }
  Result<void> detach() override {
    reload_->stop();
    return capture_->detach();
  }

 private:
  HookCapture* capture_;
  FilterReload* reload_;
};

void describe(const HookCapture& capture, const cbpfc::Filter& filter,
              const XdpcapOptions& options) {
  say(fmt::format("hook {}: {}", options.hook_path, capture.variant().describe()));
  say(fmt::format("{} rings of {} bytes, watermark {} bytes, snap length {} bytes",
                  capture.rings().rings().size(), capture.rings().ring_bytes(),
                  options.watermark_bytes, options.snaplen_bytes));
  say(fmt::format("link type {}, filter {} classic instructions", options.link_type.name,
                  filter.insns().size()));
}

// The end of a capture in words and as exit code.
int conclude(const CaptureSummary& summary, const XdpcapOptions& options) {
  const PacketTotals all = sum(summary.totals);
  int exit_code = cli::kExitSuccess;
  if (summary.error) {
    exit_code = report(*summary.error, options.verbose);
  }
  if (summary.end == CaptureEnd::OutputStuck) {
    say(fmt::format("output {}: stopped while it took nothing more; {} packets not written",
                    options.output, all.unwritten));
    exit_code = cli::kExitFailure;
  }
  for (const Action action : kActions) {
    const PacketTotals& one = summary.totals[index(action)];
    if (!one.is_balanced()) {
      say(fmt::format(
          "{}: the numbers do not add up: {} matched, but {} held back + {} written + {} lost + {} "
          "not written; please report this",
          name(action), one.matched, one.held_back, one.written, one.lost, one.unwritten));
      exit_code = cli::kExitFailure;
    }
  }
  if (summary.corrupt_records != 0) {
    say(fmt::format("{} records of the ring made no sense and were skipped; please report this",
                    summary.corrupt_records));
    exit_code = cli::kExitFailure;
  }
  if (!options.quiet && !options.is_to_stdout()) {
    cli::print_to_stderr(cli::format_totals(all) + "\n");
  }
  return exit_code;
}

Result<std::vector<RingReader>> map_rings(const RingSet& set) {
  std::vector<RingReader> readers;
  for (const UniqueFd& ring : set.rings()) {
    readers.push_back(TRY(RingReader::map(ring.get(), set.ring_bytes())));
  }
  return readers;
}

// From the header of the file to its end.
int run_to_end(HookCapture& capture, FileSink& sink, const std::vector<Action>& actions,
               const XdpcapOptions& options, StatisticsOutlets& outlets, const Signals& signals) {
  Result<std::vector<RingReader>> rings = map_rings(capture.rings());
  if (!rings) {
    sink.remove_if_created();
    return report(rings.error(), options.verbose);
  }
  sink.set_stop_fd(signals.stop.fd());
  Result<PcapngWriter> writer = PcapngWriter::start(sink, make_section(options, actions));
  if (!writer) {
    if (writer.error().sys_errno == EPIPE) {
      return cli::kExitSuccess;  // the reader has seen enough
    }
    sink.remove_if_created();
    return report(writer.error(), options.verbose);
  }
  CaptureLoopOptions loop{.actions = actions,
                          .wake_fd = capture.rings().wake_fd(),
                          .signal_fd = signals.stop.fd(),
                          .output_fd = sink.fd(),
                          .most_packets = options.limits.most_packets,
                          .flush = options.flush,
                          .readers = outlets.readers()};
  FilterReload reload(capture, options, signals.requests);
  HookSource source(capture, reload);
  SystemTime time;
  const CaptureSummary summary = run_capture(source, *rings, *writer, sink, time, loop);
  outlets.end_status_line();
  return conclude(summary, options);
}

// Counting, from a hook that may be entered to the end.
int count_hook(const Hook& hook, const cbpfc::Filter& filter, const std::vector<Action>& actions,
               const XdpcapOptions& options, StatisticsOutlets& outlets, const Signals& signals) {
  if (signals.stop.wait(std::chrono::milliseconds(0))) {
    return cli::kExitSuccess;
  }
  Result<HookCapture> capture =
      HookCapture::attach(hook, filter, {.actions = actions, .counts_only = true});
  if (!capture) {
    return report(capture.error(), options.verbose);
  }
  FilterReload reload(*capture, options, signals.requests);
  HookSource source(*capture, reload);
  SystemTime time;
  const CaptureSummary summary =
      run_count(source, time,
                {.actions = actions, .signal_fd = signals.stop.fd(), .readers = outlets.readers()});
  outlets.end_status_line();
  const int printed = options.json ? cli::kExitSuccess  // which says the same
                                   : print(cli::format_counts(sum(summary.totals)) + "\n");
  return summary.error ? report(*summary.error, options.verbose) : printed;
}

// From a hook that may be entered to the end.
int capture_hook(const Hook& hook, const cbpfc::Filter& filter, const std::vector<Action>& actions,
                 const XdpcapOptions& options, StatisticsOutlets& outlets, const Signals& signals) {
  UniqueFd pipe;
  if (await_reader(options.output, signals.stop, pipe) == Waited::Stopped ||
      signals.stop.wait(std::chrono::milliseconds(0))) {
    return cli::kExitSuccess;
  }
  Result<FileSink> sink = FileSink::open(options.output);
  pipe.reset();
  if (!sink) {
    return report(sink.error(), options.verbose);
  }
  Result<HookCapture> capture = HookCapture::attach(hook, filter,
                                                    {.actions = actions,
                                                     .snaplen_bytes = options.snaplen_bytes,
                                                     .ring_bytes = options.ring_bytes,
                                                     .watermark_bytes = options.watermark_bytes,
                                                     .limits = options.limits});
  if (!capture) {
    sink->remove_if_created();
    return report(capture.error(), options.verbose);
  }
  if (options.verbose) {
    describe(*capture, filter, options);
  }
  return run_to_end(*capture, *sink, actions, options, outlets, signals);
}

Result<Signals> block_signals() {
  return Signals{.stop = TRY(cli::StopSignals::block()),
                 .requests = TRY(cli::RequestSignals::block({SIGUSR1, SIGUSR2}))};
}

int run(const XdpcapOptions& given) {
  XdpcapOptions options = given;
  Result<std::string> text = read_filter(options);
  if (!text) {
    return report(text.error(), options.verbose);
  }
  options.filter = *std::move(text);
  const Result<cbpfc::Filter> filter = make_filter(options.filter, options.link_type);
  if (!filter) {
    return report(filter.error(), options.verbose);
  }
  const Result<Signals> signals = block_signals();
  if (!signals) {
    return report(signals.error(), options.verbose);
  }
  const Result<Hook> hook = Hook::open(options.hook_path);
  if (!hook) {
    return report(hook.error(), options.verbose);
  }
  const std::vector<Action> actions = choose_actions(*hook, options);
  if (const std::string warning = missing_slots_warning(*hook);
      !options.actions && !warning.empty()) {
    say(warning);
  }
  if (options.wait) {
    const Result<void> output =
        options.counts_only ? Result<void>{} : FileSink::check(options.output);
    if (!output) {
      return report(output.error(), options.verbose);
    }
    const Result<Waited> owner = await_owner(*hook, signals->stop);
    if (!owner) {
      return report(owner.error(), options.verbose);
    }
    if (*owner == Waited::Stopped) {
      return cli::kExitSuccess;
    }
  }
  if (const Result<void> may_enter = check_may_enter(*hook, actions); !may_enter) {
    return report(may_enter.error(), options.verbose);
  }
  const auto outlets = StatisticsOutlets::open(options, actions);
  if (!outlets) {
    return report(outlets.error(), options.verbose);
  }
  return options.counts_only ? count_hook(*hook, *filter, actions, options, **outlets, *signals)
                             : capture_hook(*hook, *filter, actions, options, **outlets, *signals);
}

}  // namespace

int main(int argc, char** argv) {
  cli::occupy_standard_descriptors();
  cli::heed_interrupts();
  const MachineLimits limits = machine_limits();
  const Result<XdpcapOptions> options = parse_xdpcap_options(argc, argv, limits);
  if (!options) {
    return report(options.error(), false, cli::kExitUsage);
  }
  switch (options->request) {
    case Request::Help: return print(xdpcap_help(limits));
    case Request::Version:
      return print(fmt::format("xdpcap {}\n{}\n", XDPCAP_VERSION, cbpfc::libpcap_version()));
    case Request::Capture: break;
  }
  if (options->is_to_stdout() && ::isatty(STDOUT_FILENO) == 1) {
    say("standard output is a terminal; name a file, or pipe it: xdpcap ... - | tcpdump -r -");
    return cli::kExitUsage;
  }
  return run(*options);
}
