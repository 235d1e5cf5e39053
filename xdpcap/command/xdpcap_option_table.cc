// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/command/xdpcap_option_table.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <iterator>
#include <limits>
#include <system_error>
#include <type_traits>
#include <utility>

#include "base/numbers.h"
#include "base/text.h"
#include "cbpfc/input/link_type.h"
#include "xdpcap/pcapng/pcapng_writer.h"
#include "xdpcap/program/abi.h"
#include "xdpcap/program/filter_code.h"
#include "xdpcap/program/shared_ring.h"

namespace xdpcap {

namespace {

// Largest size of a BPF map that is a power of two; max_entries is 32 bits.
constexpr std::uint64_t kMostRingBytes = 1ULL << 31U;
constexpr std::uint64_t kMostRate = 1'000'000'000;  // packets a second
constexpr std::uint64_t kMostUsualBufferBytes = 4ULL << 20U;

std::uint64_t most_buffer_bytes(const MachineLimits& limits) {
  return std::min(kMostRingBytes, limits.memory_bytes) / limits.cpus;
}

using ParseNumber = Result<std::uint64_t> (*)(std::string_view, std::uint64_t, std::uint64_t);

// A setter that reads a number into `target`, which may be optional.
template <typename Target>
auto into_number(Target& target, std::uint64_t least, std::uint64_t most,
                 ParseNumber parse = cli::parse_number) {
  return [&target, least, most, parse](std::string_view text) -> Result<void> {
    const std::uint64_t number = TRY(parse(text, least, most));
    if constexpr (std::is_same_v<Target, std::uint32_t> ||
                  std::is_same_v<Target, std::optional<std::uint32_t>>) {
      target = static_cast<std::uint32_t>(number);
    } else {
      target = number;
    }
    return {};
  };
}

template <typename Target>
auto into_bytes(Target& target, std::uint64_t least, std::uint64_t most) {
  return into_number(target, least, most, cli::parse_bytes);
}

// A setter that reads a value with `parse`.
template <typename Target, typename Parse>
auto into_parsed(Target& target, Parse parse) {
  return [&target, parse](std::string_view text) -> Result<void> {
    target = TRY(parse(text));
    return {};
  };
}

// A setter of a text, of which `what` must be given.
template <typename Target>
auto into_text(Target& target, const char* what) {
  return [&target, what](std::string_view text) -> Result<void> {
    if (text.empty()) {
      return fail(Errc::InvalidArgument, fmt::format("no {} is given", what));
    }
    target = text;
    return {};
  };
}

// Setters keep references to `written`.
std::vector<cli::Option> make_capture_rows(WrittenOptions& written, const MachineLimits& limits) {
  XdpcapOptions& options = written.options;
  return {
      {.name = "actions",
       .argument = "LIST",
       .help = "capture packets with these actions: names or numbers,\n"
               "separated by commas (XDPDrop,pass,3); default: all the\n"
               "hook has slots for",
       .set = into_parsed(options.actions, cli::parse_actions)},
      {.name = "buffer",
       .short_name = 'B',
       .argument = "BYTES",
       .help = fmt::format("ring buffer of each of the {} CPUs, from 1 to\n"
                           "{}, rounded up to a power of two that\n"
                           "holds a packet of -snaplen bytes: to {} at\n"
                           "least, unless -snaplen is given; default: {},\n"
                           "so that a capture takes 64 MiB at most, or the\n"
                           "smallest ring for each CPU",
                           limits.cpus, most_buffer_bytes(limits), kLeastUsualBufferBytes,
                           usual_buffer_bytes(limits)),
       .set = into_bytes(written.buffer_bytes, 1, most_buffer_bytes(limits))},
      {.name = "watermark",
       .argument = "BYTES",
       .help = "wake up when a ring holds this much; no packet waits\n"
               "longer than 100 ms; default: an eighth of the ring,\n"
               "262144 at most; 1, which is at once, for rings below\n"
               "131072 and with -flush; 0 means 1",
       .set = into_bytes(written.watermark_bytes, 0, kMostRingBytes)},
      {.name = "transport",
       .argument = "NAME",
       .help = fmt::format("how packets come from the kernel:\n"
                           "{};\n"
                           "default: the first of these that it has; see -v",
                           transport_names()),
       .set = into_parsed(options.transport, parse_transport)},
      {.name = "flush", .help = "write every packet at once", .set = cli::into(options.flush)},
      {.name = "linktype",
       .argument = "TYPE",
       .help = "what the packets start with, as libpcap's name or\n"
               "number, or as ethernet, 802.11, linux sll, prism,\n"
               "radiotap, usb; default: EN10MB",
       .set = into_parsed(options.link_type, cli::parse_link_type)},
      {.name = "F",
       .argument = "FILE",
       .help = "read the filter from this file; the signal SIGUSR2\n"
               "reads it again and changes the filter of the running\n"
               "capture",
       .set = [&options](std::string_view text) -> Result<void> {
         options.filter_file = text;
         return {};
       }},
      {.name = "snaplen",
       .short_name = 's',
       .argument = "BYTES",
       .help = "keep this many bytes of a packet, from 1 to 65535;\n"
               "default: 65535",
       .set = into_bytes(options.snaplen_bytes, 1, abi::kMaxCapturedBytes)},
  };
}

// "0644", the permissions of a file.
Result<mode_t> parse_mode(std::string_view text) {
  constexpr mode_t kMost = 0777;
  mode_t mode = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, mode, 8);
  if (text.empty() || rest != end || error != std::errc() || mode > kMost) {
    return fail(
        Errc::InvalidArgument,
        fmt::format("\"{}\" is not an octal number from 0 to 0777; give one, such as 0644", text));
  }
  return mode;
}

// "drop:100000".
Result<RateLimit> parse_trigger(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return fail(Errc::InvalidArgument,
                fmt::format("\"{}\" has no rate; give ACTION:PPS, such as drop:100000", text));
  }
  const std::vector<Action> actions = TRY(cli::parse_actions(text.substr(0, colon)));
  if (actions.size() != 1) {
    return fail(Errc::InvalidArgument,
                fmt::format("\"{}\" names {} actions; give the option for each of them", text,
                            actions.size()));
  }
  return RateLimit{
      .action = actions.front(),
      .packets_per_second = TRY(cli::parse_number(text.substr(colon + 1), 1, kMostRate))};
}

