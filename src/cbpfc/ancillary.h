// SPDX-License-Identifier: BSD-3-Clause
//
// Ancillary loads, and loads relative to a header, where the caller's options give them a meaning: as
// classic instructions that look into the Ethernet frame.

#pragma once

#include <cbpfc/compile.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace cbpfc {

/// An instruction with its targets as line numbers, which may be as far away as they like.
struct Line {
  Insn insn;
  std::size_t if_true = 0;   ///< of Jump and JumpIf
  std::size_t if_false = 0;  ///< of JumpIf
  std::size_t pc = 0;        ///< the instruction it stands for
};

/// SKF_AD_*, counted from kAncillaryOffset.  Source: Linux include/uapi/linux/filter.h.
namespace ancillary {
inline constexpr std::uint32_t kProtocol = 0, kPacketType = 4, kIfindex = 8, kQueue = 24, kCpu = 36,
                               kXorX = 40, kVlanTag = 44, kVlanTagPresent = 48, kPayloadOffset = 52,
                               kRandom = 56, kVlanTpid = 60;

/// What messages call the load at that offset.
std::string_view name_of(std::uint32_t offset);
}  // namespace ancillary

/// The instructions of `filter`, with what can be read from the frame replaced.
///
/// Ensures: no load relative to a header is left, and of the LoadAncillary only those that an end of the
/// compiler answers itself: kIfindex and kQueue with a context, kCpu and kRandom with helpers.
/// Errors: Errc::Unsupported, naming instruction, load and option, for loads without meaning.
Result<std::vector<Line>> expand_ancillary(const Filter& filter, const AncillaryOptions& options);

}  // namespace cbpfc
