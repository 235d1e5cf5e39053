// SPDX-License-Identifier: BSD-3-Clause
//
// Which programs a hook accepts.
//
// A hook accepts only programs like its owner: expected attach type BPF_XDP (what libbpf sets) or 0
// (older loaders), multi-buffer or not.  The kernel does not say which.  But it checks already when
// a program is loaded that mentions the hook, so a program of two instructions is loaded for each
// variant, likeliest first, and the one that loads is it.  Nothing enters a slot for this, and no
// packet sees it.
//
// The kernel version does not tell whether the attach type matters: that came with 6.18 and with
// stable kernels of 2025, among them some of 6.1 and 6.12, while 6.16 lacks it.
//
// Source: Linux v6.18 kernel/bpf/core.c __bpf_prog_map_compatible(), bpf_check_tail_call();
// commit 4540aed51b12.
// Tested by: xdpcap/tests/kernel/hook/hook_capture_test.cc.

#pragma once

#include <cstdint>
#include <string>

#include "xdpcap/hook/hook.h"

namespace xdpcap {

/// Properties a hook's programs must share.
struct Variant {
  std::uint32_t expected_attach_type = 0;  ///< 37 (BPF_XDP) or 0
  bool multi_buffer = false;               ///< BPF_F_XDP_HAS_FRAGS
  std::string describe() const;            ///< "expected attach type BPF_XDP, multi-buffer"
  bool operator==(const Variant&) const = default;
};

/// The variant that `hook` accepts.  The hook must have an owner: the first program that mentions
/// an ownerless hook becomes just that. Errors: Permission; Unsupported when the hook accepts none
/// of them, listing what was tried.
Result<Variant> find_variant(const Hook& hook);

}  // namespace xdpcap