std::vector<cli::Option> make_recorder_rows(XdpcapOptions& options) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  return {
      {.name = "ring",
       .argument = "BYTES",
       .help = "flight recorder: keep the last packets in so much\n"
               "memory, and write them out on the signal SIGUSR1, by\n"
               "-trigger, and at the end",
       .set = into_bytes(options.recorder_bytes, 1, kMost)},
      {.name = "trigger",
       .argument = "ACTION:PPS",
       .help = "write them out when the hook receives more packets a\n"
               "second with this action (drop:100000); again after\n"
               "fewer; several can be given",
       .set = [&options](std::string_view text) -> Result<void> {
         options.triggers.push_back(TRY(parse_trigger(text)));
         return {};
       }},
  };
}

Result<OnBusy> parse_on_busy(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, OnBusy>, 3> kNames = {
      {{"chain", OnBusy::Chain}, {"fail", OnBusy::Fail}, {"replace", OnBusy::Replace}}};
  for (const auto& [name, value] : kNames) {
    if (text == name) {
      return value;
    }
  }
  return fail(Errc::InvalidArgument,
              fmt::format("\"{}\" is not known; it can be chain, fail or replace", text));
}

// A switch that asks for something else than a capture.
auto into_request(WrittenOptions& written, Request request) {
  return [&written, request](std::string_view text) -> Result<void> {
    bool is_on = false;
    TRY(cli::into(is_on)(text));
    if (is_on) {
      written.requests.push_back(request);
    }
    return {};
  };
}

std::vector<cli::Option> make_request_rows(WrittenOptions& written) {
  return {
      {.name = "list",
       .help = "show the hooks of this machine, their programs,\n"
               "interfaces and captures",
       .set = into_request(written, Request::List)},
      {.name = "status",
       .help = "the same for one: -status <hook>",
       .set = into_request(written, Request::Status)},
      {.name = "detach",
       .help = "end the captures on a hook, or one: -detach <hook>\n"
               "[<pid>]; also takes out what is left of captures that\n"
               "were killed; with -force, programs of other tools in\n"
               "the slots, too",
       .set = into_request(written, Request::Detach)},
      {.name = "diagnose",
       .help = "say, step by step, where packets get lost on the way\n"
               "to a capture: -diagnose <hook> [<filter>]; enters the\n"
               "hook to count for three seconds",
       .set = into_request(written, Request::Diagnose)},
      {.name = "passive",
       .help = "with -diagnose: only look, and put nothing into the\n"
               "hook",
       .set = cli::into(written.options.is_passive)},
      {.name = "json",
       .help = "with -list and -status: a line of JSON for each hook",
       .set = cli::into(written.options.wants_json)},
  };
}

std::vector<cli::Option> make_sharing_rows(XdpcapOptions& options) {
  return {
      {.name = "on-busy",
       .argument = "WHAT",
       .help = "when the hook has a capture already: chain (share it:\n"
               "each sees every packet), fail, or replace (end the\n"
               "others); default: chain",
       .set = into_parsed(options.on_busy, parse_on_busy)},
      {.name = "force",
       .help = "capture from a program array that is not shown to be a\n"
               "hook: where it is none, a capture changes what happens\n"
               "to packets",
       .set = cli::into(options.force)},
  };
}

