// SPDX-License-Identifier: BSD-3-Clause
//
// xdpcap: captures packets from an XDP program's hook into a pcapng file.
//
//     options -> filter -> hook -> memory -> guardian: a place among the captures there, capture programs, loaded
//             -> output -> capture programs, in the slots -> file header -> loop
//
// in the order of what can be undone: nothing is touched before everything that can be checked has
// been; from the place on, the guardian gives it back on every way out.

#include <cbpfc/pcap_filter.h>
#include <fmt/core.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>

#include "base/process_start.h"
#include "base/report.h"
#include "xdpcap/capture/capture_loop.h"
#include "xdpcap/capture/count_loop.h"
#include "xdpcap/command/guarded_capture.h"
#include "xdpcap/command/hook_commands.h"
#include "xdpcap/command/ingress.h"
#include "xdpcap/command/output_name.h"
#include "xdpcap/command/signals.h"
#include "xdpcap/command/xdpcap_options.h"
#include "xdpcap/command/xdpcap_privileges.h"
#include "xdpcap/command/xdpcap_reload.h"
#include "xdpcap/command/xdpcap_report.h"
#include "xdpcap/command/xdpcap_start.h"
#include "xdpcap/command/xdpcap_statistics.h"
#include "xdpcap/hook/hook.h"
#include "xdpcap/inspect/hook_diagnosis.h"
#include "xdpcap/inspect/hook_inventory.h"
#include "xdpcap/inspect/hook_proof.h"
#include "xdpcap/pcapng/file_sink.h"
#include "xdpcap/privilege/reduce.h"
#include "xdpcap/sharing/hook_capture.h"
#include "xdpcap/statistics/status.h"

namespace {

using namespace xdpcap;  // NOLINT(google-build-using-namespace): this file is the program

Result<int> print(std::string_view text) {
  TRY(cli::print_to_stdout(text));
  return cli::kExitSuccess;
}

struct Signals {
  cli::StopSignals stop;
  cli::RequestSignals requests;             ///< for FilterReload
  std::optional<cli::RequestSignals> dump;  ///< for the flight recorder
};

/// A capture that may begin: all that was asked for has been checked.
struct PreparedCapture {
  const XdpcapOptions& options;
  Hook& hook;
  const cbpfc::Filter& filter;
  const std::vector<Action>& actions;
  const Signals& signals;
  const std::optional<User>& user;
  const CaptureFiles& files;
  std::optional<FlightRecorder>& recorder;
  std::vector<IngressInterface> ingress = {};       ///< where packets come from
  std::string obstacle = {};                        ///< to packets on their way to the hook
  std::unique_ptr<StatisticsOutlets> outlets = {};  ///< once the capture is ready
};

class HookSource final : public CaptureSource {
 public:
  HookSource(GuardedCapture& guarded, FilterReload& reload)
      : guarded_(&guarded), reload_(&reload) {}
  Result<std::vector<ActionCounters>> counters_by_cpu() override {
    return guarded_->capture().counters_by_cpu();
  }
  Result<void> detach() override {
    reload_->stop();
    return guarded_->leave();
  }

