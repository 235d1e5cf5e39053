// SPDX-License-Identifier: BSD-3-Clause
//
// A program as users of the original xdpcap wrote them, before libbpf 1.0: it brings the loader's
// map struct and its own helper declarations, and declares the hook as a legacy map.
//
// libbpf 1.0 and later refuse to load it; hook_header_test looks into the object instead.

struct bpf_map_def {
  unsigned int type;
  unsigned int key_size;
  unsigned int value_size;
  unsigned int max_entries;
  unsigned int map_flags;
};

int tail_call(void* ctx, void* map, int index);
static int (*bpf_tail_call)(void* ctx, void* map, int index) = (void*)12;

#include <xdpcap/hook.h>

#define SECTION(name) __attribute__((section(name), used))

SECTION("maps") struct bpf_map_def xdpcap_hook = XDPCAP_HOOK();

SECTION("xdp") int hooked(struct xdp_md* ctx) {
  return xdpcap_exit(ctx, &xdpcap_hook, XDP_PASS);
}

SECTION("xdp/own") int own_tail_call(struct xdp_md* ctx) {
  bpf_tail_call(ctx, &xdpcap_hook, XDP_DROP);
  return XDP_DROP;
}

SECTION("license") char license_text[] = "BSD";
