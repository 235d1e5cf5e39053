// SPDX-License-Identifier: BSD-3-Clause
//
// The check of EbpfOptions, one function a group of options.
// Tested by: tests/golden/options.

#include "ebpf_options.h"

#include <fmt/format.h>

#include <array>
#include <limits>
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

Result<void> check_survives(std::string_view option, Reg reg, std::string_view what) {
  if (number(reg) < number(Reg::R6)) {
    return invalid_option(
        option, fmt::format("R{} does not survive {}; give one of R6 to R9", number(reg), what));
  }
  return {};
}

/// Probe reads are calls, which overwrite R0 to R5; what must survive them takes all of R6 to R9.
Result<void> check_probe_registers(const EbpfOptions& options) {
  constexpr std::string_view kWhat = "probe reads";
  TRY(check_survives("packet_start", options.packet_start, kWhat));
  TRY(check_survives("packet_end", options.packet_end, kWhat));
  TRY(check_survives("working", options.working[0], kWhat));
  TRY(check_survives("working", options.working[1], kWhat));
  constexpr std::string_view kNoneLeft =
      "no register is left that survives probe reads: the packet's start and end and the first two "
      "working registers are R6 to R9";
  if (options.packet_length) {
    return invalid_option("packet_length", kNoneLeft);
  }
  if (options.ancillary.context) {
    return invalid_option("ancillary.context", kNoneLeft);
  }
  return {};
}

/// Registers that must keep their values where ancillary loads are calls.
Result<void> check_helper_registers(const EbpfOptions& options) {
  constexpr std::string_view kWhat = "the calls of ancillary loads";
  TRY(check_survives("packet_start", options.packet_start, kWhat));
  TRY(check_survives("packet_end", options.packet_end, kWhat));
  TRY(check_survives("working", options.working[1], kWhat));
  if (options.packet_length) {
    TRY(check_survives("packet_length", *options.packet_length, kWhat));
  }
  if (options.ancillary.context) {
    TRY(check_survives("ancillary.context", *options.ancillary.context, kWhat));
  }
  return {};
}

Result<void> check_calls(const EbpfOptions& options) {
  if (options.access == PacketAccess::Probe) {
    return check_probe_registers(options);
  }
  return options.ancillary.helpers ? check_helper_registers(options) : Result<void>();
}

Result<void> check_access(const EbpfOptions& options) {
  if (options.packet_start_offset_bytes > kMaxPacketOffset) {
    return invalid_option(
        "packet_start_offset_bytes",
        fmt::format("{} is more than {}", options.packet_start_offset_bytes, kMaxPacketOffset));
  }
  if (options.access != PacketAccess::Direct && options.packet_start_offset_bytes != 0) {
    return invalid_option("packet_start_offset_bytes", "it has a meaning with direct access only");
  }
  if (options.access != PacketAccess::Buffer && options.buffer_size_bytes != 0) {
    return invalid_option("buffer_size_bytes", "it has a meaning with access to a buffer only");
  }
  if (options.access != PacketAccess::Buffer && options.buffer_on_stack) {
    return invalid_option("buffer_on_stack", "it has a meaning with access to a buffer only");
  }
  if (options.access == PacketAccess::Buffer && options.buffer_size_bytes == 0) {
    return invalid_option(
        "buffer_size_bytes",
        fmt::format("it is missing: access to a buffer needs its size, 1 to {} bytes",
                    kMaxPacketOffset));
  }
  if (options.buffer_size_bytes > kMaxPacketOffset) {
    return invalid_option(
        "buffer_size_bytes",
        fmt::format("{} is not in 1 to {}", options.buffer_size_bytes, kMaxPacketOffset));
  }
  return {};
}

Result<void> check_stack(const EbpfOptions& options) {
  if (options.stack_offset_bytes % 4 != 0) {
    return invalid_option("stack_offset_bytes",
                          fmt::format("{} is not a multiple of 4", options.stack_offset_bytes));
  }
  constexpr std::uint32_t kMostBytes = 448;
  if (options.stack_offset_bytes > kMostBytes) {
    return invalid_option(
        "stack_offset_bytes",
        fmt::format("{} is more than {}", options.stack_offset_bytes, kMostBytes));
  }
  return {};
}

Result<void> check_label(const EbpfOptions& options, std::string_view option,
                         std::string_view label) {
  if (label.empty()) {
    return invalid_option(option, "it is empty");
  }
  if (label.starts_with(options.label_prefix + "_")) {
    return invalid_option(option, fmt::format(R"("{}" may clash with the labels "{}_...")", label,
                                              options.label_prefix));
  }
  return {};
}

Result<void> check_labels(const EbpfOptions& options) {
  if (options.label_prefix.empty()) {
    return invalid_option("label_prefix", "it is empty");
  }
  if (options.match_label.empty() && options.no_match_label.empty()) {
    return check_label(options, "result_label", options.result_label);
  }
  for (const auto& [option, label] : {std::pair{"match_label", options.match_label},
                                      std::pair{"no_match_label", options.no_match_label}}) {
    if (label.empty()) {
      return invalid_option(option,
                            "it is empty, but the other label is given; give both or neither");
    }
    TRY(check_label(options, option, label));
  }
  if (options.match_label == options.no_match_label) {
    return invalid_option("no_match_label",
                          fmt::format(R"("{}" is the label of a match, too)", options.match_label));
  }
  return {};
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
  TRY(check_access(options));
  TRY(check_stack(options));
  TRY(check_labels(options));
  return {};
}

}  // namespace cbpfc