std::vector<cli::Option> make_limit_rows(XdpcapOptions& options) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  constexpr std::uint64_t kMostSample = std::numeric_limits<std::uint32_t>::max();
  return {
      {.name = "c",
       .argument = "N",
       .help = "stop after N packets, over all actions and CPUs; 0:\n"
               "never",
       .set = [&options](std::string_view text) -> Result<void> {
         const std::uint64_t packets = TRY(cli::parse_number(text, 0, kMost));
         options.limits.most_packets = packets == 0 ? std::nullopt : std::optional(packets);
         return {};
       }},
      {.name = "sample",
       .argument = "N",
       .help = "capture one in N matching packets, at random",
       .set = into_number(options.limits.sample_one_in, 1, kMostSample)},
      {.name = "rate",
       .argument = "N",
       .help = "capture at most N packets a second of each action, in\n"
               "bursts of a tenth of that",
       .set = into_number(options.limits.packets_per_second, 1, kMostRate)},
      {.name = "per-flow",
       .argument = "N",
       .help = "capture the first N packets of each flow: addresses,\n"
               "protocol and ports, in one direction",
       .set = into_number(options.limits.packets_per_flow, 1, kMost)},
      {.name = "count",
       .help = "only count packets, received and matched, until\n"
               "stopped; there is no <output>",
       .set = cli::into(options.counts_only)},
  };
}

}  // namespace

std::uint64_t usual_buffer_bytes(const MachineLimits& limits) {
  const std::uint64_t around_bytes =
      shared_ring_layout(0).value_bytes + kWholePacketBytes;  // for each CPU, beside its ring
  const std::uint64_t share_bytes =
      (kUsualMemoryBytes - PcapngWriter::buffer_bytes()) / limits.cpus;
  const std::uint64_t ring_bytes =
      std::bit_floor(share_bytes - std::min(share_bytes, around_bytes));
  return std::min(std::clamp(ring_bytes, kLeastUsualBufferBytes, kMostUsualBufferBytes),
                  most_buffer_bytes(limits));
}

std::vector<cli::Option> make_option_table(WrittenOptions& written, const MachineLimits& limits) {
  XdpcapOptions& options = written.options;
  std::vector<cli::Option> table = make_capture_rows(written, limits);
  std::ranges::move(make_limit_rows(options), std::back_inserter(table));
  std::ranges::move(make_recorder_rows(options), std::back_inserter(table));
  std::ranges::move(make_sharing_rows(options), std::back_inserter(table));
  std::ranges::move(make_request_rows(written), std::back_inserter(table));
  const std::vector<cli::Option> others = {
      {.name = "mode",
       .argument = "OCTAL",
       .help = "permissions of an <output> that is created, whatever\n"
               "the umask (0644); default: 0600 less the umask",
       .set = into_parsed(options.output_mode, parse_mode)},
      {.name = "compat",
       .help = "for scripts of the original tool: its statistics\n"
               "lines, interface names (XDPdrop), exit codes (1 wrong\n"
               "usage, 2 failed) and file mode (0666 less the umask),\n"
               "and -wait; give it first",
       .set = cli::into(options.like_original)},
      {.name = "wait",
       .help = "wait until a program uses the hook, instead of failing",
       .set = cli::into(options.wait)},
      {.name = "Z",
       .argument = "USER",
       .help = "become this user, given by name or number, once the\n"
               "capture runs; one that nothing else runs as",
       .set = into_text(options.user, "user")},
      {.name = "stats-json",
       .help = "print all counters once a second and at the end as a\n"
               "line of JSON, on standard output (with <output> -: on\n"
               "standard error)",
       .set = cli::into(options.json)},
      {.name = "stats-prometheus",
       .argument = "PATH",
       .help = "keep all counters in this file, for a node exporter",
       .set = into_text(options.prometheus, "path")},
      {.name = "q",
       .help = "print no statistics on standard error, but say what\n"
               "was lost",
       .set = cli::into(options.quiet)},
      {.name = "v",
       .help = "say what was chosen and what memory it takes; show\n"
               "complete verifier logs",
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

}  // namespace xdpcap

// Tested by: xdpcap/tests/command/action_list_test.cc.

namespace xdpcap::cli {
namespace {

constexpr std::string_view kPrefix = "XDP";

Result<Action> parse_action(std::string_view word) {
  std::string_view rest = word;
  if (equal_in_any_case(rest.substr(0, kPrefix.size()), kPrefix)) {
    rest.remove_prefix(kPrefix.size());
    rest.remove_prefix(rest.starts_with('_') ? 1 : 0);
  }
  for (const Action action : kActions) {
    if (equal_in_any_case(rest, name(action).substr(kPrefix.size()))) {
      return action;
    }
  }
  if (const Result<std::uint64_t> number = parse_number(word, 0, kMostActions - 1)) {
    return action_of(*number);
  }
  return fail(
      Errc::InvalidArgument,
      fmt::format("unknown action \"{}\": actions are aborted (0), drop (1), pass (2), tx (3), "
                  "redirect (4) and numbers up to {}",
                  word, kMostActions - 1));
}

}  // namespace

Result<std::vector<Action>> parse_actions(std::string_view list) {
  std::vector<Action> actions;
  for (bool more = true; more;) {
    const std::size_t comma = list.find(',');
    const Action action = TRY(parse_action(trim(list.substr(0, comma))));
    if (std::ranges::find(actions, action) == actions.end()) {
      actions.push_back(action);
    }
    more = comma != std::string_view::npos;
    list.remove_prefix(more ? comma + 1 : 0);
  }
  return actions;
}

}  // namespace xdpcap::cli
