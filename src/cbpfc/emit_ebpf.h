// SPDX-License-Identifier: BSD-3-Clause
//
// The end of the compiler for eBPF.

#pragma once

#include <cbpfc/compile.h>

#include "cfg.h"

namespace cbpfc {

/// Emits the fragment for a graph that has been through run_passes().
///
/// Requires: valid options; every load guarded; no LoadIndirect, but with PacketAccess::Probe nothing else.
ebpf::Assembly emit_ebpf(const Cfg& cfg, const EbpfOptions& options);

}  // namespace cbpfc
