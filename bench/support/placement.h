// SPDX-License-Identifier: BSD-3-Clause
//
// Which CPU what runs on, and how it is preferred to other work on the machine.

#pragma once

#include <cbpfc/result.h>

namespace bench {

/// The last CPU: the first one serves most interrupts.
int last_cpu();

/// Keeps the calling thread on one CPU.
/// Errors: Errc::Kernel.
cbpfc::Result<void> stay_on_cpu(int cpu);

/// Lets the calling thread run on every CPU but one; on a machine with one CPU, on that.
/// Errors: Errc::Kernel.
cbpfc::Result<void> stay_off_cpu(int cpu);

/// Gives this process and its children to come the highest priority (nice -20), so that other work on the machine
/// gets some hundredths of a CPU they want.
/// Errors: Errc::Permission, Errc::Kernel.
cbpfc::Result<void> precede_other_work();

/// While it exists the calling thread comes before all others on its CPU (SCHED_FIFO), as the kernel's packet path does
/// when interrupts start it.  For seconds: the kernel leaves a twentieth of the time to the others.
class Uninterrupted {
 public:
  Uninterrupted();
  Uninterrupted(const Uninterrupted&) = delete;
  Uninterrupted& operator=(const Uninterrupted&) = delete;
  ~Uninterrupted();
};

}  // namespace bench
