// SPDX-License-Identifier: BSD-3-Clause
//
// A small firewall: one of everything an XDP program does to packets, seen by xdpcap at its end.
//
//     echo requests         answered here: bounced to the sender             XDP_TX
//     rule "drop"           gone                                             XDP_DROP
//     rule "redirect"       out of another interface (a mirror, an analyser) XDP_REDIRECT
//     rule "expedite"       DSCP set to expedited forwarding, then passed    XDP_PASS
//     headers cut short     gone                                             XDP_DROP
//     the rest              passed                                           XDP_PASS
//
// Rules are looked up by protocol and destination port in the map `rules`, IPv4 and IPv6 alike,
// behind up to two VLAN tags.  To drop telnet (TCP is 6, port 23 in network order, 1 is "drop"):
//
//     bpftool map update name rules key 6 0 0 23 value 1 0 0 0
//
// All decisions are made in decide(), and the one return of the program goes through the hook: what
// xdpcap shows is the packet as it leaves, after every change, with the action it leaves with.
//
// Does not: follow IPv6 extension headers or look into fragments behind the first; those pass.
//
// Source: RFC 1624 (checksum update), RFC 3246 (expedited forwarding), RFC 792 and 4443 (echo).

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <xdpcap/hook.h>

#ifndef FIREWALL_SECTION
#define FIREWALL_SECTION "xdp"
#endif

#define MAX_VLAN_TAGS 2
#define IPV4_MORE_FRAGMENTS_OR_OFFSET 0x3fff
#define IPV4_FRAGMENT_OFFSET 0x1fff
#define DSCP_EXPEDITED 46
#define ICMP_ECHO_REQUEST 8
#define ICMP_ECHO_REPLY 0
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129

XDPCAP_HOOK_BTF(xdpcap_hook);

struct rule_key {
  __u8 protocol;  ///< IPPROTO_TCP or IPPROTO_UDP
  __u8 zero;
  __be16 port;  ///< destination
};

enum rule { RULE_NONE, RULE_DROP, RULE_REDIRECT, RULE_EXPEDITE };

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, struct rule_key);
  __type(value, __u32);
} rules SEC(".maps");

/// Entry 0: the interface that RULE_REDIRECT sends to.
struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP);
  __uint(max_entries, 1);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} redirect_to SEC(".maps");

struct vlan_header {
  __be16 tag;
  __be16 ethertype;
};

/// The part TCP and UDP have in common.
struct ports {
  __be16 source;
  __be16 destination;
};

/// The start of ICMP and ICMPv6.  <linux/icmp.h> needs headers of the host that the bpf target
/// lacks.
struct icmp_header {
  __u8 type;
  __u8 code;
  __sum16 checksum;
};

/// What is known of a packet after its headers were walked.  Pointers are NULL where it has no such
/// header.
struct packet {
  struct ethhdr* eth;
  struct iphdr* ipv4;
  struct ipv6hdr* ipv6;
  void* transport;
  __u8 protocol;
};

/// RFC 1624, equation 3: the checksum after a 16-bit word changed from `old_word` to `new_word`.
static __always_inline __u16 checksum_update(__u16 checksum, __u16 old_word, __u16 new_word) {
  __u32 sum = (__u16)~checksum;
  sum += (__u16)~old_word;
  sum += new_word;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (__u16)~sum;
}

/// Steps over Ethernet and VLAN tags.  Returns the network header, or NULL if the packet ends
/// before it.
static __always_inline void* skip_ethernet(struct packet* packet, void* data, void* end,
                                           __be16* ethertype) {
  struct ethhdr* eth = data;
  if ((void*)(eth + 1) > end) {
    return 0;
  }
  packet->eth = eth;
  *ethertype = eth->h_proto;
  void* next = eth + 1;
  for (int i = 0; i < MAX_VLAN_TAGS; i++) {
    if (*ethertype != bpf_htons(ETH_P_8021Q) && *ethertype != bpf_htons(ETH_P_8021AD)) {
      break;
    }
    struct vlan_header* vlan = next;
    if ((void*)(vlan + 1) > end) {
      return 0;
    }
    *ethertype = vlan->ethertype;
    next = vlan + 1;
  }
  return next;
}

/// Finds IPv4 or IPv6 and the header behind it.  Returns false if a header is cut short or
/// impossible.
static __always_inline _Bool parse(struct packet* packet, void* data, void* end) {
  __be16 ethertype = 0;
  void* network = skip_ethernet(packet, data, end, &ethertype);
  if (!network) {
    return 0;
  }
  if (ethertype == bpf_htons(ETH_P_IP)) {
    struct iphdr* ipv4 = network;
    if ((void*)(ipv4 + 1) > end || ipv4->ihl < 5) {
      return 0;
    }
    packet->ipv4 = ipv4;
    if (ipv4->frag_off & bpf_htons(IPV4_FRAGMENT_OFFSET)) {
      return 1;
    }
    packet->protocol = ipv4->protocol;
    packet->transport = network + ipv4->ihl * 4;
  } else if (ethertype == bpf_htons(ETH_P_IPV6)) {
    struct ipv6hdr* ipv6 = network;
    if ((void*)(ipv6 + 1) > end) {
      return 0;
    }
    packet->ipv6 = ipv6;
    packet->protocol = ipv6->nexthdr;
    packet->transport = ipv6 + 1;
  }
  return 1;
}

