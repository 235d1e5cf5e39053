// SPDX-License-Identifier: BSD-3-Clause
//
// The user-space side of the original's mechanism: reads packets out of perf buffers and writes them to a pcapng file.
//
// As the original does it: a thread waits for the buffers, takes one record after the other, stamps it with the time
// of day, puts a packet block into a buffer of 4 KiB in front of the file, and gives the record's space back.  It is
// C++ and not Go, so it has no garbage to collect: what it reaches is the best the original could.
//
// Source: github.com/cloudflare/xdpcap cmd/xdpcap (its defaults: -buffer 8192, -watermark 1);
// gopacket pcapgo NgWriter (bufio.NewWriter: 4096 bytes).
// Tested by: bench_smoke_capture.

#pragma once

#include <cbpfc/result.h>

#include <string>

#include "bench/live/perf_reference.h"
#include "bench/support/hook_target.h"

namespace bench {

struct PerfReaderOptions {
  PerfSize size;
  std::string output;  ///< file
};

/// Puts the mechanism's program into the target's hook and reads until SIGINT; then empties the slot, reads the rest,
/// and prints "5 written, 1 lost" to standard error.  For a process of its own.
/// Errors: Errc::Permission, Errc::Kernel, Errc::Io.
cbpfc::Result<void> run_perf_reader(const HookTarget& target, const PerfReaderOptions& options);

}  // namespace bench
