// SPDX-License-Identifier: BSD-3-Clause
//
// Tested by: ancillary_test.cc.

#include "cbpfc/classic/ancillary.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace cbpfc {

using ancillary::Source;

namespace {

std::string why_unanswered(Source source, std::string_view where) {
  switch (source) {
    case Source::Program: return {};
    case Source::Frame: return "is not answered: it takes an Ethernet frame";
    case Source::Context: return "is not answered: it takes the struct xdp_md";
    case Source::Helper: return fmt::format("is not answered: it takes a call of {}", where);
    case Source::Nowhere: return fmt::format("has no answer in XDP: {}", where);
  }
  std::unreachable();
}

/// The option that gives loads from `source` an answer, and whether it is given.
std::pair<const char*, bool> option_for(Source source, const AncillaryOptions& options) {
  switch (source) {
    case Source::Program: return {"", true};
    case Source::Frame: return {"ancillary.from_frame", options.from_frame};
    case Source::Context: return {"ancillary.context", options.context.has_value()};
    case Source::Helper: return {"ancillary.helpers", options.helpers};
    case Source::Nowhere: return {"", false};
  }
  std::unreachable();
}

/// The offset of a load relative to a header.
std::optional<std::uint32_t> relative_offset(const Insn& insn) {
  const auto* absolute = std::get_if<LoadAbsolute>(&insn);
  const auto* length = std::get_if<LoadHeaderLength>(&insn);
  const std::uint32_t offset = absolute != nullptr ? absolute->offset
                               : length != nullptr ? length->offset
                                                   : 0;
  return is_header_relative(offset) ? std::optional(offset) : std::nullopt;
}

}  // namespace

std::string ancillary::unanswered(const Load& load) {
  return fmt::format("the ancillary load \"{}\" {}", load.name,
                     why_unanswered(load.source, load.where));
}

std::string ancillary::unanswered_relative(std::uint32_t offset) {
  return fmt::format("a load relative to the {} header {}",
                     offset >= kNetworkOffset ? "network" : "link-layer",
                     why_unanswered(Source::Frame, ""));
}

bool ancillary::asks_for_tag(const Filter& filter) {
  return std::ranges::any_of(filter.insns(), [](const Insn& insn) {
    const auto* load = std::get_if<LoadAncillary>(&insn);
    return load != nullptr && (load->offset == kVlanTag || load->offset == kVlanTagPresent ||
                               load->offset == kVlanTpid);
  });
}

bool ancillary::depends_on_tag(const Filter& filter) {
  return std::ranges::any_of(filter.insns(), [](const Insn& insn) {
    const auto* load = std::get_if<LoadAncillary>(&insn);
    return relative_offset(insn).value_or(0) >= kNetworkOffset ||
           (load != nullptr && at(load->offset).source == Source::Frame &&
            load->offset != kPacketType);
  });
}

bool reads_length(const Filter& filter) {
  return std::ranges::any_of(filter.insns(), [](const Insn& insn) {
    const auto* load = std::get_if<LoadAncillary>(&insn);
    return std::holds_alternative<LoadLength>(insn) ||
           (load != nullptr &&
            (load->offset == ancillary::kProtocol || load->offset == ancillary::kPayloadOffset));
  });
}

Result<void> check_ancillary(const Filter& filter, const AncillaryOptions& options) {
  for (std::size_t pc = 0; pc < filter.insns().size(); ++pc) {
    const auto* load = std::get_if<LoadAncillary>(&filter.insns()[pc]);
    const std::optional<std::uint32_t> relative = relative_offset(filter.insns()[pc]);
    if (load == nullptr && !relative) {
      continue;
    }
    const auto [option, is_given] =
        option_for(load != nullptr ? ancillary::at(load->offset).source : Source::Frame, options);
    if (!is_given) {
      return fail_option(
          Errc::Unsupported, option,
          fmt::format("instruction {}: {}", pc,
                      load != nullptr ? ancillary::unanswered(ancillary::at(load->offset))
                                      : ancillary::unanswered_relative(*relative)));
    }
  }
  return {};
}

}  // namespace cbpfc
