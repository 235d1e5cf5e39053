// SPDX-License-Identifier: BSD-3-Clause
//
// The flight recorder as the command line asks for it: -ring and -trigger.

#pragma once

#include <optional>
#include <vector>

#include "xdpcap/capture/flight_recorder.h"
#include "xdpcap/capture/recorder_output.h"
#include "xdpcap/command/signals.h"
#include "xdpcap/command/xdpcap_options.h"

namespace xdpcap {

/// Takes the memory that -ring asks for; nullopt without it.
/// Errors: those of FlightRecorder::allocate().
Result<std::optional<FlightRecorder>> allocate_recorder(const XdpcapOptions& options);

/// Refuses triggers of actions that are not captured, and so not counted.
/// Errors: Errc::InvalidArgument naming the first.
Result<void> check_triggers(const XdpcapOptions& options, const std::vector<Action>& actions);

/// What the loop needs to know; says on standard error what was written, unless that is to be quiet.
/// Ownership: the result borrows all.
RecorderOptions recorder_options(FlightRecorder& memory, const XdpcapOptions& options,
                                 PcapngSection section, const cli::RequestSignals& dump_signal);

}  // namespace xdpcap
