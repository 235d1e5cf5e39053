// SPDX-License-Identifier: BSD-3-Clause
//
// A packet generator: run by BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES, it sends the packet
// of that call out of the interface in entry 0 of `generate_to`, as often as the call repeats it.
//
// Out of one end of a veth pair the packets arrive at the XDP program on the other end, at several
// million a second.  The count of packets redirected is in `generated`, entry 0, per CPU; those
// that the interface had no room for are among them.
//
// Source: Linux v6.18 Documentation/bpf/bpf_prog_run.rst, "Running XDP programs in live frame
// mode".

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP);
  __uint(max_entries, 1);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} generate_to SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} generated SEC(".maps");

SEC("xdp")
int generate(struct xdp_md* ctx) {
  (void)ctx;
  const __u32 zero = 0;
  const int action = bpf_redirect_map(&generate_to, 0, XDP_ABORTED);
  __u64* count = bpf_map_lookup_elem(&generated, &zero);
  if (count && action == XDP_REDIRECT) {
    *count += 1;
  }
  return action;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
