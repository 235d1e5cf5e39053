// SPDX-License-Identifier: BSD-3-Clause
//
// What is read off an Ethernet frame, as classic instructions that keep everything but A.

#pragma once

#include <optional>

#include "snippet.h"

namespace cbpfc {

/// A = the protocol behind the outermost VLAN tag.
void protocol_of_frame(Snippet& code);
/// A = 1 for a broadcast, 2 for a multicast, else 0.
void type_of_frame(Snippet& code);
/// A = the TPID, the tag, or 1 for a frame with a VLAN tag; 0 for others.
void tpid_of_frame(Snippet& code);
void tag_of_frame(Snippet& code);
void tag_presence_of_frame(Snippet& code);
/// A = the offset of the payload.  Writes scratch slot `slot`.
void payload_offset_of_frame(Snippet& code, std::uint8_t slot);
/// The load, counted from the network header.  LoadHeaderLength writes X and keeps A.
void load_from_network_header(Snippet& code, const LoadAbsolute& load);
void load_from_network_header(Snippet& code, const LoadHeaderLength& load);

}  // namespace cbpfc
