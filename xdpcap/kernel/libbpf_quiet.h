// SPDX-License-Identifier: BSD-3-Clause

#pragma once

#include <bpf/libbpf.h>

namespace xdpcap {

/// Keeps libbpf from writing to stderr; its messages are about calls whose failure we report.
///
/// libbpf raises RLIMIT_MEMLOCK by itself where the kernel counts BPF memory (before 5.11), and
/// goes on when it may not.
inline void silence_libbpf() {
  libbpf_set_print(nullptr);
}

}  // namespace xdpcap
