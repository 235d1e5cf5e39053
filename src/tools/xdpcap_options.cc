// SPDX-License-Identifier: BSD-3-Clause

#include "tools/xdpcap_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <span>

#include "attach/abi.h"
#include "cli/numbers.h"
#include "cli/options.h"

namespace xdpcap {

namespace {

// Largest size of a BPF map that is a power of two; max_entries is 32 bits.
constexpr std::uint64_t kMostRingBytes = 1ULL << 31U;
constexpr std::uint64_t kUsualBufferBytes = 4ULL << 20U;
constexpr std::uint64_t kUsualMostWatermarkBytes = 256ULL << 10U;

// As written; defaults that depend on other options are still open.
struct Written {
  XdpcapOptions options;
  std::uint64_t buffer_bytes = 0;
  std::optional<std::uint64_t> watermark_bytes;
  bool wants_help = false;
  bool wants_version = false;
};

std::uint64_t most_buffer_bytes(const MachineLimits& limits) {
  return std::min(kMostRingBytes, limits.memory_bytes) / limits.possible_cpus;
}

std::uint64_t usual_buffer_bytes(const MachineLimits& limits) {
  return std::min(kUsualBufferBytes, most_buffer_bytes(limits));
}

// A setter that reads a number into `target`, which may be optional.
template <typename Target>
auto into_number(Target& target, std::uint64_t least, std::uint64_t most) {
  return [&target, least, most](std::string_view text) -> Result<void> {
    const std::uint64_t number = TRY(cli::parse_number(text, least, most));
    if constexpr (std::is_same_v<Target, std::uint32_t> ||
                  std::is_same_v<Target, std::optional<std::uint32_t>>) {
      target = static_cast<std::uint32_t>(number);
    } else {
      target = number;
    }
    return {};
  };
}

// Setters keep references to `written`.
std::vector<cli::Option> make_capture_rows(Written& written, const MachineLimits& limits) {
  XdpcapOptions& options = written.options;
  return {
      {.name = "actions",
       .argument = "LIST",
       .help = "capture packets with these actions: names or numbers, separated\n"
               "by commas (XDPDrop,pass,3); default: all the hook has slots for",
       .set = [&options](std::string_view text) -> Result<void> {
         options.actions = TRY(parse_actions(text));
         return {};
       }},
      {.name = "buffer",
       .argument = "BYTES",
       .help =
           fmt::format("ring buffer of each of the {} possible CPUs, from 1 to {},\n"
                       "rounded up to a power of two; default: {}",
                       limits.possible_cpus, most_buffer_bytes(limits), usual_buffer_bytes(limits)),
       .set = into_number(written.buffer_bytes, 1, most_buffer_bytes(limits))},
      {.name = "watermark",
       .argument = "BYTES",
       .help = "wake up when a ring holds this much; no packet waits longer\n"
               "than 100 ms; default: an eighth of the ring, 262144 at most; 1, which\n"
               "is at once, for rings smaller than that and with -flush",
       .set = into_number(written.watermark_bytes, 1, kMostRingBytes)},
      {.name = "transport",
       .argument = "NAME",
       .help = "how packets come from the kernel: classes, dynptr, linear or perf;\n"
               "default: the first of these that it has; see -v",
       .set = [&options](std::string_view text) -> Result<void> {
         options.transport = TRY(parse_transport(text));
         return {};
       }},
      {.name = "flush", .help = "write every packet at once", .set = cli::into(options.flush)},
      {.name = "linktype",
       .argument = "TYPE",
       .help = "what the packets start with, as libpcap's name or number;\n"
               "default: EN10MB",
       .set = [&options](std::string_view text) -> Result<void> {
         options.link_type = TRY(cbpfc::parse_link_type(text));
         return {};
       }},
      {.name = "F",
       .argument = "FILE",
       .help = "read the filter from this file; the signal SIGUSR2 reads it again\n"
               "and changes the filter of the running capture",
       .set = [&options](std::string_view text) -> Result<void> {
         options.filter_file = text;
         return {};
       }},
      {.name = "snaplen",
       .short_name = 's',
       .argument = "BYTES",
       .help = "keep this many bytes of a packet, from 1 to 65535; default: 65535",
       .set = into_number(options.snaplen_bytes, 1, abi::kMaxCapturedBytes)},
  };
}

std::vector<cli::Option> make_limit_rows(XdpcapOptions& options) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  constexpr std::uint64_t kMostSample = std::numeric_limits<std::uint32_t>::max();
  constexpr std::uint64_t kMostRate = 1'000'000'000;
  return {
      {.name = "c",
       .argument = "N",
       .help = "stop after N packets, over all actions and CPUs",
       .set = into_number(options.limits.most_packets, 1, kMost)},
      {.name = "sample",
       .argument = "N",
       .help = "capture one in N matching packets, at random",
       .set = into_number(options.limits.sample_one_in, 1, kMostSample)},
      {.name = "rate",
       .argument = "N",
       .help = "capture at most N packets a second of each action, in bursts\n"
               "of a tenth of that",
       .set = into_number(options.limits.packets_per_second, 1, kMostRate)},
      {.name = "per-flow",
       .argument = "N",
       .help = "capture the first N packets of each flow: addresses, protocol and\n"
               "ports, in one direction",
       .set = into_number(options.limits.packets_per_flow, 1, kMost)},
      {.name = "count",
       .help = "only count packets, received and matched, until stopped;\n"
               "there is no <output>",
       .set = cli::into(options.counts_only)},
  };
}

std::vector<cli::Option> make_table(Written& written, const MachineLimits& limits) {
  XdpcapOptions& options = written.options;
  std::vector<cli::Option> table = make_capture_rows(written, limits);
  std::ranges::move(make_limit_rows(options), std::back_inserter(table));
  const std::vector<cli::Option> others = {
      {.name = "wait",
       .help = "wait until a program uses the hook, instead of failing",
       .set = cli::into(options.wait)},
      {.name = "stats-json",
       .help = "print all counters once a second and at the end as a line of\n"
               "JSON, on standard output (with <output> -: on standard error)",
       .set = cli::into(options.json)},
      {.name = "stats-prometheus",
       .argument = "PATH",
       .help = "keep all counters in this file, for a node exporter; unix:PATH:\n"
               "serve them at a Unix socket",
       .set = [&options](std::string_view text) -> Result<void> {
         if (text.empty() || text == "unix:") {
           return fail(Errc::InvalidArgument, "no path is given");
         }
         options.prometheus = text;
         return {};
       }},
      {.name = "q",
       .help = "print no statistics on standard error",
       .set = cli::into(options.quiet)},
      {.name = "v",
       .help = "say what was chosen; show complete verifier logs",
       .set = cli::into(options.verbose)},
      {.name = "help",
       .short_name = 'h',
       .help = "print this and exit",
       .set = cli::into(written.wants_help)},
      {.name = "version",
       .help = "print the version and exit",
       .set = cli::into(written.wants_version)},
  };
  table.insert(table.end(), others.begin(), others.end());
  return table;
}

Result<void> take_operands(XdpcapOptions& options, const std::vector<std::string>& operands) {
  constexpr std::array<std::string_view, 2> kNames = {"<hook>", "<output>"};
  const std::size_t needed = options.counts_only ? 1 : 2;
  for (std::size_t i = 0; i < needed; ++i) {
    if (operands.size() <= i || operands[i].empty()) {
      return fail(Errc::InvalidArgument,
                  fmt::format("{} is missing; usage: xdpcap [options] <hook> {}[<filter>]",
                              kNames[i], options.counts_only ? "" : "<output> "));
    }
  }
  options.hook_path = operands[0];
  options.output = options.counts_only ? std::string() : operands[1];
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
  return {};
}

Result<void> set_defaults(Written& written) {
  XdpcapOptions& options = written.options;
  if (options.is_to_stdout()) {
    options.quiet = true;
    options.flush = true;
  }
  options.ring_bytes = written.buffer_bytes;
  const bool is_ring_small = options.ring_bytes < kUsualMostWatermarkBytes;
  const std::uint64_t usual_bytes =
      options.flush || is_ring_small ? 1
                                     : std::min(options.ring_bytes / 8, kUsualMostWatermarkBytes);
  const std::uint64_t watermark_bytes = written.watermark_bytes.value_or(usual_bytes);
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
  return {.possible_cpus = ask(_SC_NPROCESSORS_CONF),
          .memory_bytes = ask(_SC_PHYS_PAGES) * ask(_SC_PAGESIZE)};
}

Result<XdpcapOptions> parse_xdpcap_options(int argc, char** argv, const MachineLimits& limits) {
  Written written;
  written.buffer_bytes = usual_buffer_bytes(limits);
  const std::vector<cli::Option> table = make_table(written, limits);
  const std::vector<std::string> operands = TRY(cli::parse_options(table, argc, argv));
  if (written.wants_help || written.wants_version) {
    written.options.request = written.wants_help ? Request::Help : Request::Version;
    return written.options;
  }
  TRY(check_combination(written.options));
  TRY(take_operands(written.options, operands));
  TRY(set_defaults(written));
  return written.options;
}

std::string xdpcap_help(const MachineLimits& limits) {
  Written unused;
  return "Usage: xdpcap [options] <hook> <output> [<filter>]\n"
         "       xdpcap -count [options] <hook> [<filter>]\n"
         "\n"
         "Captures packets from an XDP program's hook, with the action the program chose.\n"
         "\n"
         "  <hook>    path of the pinned hook, such as /sys/fs/bpf/hook\n"
         "  <output>  pcapng file, or - for standard output (implies -q and -flush)\n"
         "  <filter>  expression as tcpdump takes it, or a program as tcpdump -ddd prints it;\n"
         "            default: everything\n"
         "\n"
         "Options:\n" +
         cli::options_help(make_table(unused, limits)) +
         "\n"
         "Stops on SIGINT, SIGTERM, SIGHUP, and when the reader of its output goes away.\n"
         "Exit status: 0 success, 1 failed, 2 wrong usage.  An error is one line on standard\n"
         "error; below a syntax error in a filter, two more lines show the place.\n"
         "\n"
         "  xdpcap /sys/fs/bpf/hook capture.pcap \"ip and udp port 53\"\n"
         "  xdpcap /sys/fs/bpf/hook - \"ip and udp port 53\" | tcpdump -r -\n"
         "  xdpcap -actions drop -rate 1000 /sys/fs/bpf/hook dropped.pcap\n"
         "  xdpcap -count /sys/fs/bpf/hook \"tcp[tcpflags] == tcp-syn\"\n";
}

}  // namespace xdpcap
