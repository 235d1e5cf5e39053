// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/command/xdpcap_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/numbers.h"
#include "base/options.h"
#include "xdpcap/capture/flight_recorder.h"
#include "xdpcap/command/xdpcap_option_table.h"
#include "xdpcap/kernel/cpus.h"

namespace xdpcap {

namespace {

constexpr std::uint64_t kUsualMostWatermarkBytes = 256ULL << 10U;

/// What a request takes behind the options.
struct Operands {
  std::size_t needed;
  std::string_view usage;
};

Operands operands_of(const XdpcapOptions& options) {
  switch (options.request) {
    case Request::List: return {.needed = 0, .usage = "xdpcap -list [-json]"};
    case Request::Status: return {.needed = 1, .usage = "xdpcap -status [-json] <hook>"};
    case Request::Detach: return {.needed = 1, .usage = "xdpcap -detach <hook> [<pid>]"};
    case Request::Diagnose: return {.needed = 1, .usage = "xdpcap -diagnose <hook> [<filter>]"};
    default: break;
  }
  return options.counts_only
             ? Operands{.needed = 1, .usage = "xdpcap [options] <hook> [<filter>]"}
             : Operands{.needed = 2, .usage = "xdpcap [options] <hook> <output> [<filter>]"};
}

Result<void> check_no_more(const std::vector<std::string>& operands, std::size_t most,
                           std::string_view usage) {
  if (operands.size() > most) {
    return fail(Errc::InvalidArgument,
                fmt::format("\"{}\" is one word too many; usage: {}", operands[most], usage));
  }
  return {};
}

Result<void> take_operands(XdpcapOptions& options, const std::vector<std::string>& operands) {
  constexpr std::array<std::string_view, 2> kNames = {"<hook>", "<output>"};
  const auto [needed, usage] = operands_of(options);
  for (std::size_t i = 0; i < needed; ++i) {
    if (operands.size() <= i || operands[i].empty()) {
      return fail(Errc::InvalidArgument, fmt::format("{} is missing; usage: {}", kNames[i], usage));
    }
  }
  options.hook_path = needed > 0 ? operands[0] : std::string();
  options.output = needed > 1 ? operands[1] : std::string();
  if (options.request == Request::List || options.request == Request::Status) {
    return check_no_more(operands, needed, usage);
  }
  if (options.request == Request::Detach) {
    if (operands.size() > needed) {
      constexpr std::uint64_t kMostPid = 1ULL
                                         << 22U;  // Linux include/linux/threads.h PID_MAX_LIMIT
      options.detach_pid = static_cast<std::uint32_t>(
          TRY(cli::parse_number(operands[needed], 1, kMostPid).with_context("<pid>")));
    }
    return check_no_more(operands, needed + 1, usage);
  }
  options.filter = fmt::format("{}", fmt::join(std::span(operands).subspan(needed), " "));
  if (options.filter_file && operands.size() > needed) {
    return fail(Errc::InvalidArgument,
                fmt::format("filter \"{}\": -F {} gives one, too; leave one of them out",
                            options.filter, *options.filter_file));
  }
  return {};
}

/// Refuses options that contradict each other.
Result<void> check_combination(const XdpcapOptions& options) {
  if (options.counts_only && options.limits.any()) {
    return fail(
        Errc::InvalidArgument,
        "option -count: nothing is recorded, so -c, -sample, -rate and -per-flow limit nothing; "
        "leave them out");
  }
  if (options.counts_only && options.recorder_bytes) {
    return fail(
        Errc::InvalidArgument,
        "option -count: nothing is recorded, so -ring keeps nothing; leave one of them out");
  }
  if (options.wants_json && options.request != Request::List &&
      options.request != Request::Status) {
    return fail(Errc::InvalidArgument,
                "option -json: it goes with -list and -status; for statistics use -stats-json");
  }
  if (options.is_passive && options.request != Request::Diagnose) {
    return fail(Errc::InvalidArgument, "option -passive: it goes with -diagnose");
  }
  if (options.counts_only && options.output_mode) {
    return fail(
        Errc::InvalidArgument,
        "option -count: -mode has no effect, because no file is written; leave one of them out");
  }
  if (!options.triggers.empty() && !options.recorder_bytes) {
    return fail(Errc::InvalidArgument,
                "option -trigger: there is nothing to write out without -ring BYTES; add that");
  }
  return {};
}

Result<void> check_recorder(const XdpcapOptions& options, const MachineLimits& limits) {
  if (!options.recorder_bytes) {
    return {};
  }
  const std::uint64_t packet_bytes = FlightRecorder::packet_bytes(options.snaplen_bytes);
  if (*options.recorder_bytes < packet_bytes) {
    return fail(Errc::InvalidArgument,
                fmt::format("option -ring: {} bytes cannot hold a packet, which takes up to {}; "
                            "give it more, or lower -snaplen",
                            *options.recorder_bytes, packet_bytes));
  }
  if (*options.recorder_bytes > limits.memory_bytes) {
    return fail(
        Errc::InvalidArgument,
        fmt::format("option -ring: {} bytes are more than the {} of this machine; give it less",
                    *options.recorder_bytes, limits.memory_bytes));
  }
  for (const RateLimit& limit : options.triggers) {
    if (options.actions &&
        std::ranges::find(*options.actions, limit.action) == options.actions->end()) {
      return fail(Errc::InvalidArgument,
                  fmt::format("option -trigger: {} is not captured; add it to -actions",
                              name(limit.action)));
    }
  }
  return {};
}

/// What a file gets that open(2) creates with 0666.
mode_t usual_mode_of_others() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return 0666 & ~mask;
}

Result<void> set_defaults(WrittenOptions& written) {
  XdpcapOptions& options = written.options;
  if (options.like_original) {
    options.wait = true;
    options.output_mode = options.output_mode.value_or(usual_mode_of_others());
  }
  options.is_silent = options.quiet;
  if (options.is_to_stdout()) {
    options.quiet = true;
    options.flush = true;
  }
  options.ring_bytes = written.buffer_bytes;
  const bool is_ring_small = options.ring_bytes < kLeastUsualBufferBytes;
  const std::uint64_t usual_bytes =
      options.flush || is_ring_small ? 1
                                     : std::min(options.ring_bytes / 8, kUsualMostWatermarkBytes);
  const std::uint64_t watermark_bytes =
      std::max<std::uint64_t>(written.watermark_bytes.value_or(usual_bytes), 1);
  if (watermark_bytes > options.ring_bytes) {
    return fail(Errc::InvalidArgument,
                fmt::format("option -watermark: {} is more than the ring's {} bytes; see -buffer",
                            watermark_bytes, options.ring_bytes));
  }
  options.watermark_bytes = static_cast<std::uint32_t>(watermark_bytes);
  return {};
}

}  // namespace

