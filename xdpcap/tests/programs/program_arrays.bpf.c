// SPDX-License-Identifier: BSD-3-Clause
//
// XDP programs that use a program array as a hook, and others that use it for other things.  The name of the map says
// nothing, so only the instructions tell them apart.  Compiled with several optimisation levels.

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <xdpcap/hook.h>

#ifndef SLOTS
#define SLOTS 5
#endif

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, SLOTS);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} programs SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} counter SEC(".maps");

/// The packet's byte at `offset`, or 0.
static __always_inline __u32 byte_at(struct xdp_md* ctx, __u32 offset) {
  const __u8* data = (const void*)(long)ctx->data;
  const __u8* end = (const void*)(long)ctx->data_end;
  return data + offset + 1 > end ? 0 : data[offset];
}

// --- Hooks.

SEC("xdp")
int hook_constant(struct xdp_md* ctx) {
  return xdpcap_exit(ctx, &programs, XDP_PASS);
}

SEC("xdp")
int hook_many_exits(struct xdp_md* ctx) {
  const __u32 kind = byte_at(ctx, 12);
  if (kind == 8) {
    return xdpcap_exit(ctx, &programs, XDP_PASS);
  }
  if (kind > 100) {
    return xdpcap_exit(ctx, &programs, XDP_DROP);
  }
  return xdpcap_exit(ctx, &programs, byte_at(ctx, 13) == 6 ? XDP_TX : XDP_ABORTED);
}

static __always_inline __u32 calculate(struct xdp_md* ctx) {
  __u32 action = byte_at(ctx, 14) & 3;
  const __u32 zero = 0;
  __u64* count = bpf_map_lookup_elem(&counter, &zero);
  if (count) {
    *count += action;
    action = *count % 3 == 0 ? XDP_DROP : action;
  }
  return action;
}

SEC("xdp")
int hook_calculated(struct xdp_md* ctx) {
  return xdpcap_exit(ctx, &programs, calculate(ctx));
}

SEC("xdp")
int hook_in_a_loop(struct xdp_md* ctx) {
  __u32 action = XDP_PASS;
  __u32 value = byte_at(ctx, 14);
#pragma clang loop unroll(disable)
  for (__u32 i = 0; i < 8; ++i) {
    value = value * 5 + i;
    if ((value & 7) < 5) {
      action = value & 7;
    }
  }
  return xdpcap_exit(ctx, &programs, action);
}

static __noinline int finish(struct xdp_md* ctx, __u32 action) {
  return xdpcap_exit(ctx, &programs, action);
}

SEC("xdp")
int hook_subprogram(struct xdp_md* ctx) {
  return finish(ctx, calculate(ctx));
}

static __noinline int finish_with(struct xdp_md* ctx, void* map, __u32 action) {
  return xdpcap_exit(ctx, map, action);
}

SEC("xdp")
int hook_subprogram_map(struct xdp_md* ctx) {
  return byte_at(ctx, 12) == 8 ? finish_with(ctx, &programs, XDP_PASS)
                               : finish_with(ctx, &programs, XDP_DROP);
}

__noinline int finish_global(struct xdp_md* ctx, __u32 action) {
  return xdpcap_exit(ctx, &programs, action);
}

SEC("xdp")
int hook_global(struct xdp_md* ctx) {
  const int action = finish_global(ctx, calculate(ctx));
  return action < 0 ? XDP_PASS : action;
}

/// As programs of the original tool's time call the helper, without xdpcap_exit().
static long (*own_tail_call)(void* ctx, void* map, __u32 index) = (void*)12;

SEC("xdp")
int hook_own_style(struct xdp_md* ctx) {
  __u32 action = XDP_PASS;
  if (byte_at(ctx, 20) == 1) {
    action = XDP_DROP;
    goto out;
  }
  if (byte_at(ctx, 21) == 1) {
    action = XDP_TX;
  }
out:
  own_tail_call(ctx, &programs, action);
  return action;
}

// --- Tables of programs.

SEC("xdp")
int table_plugin(struct xdp_md* ctx) {
  bpf_tail_call(ctx, &programs, 1);
  return XDP_PASS;
}

SEC("xdp")
int table_protocols(struct xdp_md* ctx) {
  bpf_tail_call(ctx, &programs, byte_at(ctx, 23) & (SLOTS - 1));
  return XDP_PASS;
}

SEC("xdp")
int table_both_ways(struct xdp_md* ctx) {
  if (byte_at(ctx, 12) == 8) {
    bpf_tail_call(ctx, &programs, 4);
    return XDP_PASS;
  }
  return xdpcap_exit(ctx, &programs, XDP_PASS);
}

static __noinline int plug_in(struct xdp_md* ctx, __u32 number) {
  bpf_tail_call(ctx, &programs, number);
  return XDP_PASS;
}

SEC("xdp")
int table_in_subprogram(struct xdp_md* ctx) {
  return byte_at(ctx, 12) == 8 ? plug_in(ctx, 3) : plug_in(ctx, 1);
}

/// Returns the index, but a capture would keep it from counting.
SEC("xdp")
int counts_afterwards(struct xdp_md* ctx) {
  const __u32 zero = 0;
  bpf_tail_call(ctx, &programs, XDP_PASS);
  __u64* count = bpf_map_lookup_elem(&counter, &zero);
  if (count) {
    ++*count;
  }
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
