// SPDX-License-Identifier: BSD-3-Clause
//
// Calls functions of object files that cbpfc makes, as a user's program does.

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern __u32 filter(const __u8* data, const __u8* data_end);
extern __u32 other(const unsigned char* data, const unsigned char* data_end);

SEC("xdp")
int call_one(struct xdp_md* ctx) {
  return filter((const __u8*)(long)ctx->data, (const __u8*)(long)ctx->data_end);
}

SEC("xdp")
int call_both(struct xdp_md* ctx) {
  const __u8* data = (const __u8*)(long)ctx->data;
  const __u8* data_end = (const __u8*)(long)ctx->data_end;

  if (data + 14 > data_end) {
    return 0;
  }
  /* Looked at behind their headers, too: each call has its own pointers. */
  return (filter(data, data_end) ? 1 : 0) | (other(data, data_end) ? 2 : 0) |
         (other(data + 14, data_end) ? 4 : 0);
}

SEC("tc")
int call_from_tc(struct __sk_buff* ctx) {
  return filter((const __u8*)(long)ctx->data, (const __u8*)(long)ctx->data_end) ? 2 : 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