MachineLimits machine_limits() {
  const auto ask = [](int name) {
    return static_cast<std::uint64_t>(std::max(1L, ::sysconf(name)));
  };
  // Where it is not known, the rings will say why.
  return {.cpus = present_cpus().value_or(1),
          .memory_bytes = ask(_SC_PHYS_PAGES) * ask(_SC_PAGESIZE)};
}

Result<XdpcapOptions> parse_xdpcap_options(int argc, char** argv, const MachineLimits& limits,
                                           bool* like_original) {
  WrittenOptions written;
  written.buffer_bytes = usual_buffer_bytes(limits);
  const std::vector<cli::Option> table = make_option_table(written, limits);
  const Result<std::vector<std::string>> parsed = cli::parse_options(table, argc, argv);
  if (like_original != nullptr) {
    *like_original = written.options.like_original;
  }
  const std::vector<std::string> operands = TRY(parsed);
  if (written.wants_help || written.wants_version) {
    written.options.request = written.wants_help ? Request::Help : Request::Version;
    return written.options;
  }
  if (written.requests.size() > 1) {
    return fail(Errc::InvalidArgument,
                "-list, -status, -detach and -diagnose exclude each other; give one of them");
  }
  if (!written.requests.empty()) {
    written.options.request = written.requests.front();
  }
  TRY(check_combination(written.options));
  TRY(check_recorder(written.options, limits));
  TRY(take_operands(written.options, operands));
  TRY(set_defaults(written));
  return written.options;
}

std::string xdpcap_help(const MachineLimits& limits) {
  WrittenOptions unused;
  return "Usage: xdpcap [options] <hook> <output> [<filter>]\n"
         "       xdpcap -count [options] <hook> [<filter>]\n"
         "       xdpcap -list | -status <hook> | -detach <hook> [<pid>] |\n"
         "              -diagnose <hook> [<filter>]\n"
         "\n"
         "Captures packets from an XDP program's hook, with the action the program chose.\n"
         "\n"
         "  <hook>    path of the pinned hook, such as /sys/fs/bpf/hook\n"
         "  <output>  pcapng file, or - for standard output (implies -q and -flush);\n"
         "            a file whose name reads as a filter: ./udp\n"
         "  <filter>  expression as tcpdump takes it, or a program as tcpdump -ddd prints\n"
         "            it; default: everything\n"
         "\n"
         "Options:\n" +
         cli::options_help(make_option_table(unused, limits)) +
         "\n"
         "BYTES may have K, M or G behind it, for so many KiB, MiB or GiB.  Numbers may be\n"
         "written as 8192, 8_192, 0x2000, 0b1010 and 0o17; a leading 0 also means octal.\n"
         "\n"
         "Stops on SIGINT, SIGTERM, SIGHUP, and when the reader of its output goes away.\n"
         "SIGUSR1 writes out what -ring keeps, SIGUSR2 reads the filter of -F again.\n"
         "Exit status: 0 success, 1 failed, 2 wrong usage.  Packets that were lost are no\n"
         "failure: their number is said at the end, also with -q, and stands in the file.\n"
         "An error is one line on standard error; below a syntax error in a filter, two\n"
         "more lines show the place.\n"
         "\n"
         "  xdpcap /sys/fs/bpf/hook capture.pcap \"ip and udp port 53\"\n"
         "  xdpcap /sys/fs/bpf/hook - \"ip and udp port 53\" | tcpdump -r -\n"
         "  xdpcap -actions drop -rate 1000 /sys/fs/bpf/hook dropped.pcap\n"
         "  xdpcap -ring 256M -trigger drop:100000 /sys/fs/bpf/hook attack.pcap\n"
         "  xdpcap -count /sys/fs/bpf/hook \"tcp[tcpflags] == tcp-syn\"\n";
}

}  // namespace xdpcap
