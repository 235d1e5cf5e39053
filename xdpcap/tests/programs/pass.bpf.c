// SPDX-License-Identifier: BSD-3-Clause
//
// What the other end of a veth pair needs so that XDP_TX and XDP_REDIRECT from this end arrive
// there: any XDP program in native mode.  `pass_frags` is for an MTU above about 3,500 bytes.

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int pass(struct xdp_md* ctx) {
  (void)ctx;
  return XDP_PASS;
}

SEC("xdp.frags")
int pass_frags(struct xdp_md* ctx) {
  (void)ctx;
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
