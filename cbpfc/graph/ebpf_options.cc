// SPDX-License-Identifier: BSD-3-Clause
//
// The check of EbpfOptions, one function a group of options.
// Tested by: cbpfc/tests/golden/options.

#include "cbpfc/graph/ebpf_options.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace cbpfc {
namespace {

using ebpf::Reg;

int number(Reg reg) {
  return static_cast<int>(reg);
}

Result<void> check_is_general(std::string_view option, Reg reg) {
  if (number(reg) > number(Reg::R9)) {
    return invalid_option(option, fmt::format("R{} is not one of R0 to R9", number(reg)));
  }
  return {};
}

/// Registers with one use each.
class RegisterUses {
 public:
  /// `use` is what the register is then: "a working register".
  Result<void> add(std::string_view option, Reg reg, std::string_view use) {
    TRY(check_is_general(option, reg));
    std::string_view& known = use_of_[static_cast<std::size_t>(reg)];
    if (!known.empty()) {
      return invalid_option(option, fmt::format("R{} is already {}", number(reg), known));
    }
    known = use;
    return {};
  }

 private:
  std::array<std::string_view, 10> use_of_;
};

Result<void> check_registers(const EbpfOptions& options) {
  RegisterUses uses;
  TRY(uses.add("packet_start", options.packet_start, "the packet's start"));
  TRY(uses.add("packet_end", options.packet_end, "the packet's end"));
  for (const Reg reg : options.working) {
    TRY(uses.add("working", reg, "a working register"));
  }
  if (options.packet_length) {
    TRY(uses.add("packet_length", *options.packet_length, "the packet's length"));
  }
  if (options.ancillary.context) {
    TRY(uses.add("ancillary.context", *options.ancillary.context, "the context"));
  }
  for (const Reg reg : options.spare) {
    TRY(uses.add("spare", reg, "a spare register"));
  }
  TRY(check_is_general("result", options.result));
  if (options.ancillary.context == options.result) {
    return invalid_option("result",
                          fmt::format("R{} is already the context", number(options.result)));
  }
  return {};
}

/// Registers that must keep their values where the fragment calls, which overwrites R0 to R5.
Result<void> check_calls(const EbpfOptions& options) {
  const bool probes = options.access == PacketAccess::Probe;
  if (!probes && !options.ancillary.helpers) {
    return {};
  }
  const auto check = [&](std::string_view option, std::optional<Reg> reg) -> Result<void> {
    if (reg && probes && option != "packet_start" && option != "packet_end" &&
        option != "working") {
      return invalid_option(
          option,
          "no register is left that survives probe reads: the packet's start and end and the first "
          "two working registers are R6 to R9");
    }
    if (reg && number(*reg) < number(Reg::R6)) {
      return invalid_option(
          option, fmt::format("R{} does not survive {}; give one of R6 to R9", number(*reg),
                              probes ? "probe reads" : "the calls of ancillary loads"));
    }
    return {};
  };
  TRY(check("packet_start", options.packet_start));
  TRY(check("packet_end", options.packet_end));
  if (probes) {
    TRY(check("working", options.working[0]));
    TRY(check("working", options.working[1]));
  }
  TRY(check("packet_length", options.packet_length));
  TRY(check("ancillary.context", options.ancillary.context));
  return {};
}

/// What must not be.
struct Fault {
  bool is_there;
  std::string_view option;
  std::string why;
};

Result<void> refuse(std::initializer_list<Fault> faults) {
  const auto* const found = std::ranges::find_if(faults, &Fault::is_there);
  return found == faults.end() ? Result<void>() : invalid_option(found->option, found->why);
}

Result<void> check_numbers(const EbpfOptions& options) {
  const auto is_more_than = [](std::uint32_t value, std::uint32_t most) {
    return fmt::format("{} is more than {}", value, most);
  };
  constexpr std::uint32_t kMostStackOffset = 448;
  const std::uint32_t start = options.packet_start_offset_bytes;
  const std::uint32_t size = options.buffer_size_bytes;
  const std::uint32_t stack = options.stack_offset_bytes;
  const bool is_buffer = options.access == PacketAccess::Buffer;
  const std::string for_buffers = "it has a meaning with access to a buffer only";
  return refuse({
      {start > kMaxPacketOffset, "packet_start_offset_bytes",
       is_more_than(start, kMaxPacketOffset)},
      {options.access != PacketAccess::Direct && start != 0, "packet_start_offset_bytes",
       "it has a meaning with direct access only"},
      {!is_buffer && size != 0, "buffer_size_bytes", for_buffers},
      {!is_buffer && options.buffer_on_stack, "buffer_on_stack", for_buffers},
      {is_buffer && size == 0, "buffer_size_bytes",
       fmt::format("it is missing: access to a buffer needs its size, 1 to {} bytes",
                   kMaxPacketOffset)},
      {size > kMaxPacketOffset, "buffer_size_bytes",
       fmt::format("{} is not in 1 to {}", size, kMaxPacketOffset)},
      {stack % 4 != 0, "stack_offset_bytes", fmt::format("{} is not a multiple of 4", stack)},
      {stack > kMostStackOffset, "stack_offset_bytes", is_more_than(stack, kMostStackOffset)},
  });
}

Result<void> check_label(const EbpfOptions& options, std::string_view option,
                         const std::string& label, std::string_view if_empty) {
  return refuse(
      {{label.empty(), option, std::string(if_empty)},
       {label.starts_with(options.label_prefix + "_"), option,
        fmt::format(R"("{}" may clash with the labels "{}_...")", label, options.label_prefix)}});
}

Result<void> check_labels(const EbpfOptions& options) {
  constexpr std::string_view kOneOfTwo =
      "it is empty, but the other label is given; give both or neither";
  TRY(refuse({{options.label_prefix.empty(), "label_prefix", "it is empty"}}));
  if (options.match_label.empty() && options.no_match_label.empty()) {
    return check_label(options, "result_label", options.result_label, "it is empty");
  }
  TRY(check_label(options, "match_label", options.match_label, kOneOfTwo));
  TRY(check_label(options, "no_match_label", options.no_match_label, kOneOfTwo));
  return refuse({{options.match_label == options.no_match_label, "no_match_label",
                  fmt::format(R"("{}" is the label of a match, too)", options.match_label)}});
}

}  // namespace

std::unexpected<Error> invalid_option(std::string_view option, std::string_view why) {
  return fail_option(Errc::InvalidArgument, std::string(option),
                     fmt::format("compile filter: {}", why));
}

std::uint32_t max_packet_offset(const EbpfOptions& options) {
  switch (options.access) {
    case PacketAccess::Direct: return kMaxPacketOffset - options.packet_start_offset_bytes;
    case PacketAccess::Buffer: return options.buffer_size_bytes;
    case PacketAccess::Probe: return std::numeric_limits<std::int32_t>::max();
  }
  std::unreachable();
}

Result<void> check_options(const EbpfOptions& options) {
  TRY(check_registers(options));
  TRY(check_calls(options));
  TRY(check_numbers(options));
  TRY(check_labels(options));
  return {};
}

}  // namespace cbpfc
