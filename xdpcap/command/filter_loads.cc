// SPDX-License-Identifier: BSD-3-Clause
//
// Tested by: xdpcap/tests/cli/filters.bats.

#include "xdpcap/command/filter_loads.h"

#include <cbpfc/compile.h>
#include <fmt/core.h>

#include <algorithm>
#include <string>

namespace xdpcap {
namespace {

using cbpfc::Error;
using cbpfc::Result;

constexpr std::uint32_t kPacketType = 4;  // SKF_AD_PKTTYPE
constexpr int kEthernet = 1;              // DLT_EN10MB

/// libpcap loads the packet type for these two keywords only.
bool asks_for_direction(const cbpfc::Filter& filter) {
  return std::ranges::any_of(filter.insns(), [](const cbpfc::Insn& insn) {
    const auto* load = std::get_if<cbpfc::LoadAncillary>(&insn);
    return load != nullptr && load->offset == kPacketType;
  });
}

Error in_words_of_xdpcap(Error error, const cbpfc::LinkType& link_type) {
  if (error.option == "ancillary.from_frame") {
    error.message += fmt::format(", and packets of -linktype {} are none", link_type.name);
  } else if (error.option == "ancillary.helpers") {
    error.message +=
        ", and the filters of xdpcap make none; to thin out packets at random, use -sample";
  }
  error.option.clear();
  return error;
}

}  // namespace

Result<void> check_loads(const cbpfc::Filter& filter, const cbpfc::LinkType& link_type,
                         std::string_view expression) {
  if (!expression.empty() && asks_for_direction(filter)) {
    return fail(cbpfc::Errc::Unsupported,
                fmt::format("\"{}\": XDP programs see packets only as they arrive; leave it out",
                            expression.contains("outbound") ? "outbound" : "inbound"));
  }
  Result<void> checked = cbpfc::check_ancillary(
      filter, {.from_frame = link_type.dlt == kEthernet, .context = cbpfc::ebpf::Reg::R6});
  if (!checked) {
    return std::unexpected(in_words_of_xdpcap(std::move(checked).error(), link_type));
  }
  return {};
}

}  // namespace xdpcap
