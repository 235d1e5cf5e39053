// SPDX-License-Identifier: BSD-3-Clause
//
// The target of the end-to-end tests: does with each packet what the test wants, through a hook.
//
//     map `every_packet`, entry 0 = {1, action}   every packet gets this action
//     otherwise, a UDP packet to port 7007        the action is the digit its payload starts with
//     the same to port 7008                       and it is changed before: four bytes more in front, three less at the end
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
#define CHANGED_PORT 7008

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

/// What is done to a packet.
struct order {
  __u32 action;
  int is_changed;
};

static __always_inline struct order order_of(struct xdp_md* ctx) {
  struct order order = {.action = XDP_PASS, .is_changed = 0};
  const __u32 zero = 0;
  const struct wanted* wanted = bpf_map_lookup_elem(&every_packet, &zero);
  if (wanted && wanted->is_set) {
    order.action = wanted->action;
    return order;
  }
  void* end = (void*)(long)ctx->data_end;
  struct udphdr* udp = find_udp((void*)(long)ctx->data, end);
  if (!udp || (void*)(udp + 1) + 1 > end) {
    return order;
  }
  order.is_changed = udp->dest == bpf_htons(CHANGED_PORT);
  if (udp->dest != bpf_htons(TEST_PORT) && !order.is_changed) {
    return order;
  }
  const __u8 digit = *(const __u8*)(udp + 1);
  order.action = digit >= '0' && digit <= '9' ? digit - '0' : XDP_PASS;
  return order;
}

/// As a program does that encapsulates: the hook gets what it made of the packet.
static __always_inline void change(struct xdp_md* ctx) {
  if (bpf_xdp_adjust_head(ctx, -4) != 0) {
    return;
  }
  __u8* data = (void*)(long)ctx->data;
  if ((void*)(data + 4) > (void*)(long)ctx->data_end) {
    return;
  }
  data[0] = 0xc0;
  data[1] = 0xff;
  data[2] = 0xee;
  data[3] = 0x01;
  bpf_xdp_adjust_tail(ctx, -3);
}

SEC(TARGET_SECTION)
int target(struct xdp_md* ctx) {
  const struct order order = order_of(ctx);
  if (order.is_changed) {
    change(ctx);
  }
  if (order.action == XDP_REDIRECT) {
    bpf_redirect_map(&redirect_to, 0, XDP_ABORTED);
  }
  return xdpcap_exit(ctx, &xdpcap_hook, order.action);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
