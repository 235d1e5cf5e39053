// SPDX-License-Identifier: BSD-3-Clause
//
// A program that was given more than the user has who starts it.
//
//     set-user-ID, set-group-ID    refused: options name files, and these would be opened with the rights of the file's owner
//     capabilities of the file     only those are kept that open no files; the user is the one who started it
//
//     setcap cap_bpf,cap_net_admin,cap_perfmon+ep xdpcap      for users who may read and write the pin of the hook
//
// Source: Linux v6.18 security/commoncap.c cap_bprm_creds_from_file(), what sets AT_SECURE; capabilities(7).
// Tested by: xdpcap/tests/kernel/resource_faults/secure_start_test.cc.

#pragma once

#include <span>

#include "base/result.h"
#include "xdpcap/kernel/capabilities.h"

namespace xdpcap {

/// Checks who starts this process; keeps `kept` of the capabilities that its file has.  Must come before arguments are looked at and
/// before threads are made.
/// Errors: Errc::Permission if it was started set-user-ID or set-group-ID; Kernel.
Result<void> check_start(std::span<const Capability> kept);

}  // namespace xdpcap
