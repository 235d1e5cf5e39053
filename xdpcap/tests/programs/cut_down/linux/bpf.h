/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A <linux/bpf.h> that holds no more than a program of the original xdpcap needed: some projects bring such a header, so that they
 * compile without the kernel's.  It has no helper numbers.  Numbers are those of Linux include/uapi/linux/bpf.h.
 */
#ifndef CUT_DOWN_LINUX_BPF_H
#define CUT_DOWN_LINUX_BPF_H

#define __u32 int

enum bpf_map_type { BPF_MAP_TYPE_HASH = 1, BPF_MAP_TYPE_ARRAY = 2, BPF_MAP_TYPE_PROG_ARRAY = 3 };

enum xdp_action { XDP_ABORTED = 0, XDP_DROP, XDP_PASS, XDP_TX };

struct xdp_md {
  __u32 data;
  __u32 data_end;
};

#endif
