// SPDX-License-Identifier: BSD-3-Clause
//
// The target of the end-to-end tests: does with each packet what the test wants, through a hook.
//
//     map `every_packet`, entry 0 = {1, action}   every packet gets this action
//     otherwise, a UDP packet to port 7007        the action is the digit its payload starts with
//     otherwise                                   XDP_PASS
//
// The digit is ASCII, so that `echo -n 1 > /dev/udp/192.0.2.1/7007` is dropped.  Digits above 4
// give actions that XDP does not have and the hook has no slot for.
//
// XDP_REDIRECT sends to the interface in entry 0 of `redirect_to`; the action stays XDP_REDIRECT
// when there is none.  XDP_TX sends the packet back as it came.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <xdpcap/hook.h>

#ifndef TARGET_SECTION
#define TARGET_SECTION "xdp"
#endif

#define TEST_PORT 7007

XDPCAP_HOOK_BTF(xdpcap_hook);

struct wanted {
  __u32 is_set;
  __u32 action;
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct wanted);
} every_packet SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP);
  __uint(max_entries, 1);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} redirect_to SEC(".maps");

/// The UDP header if this is IPv4 without options or fragments, or IPv6 without extension headers.
static __always_inline struct udphdr* find_udp(void* data, void* end) {
  struct ethhdr* eth = data;
  if ((void*)(eth + 1) > end) {
    return 0;
  }
  if (eth->h_proto == bpf_htons(ETH_P_IP)) {
    struct iphdr* ip = (void*)(eth + 1);
    if ((void*)(ip + 1) > end || ip->ihl != 5 || ip->protocol != IPPROTO_UDP) {
      return 0;
    }
    return (void*)(ip + 1);
  }
  if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
    struct ipv6hdr* ip = (void*)(eth + 1);
    if ((void*)(ip + 1) > end || ip->nexthdr != IPPROTO_UDP) {
      return 0;
    }
    return (void*)(ip + 1);
  }
  return 0;
}

static __always_inline __u32 wanted_action(struct xdp_md* ctx) {
  const __u32 zero = 0;
  const struct wanted* wanted = bpf_map_lookup_elem(&every_packet, &zero);
  if (wanted && wanted->is_set) {
    return wanted->action;
  }
  void* end = (void*)(long)ctx->data_end;
  struct udphdr* udp = find_udp((void*)(long)ctx->data, end);
  if (!udp || (void*)(udp + 1) + 1 > end || udp->dest != bpf_htons(TEST_PORT)) {
    return XDP_PASS;
  }
  const __u8 digit = *(const __u8*)(udp + 1);
  return digit >= '0' && digit <= '9' ? digit - '0' : XDP_PASS;
}

SEC(TARGET_SECTION)
int target(struct xdp_md* ctx) {
  const __u32 action = wanted_action(ctx);
  if (action == XDP_REDIRECT) {
    bpf_redirect_map(&redirect_to, 0, XDP_ABORTED);
  }
  return xdpcap_exit(ctx, &xdpcap_hook, action);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
