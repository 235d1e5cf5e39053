// SPDX-License-Identifier: BSD-3-Clause
//
// The smallest XDP program that xdpcap can look into: passes every packet, through a hook.

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <xdpcap/hook.h>

XDPCAP_HOOK_BTF(xdpcap_hook);

SEC("xdp")
int minimal(struct xdp_md* ctx) {
  return xdpcap_exit(ctx, &xdpcap_hook, XDP_PASS);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
