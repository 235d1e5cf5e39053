// SPDX-License-Identifier: BSD-3-Clause
//
// The instructions that count the trips of a loop.

#pragma once

#include <string>

#include "cfg.h"
#include "fragment.h"
#include "packet_reader.h"

namespace cbpfc {

/// Emits the code of StartLoop; what follows is the loop's head, with the label `head`.
void start_loop(Fragment& fragment, PacketReader& packet, const StartLoop& start,
                const std::string& head);

/// Emits the code of CountTrip.
void count_trip(Fragment& fragment, const CountTrip& count);

}  // namespace cbpfc
