// SPDX-License-Identifier: BSD-3-Clause
//
// An XDP program that returns the first byte of the packet through a hook of SLOTS slots, as programs of the original's users may.

#include <linux/bpf.h>
#include <xdpcap/hook.h>

struct {
  int (*type)[BPF_MAP_TYPE_PROG_ARRAY];
  int (*key_size)[sizeof(int)];
  int (*value_size)[sizeof(int)];
  int (*max_entries)[SLOTS];
} xdpcap_hook __attribute__((section(".maps"), used));

__attribute__((section("xdp"), used)) int hooked(struct xdp_md* ctx) {
  const unsigned char* data = (const void*)(long)ctx->data;
  if (data + 1 > (const unsigned char*)(long)ctx->data_end) {
    return XDP_ABORTED;
  }
  return xdpcap_exit(ctx, &xdpcap_hook, *data);
}

char license_text[] __attribute__((section("license"), used)) = "Dual BSD/GPL";