static __always_inline void swap_ethernet(struct ethhdr* eth) {
  __u8 source[ETH_ALEN];
  __builtin_memcpy(source, eth->h_source, ETH_ALEN);
  __builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
  __builtin_memcpy(eth->h_dest, source, ETH_ALEN);
}

/// Turns an echo request's type into a reply's and keeps the checksum right.
///
/// Returns false, and changes nothing, if the message is another.
static __always_inline _Bool reply(struct icmp_header* icmp, __u8 request_type, __u8 reply_type) {
  if (icmp->type != request_type) {
    return 0;
  }
  icmp->type = reply_type;
  icmp->checksum =
      checksum_update(icmp->checksum, bpf_htons(request_type << 8), bpf_htons(reply_type << 8));
  return 1;
}

/// Bounces an echo request as its reply.  Swapping addresses leaves every checksum right.
static __always_inline enum xdp_action answer_echo(struct packet* packet, void* end) {
  struct icmp_header* icmp = packet->transport;
  if ((void*)(icmp + 1) > end) {
    return XDP_DROP;
  }
  if (packet->eth->h_dest[0] & 1) {
    return XDP_PASS;  // multicast: the reply's source address is for the stack to choose
  }
  if (packet->ipv4) {
    struct iphdr* ip = packet->ipv4;
    const _Bool is_fragment = (ip->frag_off & bpf_htons(IPV4_MORE_FRAGMENTS_OR_OFFSET)) != 0;
    if (is_fragment || !reply(icmp, ICMP_ECHO_REQUEST, ICMP_ECHO_REPLY)) {
      return XDP_PASS;
    }
    const __be32 source = ip->saddr;
    ip->saddr = ip->daddr;
    ip->daddr = source;
  } else if (packet->ipv6) {
    struct ipv6hdr* ip = packet->ipv6;
    if (!reply(icmp, ICMPV6_ECHO_REQUEST, ICMPV6_ECHO_REPLY)) {
      return XDP_PASS;
    }
    const struct in6_addr source = ip->saddr;
    ip->saddr = ip->daddr;
    ip->daddr = source;
  }
  swap_ethernet(packet->eth);
  return XDP_TX;
}

/// Sets the DSCP field and keeps the two ECN bits beside it.
static __always_inline void expedite(struct packet* packet) {
  if (packet->ipv4) {
    struct iphdr* ip = packet->ipv4;
    const __u8 old_tos = ip->tos;
    const __u8 new_tos = (DSCP_EXPEDITED << 2) | (old_tos & 3);
    ip->tos = new_tos;
    // The other half of the 16-bit word does not change and cancels out.
    ip->check = checksum_update(ip->check, bpf_htons(old_tos), bpf_htons(new_tos));
  } else if (packet->ipv6) {
    // Traffic class: the low 4 bits of the first byte and the high 4 bits of the second.
    struct ipv6hdr* ip = packet->ipv6;
    ip->priority = DSCP_EXPEDITED >> 2;
    ip->flow_lbl[0] = (__u8)((DSCP_EXPEDITED & 3) << 6) | (ip->flow_lbl[0] & 0x3f);
  }
}

static __always_inline enum xdp_action apply_rule(struct packet* packet, void* end) {
  struct ports* ports = packet->transport;
  if ((void*)(ports + 1) > end) {
    return XDP_DROP;
  }
  struct rule_key key = {.protocol = packet->protocol, .port = ports->destination};
  const __u32* rule = bpf_map_lookup_elem(&rules, &key);
  switch (rule ? *rule : RULE_NONE) {
    case RULE_DROP: return XDP_DROP;
    case RULE_REDIRECT:
      // Without an interface in the map the packet passes, as if there were no rule.
      return bpf_redirect_map(&redirect_to, 0, XDP_PASS);
    case RULE_EXPEDITE: expedite(packet); return XDP_PASS;
    default: return XDP_PASS;
  }
}

static __always_inline enum xdp_action decide(struct xdp_md* ctx) {
  void* data = (void*)(long)ctx->data;
  void* end = (void*)(long)ctx->data_end;
  struct packet packet = {};
  if (!parse(&packet, data, end)) {
    return XDP_DROP;
  }
  if (!packet.transport) {
    return XDP_PASS;
  }
  if (packet.protocol == (packet.ipv4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
    return answer_echo(&packet, end);
  }
  if (packet.protocol == IPPROTO_TCP || packet.protocol == IPPROTO_UDP) {
    return apply_rule(&packet, end);
  }
  return XDP_PASS;
}

SEC(FIREWALL_SECTION)
int firewall(struct xdp_md* ctx) {
  return xdpcap_exit(ctx, &xdpcap_hook, decide(ctx));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
