// SPDX-License-Identifier: BSD-3-Clause
//
// The firewall for interfaces with large packets: the same program, able to take packets that lie
// in several buffers (MTU above about 3,500 bytes; Linux 5.18 and later).
//
// It is an object of its own, with a hook of its own: one hook cannot serve both kinds of program.

#define FIREWALL_SECTION "xdp.frags"
#include "firewall.bpf.c"
