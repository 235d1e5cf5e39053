// SPDX-License-Identifier: BSD-3-Clause
//
// Loads that mean one thing in a program of libpcap's and another one to the kernel.

#pragma once

#include <cbpfc/cbpf.h>

#include <span>

namespace cbpfc {

/// Replaces such loads by instructions that have libpcap's meaning everywhere.
void settle_loads(std::span<RawInsn> program);

}  // namespace cbpfc