 private:
  GuardedCapture* guarded_;
  FilterReload* reload_;
};

// Those of the outlets, and the guardian's if the user wants to read anything.
StatisticsReaders make_readers_of(const PreparedCapture& prepared, GuardedCapture& guarded) {
  StatisticsReaders readers = prepared.outlets->readers();
  if (prepared.options.is_silent) {
    return readers;
  }
  readers.once_a_second = [once_a_second = std::move(readers.once_a_second),
                           &guarded](const CaptureStatistics& statistics) {
    guarded.note(statistics);
    if (once_a_second) {
      once_a_second(statistics);
    }
  };
  return readers;
}

// Where packets come from: for the file, and for a warning.  A capture does without it if it may not be asked for.
void look_for_interfaces(PreparedCapture& prepared) {
  if (const Result<HookFacts> facts = hook_facts(prepared.hook, Scope::AllNamespaces)) {
    prepared.ingress = ingress_of(*facts);
    prepared.obstacle = certain_obstacle(*facts);
  }
}

// A guardian, and what only that takes is given up; a place on the hook, and programs that are loaded.
Result<std::unique_ptr<GuardedCapture>> start_capture(PreparedCapture& prepared,
                                                      const HookCaptureOptions& options,
                                                      int output_fd = -1) {
  std::unique_ptr<GuardedCapture> guarded = TRY(GuardedCapture::prepare(
      prepared.hook, prepared.filter, prepared.options, options, output_fd));
  look_for_interfaces(prepared);  // meanwhile the guardian loads the programs
  prepared.hook.close();
  TRY(give_up_before_output(prepared.user));
  TRY(guarded->get_place());
  return guarded;
}

// With the output open: what only that took is given up, then come the slots.
Result<void> get_ready(PreparedCapture& prepared, GuardedCapture& guarded) {
  TRY(give_up_after_output());
  prepared.outlets =
      TRY(StatisticsOutlets::open(prepared.options, prepared.actions, prepared.files.statistics));
  return guarded.enter();
}

// Once all else is right: an error should stand alone.
void warn(const PreparedCapture& prepared) {
  if (prepared.options.is_silent) {
    return;
  }
  if (!prepared.obstacle.empty()) {
    say(fmt::format("warning: hook {}: {}", prepared.hook.path(), prepared.obstacle));
  }
  if (const std::string warning = shared_user_warning(prepared.user); !warning.empty()) {
    say(warning);
  }
}

// Once no other file is opened: what is left of reaching files goes, which is a thread's, then come threads, then system calls go.
Result<FilterReload> start_threads(const PreparedCapture& prepared, const GuardedCapture& guarded) {
  TRY(restrict_files(prepared.options, prepared.files));
  TRY(prepared.outlets->start());
  FilterReload reload = TRY(FilterReload::start(guarded, prepared.options, prepared.files.filter,
                                                prepared.signals.requests));
  TRY(restrict_capture(prepared.options, prepared.files));
  warn(prepared);
  return reload;
}

PcapngSection section_of(const PreparedCapture& prepared) {
  return make_section(prepared.options, prepared.actions, prepared.ingress);
}

// The header of the file; a flight recorder writes its own with every dump.
Result<PcapngWriter> make_writer(FileSink& sink, const PreparedCapture& prepared) {
  if (prepared.recorder) {
    return PcapngWriter(sink);
  }
  return PcapngWriter::start(sink, section_of(prepared));
}

// From the header of the file to its end.
Result<int> run_to_end(GuardedCapture& guarded, FileSink& sink, const PreparedCapture& prepared) {
  HookCapture& capture = guarded.capture();
  const XdpcapOptions& options = prepared.options;
  const RecordReaders rings = TRY(make_readers(capture.rings()));
  sink.set_stop_fd(prepared.signals.stop.fd());
  Result<PcapngWriter> writer = make_writer(sink, prepared);
  if (!writer && writer.error().sys_errno == EPIPE) {
    return cli::kExitSuccess;  // the reader has seen enough
  }
  if (!writer) {
    return std::unexpected(writer.error());
  }
  CaptureLoopOptions loop{.actions = prepared.actions,
                          .sole_ifindex = sole_ifindex(prepared.ingress),
                          .wake_fd = capture.rings().wake_fd(),
                          .signal_fd = prepared.signals.stop.fd(),
                          .output_fd = sink.fd(),
                          .most_packets = options.limits.most_packets,
                          .flush = options.flush,
                          .readers = {},
                          .recorder = std::nullopt,
                          .watch = &guarded};
  if (prepared.recorder) {
    loop.recorder =
        recorder_options(*prepared.recorder, options, section_of(prepared), *prepared.signals.dump);
  }
  FilterReload reload = TRY(start_threads(prepared, guarded));
  loop.readers = make_readers_of(prepared, guarded);
  HookSource source(guarded, reload);
  SystemTime time;
  const CaptureSummary summary = run_capture(source, rings, *writer, sink, time, loop);
  prepared.outlets->end_status_line();
  const int exit_code = conclude(summary, options);
  return guarded.has_missed() ? cli::kExitFailure : exit_code;
}

// Counting, from a hook that may be entered to the end.
Result<int> count_hook(PreparedCapture& prepared) {
  const XdpcapOptions& options = prepared.options;
  if (prepared.signals.stop.wait(std::chrono::milliseconds(0))) {
    return cli::kExitSuccess;
  }
  const std::unique_ptr<GuardedCapture> guarded =
      TRY(start_capture(prepared, {.actions = prepared.actions, .counts_only = true}));
  TRY(get_ready(prepared, *guarded));
  FilterReload reload = TRY(start_threads(prepared, *guarded));
  HookSource source(*guarded, reload);
  SystemTime time;
  const CaptureSummary summary = run_count(source, time,
                                           {.actions = prepared.actions,
                                            .signal_fd = prepared.signals.stop.fd(),
                                            .readers = make_readers_of(prepared, *guarded),
                                            .watch = guarded.get()});
  prepared.outlets->end_status_line();
  const bool has_line = summary.are_totals_known && !options.json;  // which says the same
  const Result<int> printed =
      has_line ? print(cli::format_counts(sum(summary.totals)) + "\n") : cli::kExitSuccess;
  const bool is_whole = all_were_handed_on(summary) && !guarded->has_missed();
  if (summary.error) {
    return std::unexpected(*summary.error);
  }
  return printed && !is_whole ? cli::kExitFailure : printed;
}

// The output, kept from other captures.
Result<FileSink> open_output(const XdpcapOptions& options, UniqueFd pipe) {
  FileSink sink = TRY(FileSink::open(options.output, options.output_mode));
  pipe.reset();  // behind the lock, this would end it
  if (!TRY(sink.lock()) && !options.is_silent) {
    say(fmt::format("warning: {} cannot be locked; a second capture into it would not be refused",
                    options.output));
  }
  return sink;
}

// From a hook that may be entered to the end.
Result<int> capture_hook(PreparedCapture& prepared) {
  const XdpcapOptions& options = prepared.options;
  UniqueFd pipe;
  if (await_reader(options.output, trusted_users(prepared.user), prepared.signals.stop, pipe) ==
          Waited::Stopped ||
      prepared.signals.stop.wait(std::chrono::milliseconds(0))) {
    return cli::kExitSuccess;
  }
  const std::unique_ptr<GuardedCapture> guarded =
      TRY(start_capture(prepared,
                        {.actions = prepared.actions,
                         .snaplen_bytes = options.snaplen_bytes,
                         .ring_bytes = options.ring_bytes,
                         .watermark_bytes = options.watermark_bytes,
                         .limits = options.limits,
                         .transport = options.transport},
                        pipe.get()));
  const bool has_waited = pipe.is_open();
  Result<FileSink> sink = open_output(options, std::move(pipe));
  if (!sink && has_waited && sink.error().sys_errno == ENXIO) {
    return cli::kExitSuccess;  // the reader has gone again
  }
  if (!sink) {
    return std::unexpected(sink.error());
  }
  const auto run = [&]() -> Result<int> {
    TRY(get_ready(prepared, *guarded));
    if (options.verbose) {
      describe(guarded->capture(), prepared.filter, options);
    }
    return run_to_end(*guarded, *sink, prepared);
  };
  Result<int> exit_code = run();
  if (!exit_code) {
    sink->remove_if_created();
  }
  return exit_code;
}

// SIGUSR1 is the flight recorder's; without one, FilterReload says so.
Result<Signals> block_signals(const XdpcapOptions& options) {
  cli::StopSignals stop = TRY(cli::StopSignals::block());
  if (!options.recorder_bytes) {
    return Signals{.stop = std::move(stop),
                   .requests = TRY(cli::RequestSignals::block({SIGUSR1, SIGUSR2})),
                   .dump = std::nullopt};
  }
  return Signals{.stop = std::move(stop),
                 .requests = TRY(cli::RequestSignals::block({SIGUSR2})),
                 .dump = TRY(cli::RequestSignals::block({SIGUSR1}))};
}

Result<int> run(XdpcapOptions options) {
  const std::optional<User> user = TRY(chosen_user(options));
  const CaptureFiles files = TRY(find_files(options, user));
  GivenFilter filter = TRY(given_filter(options, files));
  options.filter = std::move(filter.text);
  const Signals signals = TRY(block_signals(options));
  Hook hook = TRY(Hook::open(options.hook_path));
  const std::vector<Action> actions = choose_actions(hook, options);
  if (const std::string warning = missing_slots_warning(hook);
      !options.actions && !warning.empty()) {
    say(warning);
  }
  TRY(check_triggers(options, actions));
  std::optional<FlightRecorder> recorder = TRY(allocate_recorder(options));
  if (options.wait) {
    if (!options.counts_only) {
      TRY(FileSink::check(options.output, trusted_users(user)));
    }
    if (TRY(await_owner(hook, signals.stop)) == Waited::Stopped) {
      return cli::kExitSuccess;
    }
  }
  TRY(check_may_capture(hook, actions));
  if (!options.force) {
    const HookFacts facts = TRY(hook_facts(hook, Scope::Nowhere));
    TRY(check_is_hook(hook, facts));
  }
  PreparedCapture prepared{.options = options,
                           .hook = hook,
                           .filter = filter.filter,
                           .actions = actions,
                           .signals = signals,
                           .user = user,
                           .files = files,
                           .recorder = recorder};
  return options.counts_only ? count_hook(prepared) : capture_hook(prepared);
}

// Those that the file of xdpcap may have: all that open no files.
constexpr std::array kCapabilitiesOfFile = {Capability::Bpf, Capability::NetAdmin,
                                            Capability::Perfmon, Capability::SysAdmin};

// `like_original`: whether -compat was given.
int run_command(int argc, char** argv, bool& like_original) {
  const MachineLimits limits = machine_limits();
  const Result<XdpcapOptions> options = parse_xdpcap_options(argc, argv, limits, &like_original);
  if (!options) {
    return report(options.error(), false, cli::kExitUsage);
  }
  const auto end = [&](const Result<int>& done) {
    return done ? *done : report(done.error(), options->verbose);
  };
  switch (options->request) {
    case Request::Help: return end(print(xdpcap_help(limits)));
    case Request::Version:
      return end(print(fmt::format("xdpcap {}\n{}\n", XDPCAP_VERSION, cbpfc::libpcap_version())));
    case Request::List: return end(list_hooks(*options));
    case Request::Status: return end(show_hook(*options));
    case Request::Detach: return end(detach_captures(*options));
    case Request::Diagnose: return end(diagnose_hook(*options));
    case Request::Capture: break;
  }
  if (options->is_to_stdout() && ::isatty(STDOUT_FILENO) == 1) {
    say("standard output is a terminal; name a file, or pipe it: xdpcap ... - | tcpdump -r -");
    return cli::kExitUsage;
  }
  if (!options->counts_only) {
    if (const Result<void> named = check_output_name(*options); !named) {
      return report(named.error(), false, cli::kExitUsage);
    }
  }
  return end(run(*options));
}

}  // namespace

int main(int argc, char** argv) {
  if (const Result<void> fit = check_start(kCapabilitiesOfFile); !fit) {
    return report(fit.error(), false);
  }
  cli::occupy_standard_descriptors();
  cli::heed_interrupts();
  cli::end_without_memory();
  bool like_original = false;
  const int exit_code = run_command(argc, argv, like_original);
  return like_original ? cli::original_exit_code(exit_code) : exit_code;
}
