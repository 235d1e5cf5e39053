// SPDX-License-Identifier: BSD-3-Clause
//
// The target for packets that lie in several buffers.  Program and maps have the names of the
// other.

#define TARGET_SECTION "xdp.frags"
#include "target.bpf.c"
