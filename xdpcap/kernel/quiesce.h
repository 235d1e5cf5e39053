// SPDX-License-Identifier: BSD-3-Clause

#pragma once

#include "xdpcap/kernel/errors.h"

namespace xdpcap {

/// Waits until every BPF program that runs now has ended.
///
/// A program taken out of a program array may still run on another CPU; after this it does not, and
/// what it wrote is final.
/// Errors: Errc::Kernel when the kernel offers no way to wait.
Result<void> wait_for_running_programs();

/// Opens what the fastest way to wait takes.  For processes that may open no files later; others need not call it.
void prepare_to_wait_for_programs();

}  // namespace xdpcap
