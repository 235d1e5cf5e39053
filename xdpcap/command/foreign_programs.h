// SPDX-License-Identifier: BSD-3-Clause
//
// What -detach does about programs in a hook's slots that no xdpcap of ours has put there, such as those that a killed
// original has left.
//
// The kernel does not say whose they are, nor whether their process lives.  So they are named, and removed only when that is
// asked for (-force), and only while a slot still holds what was named.  The programs of an array that is shown to be no
// hook, such as a dispatch table, are left alone in any case: without them, packets would be lost.
//
// Tested by: xdpcap/tests/kernel/end_to_end/foreign_programs_test.cc.

#pragma once

#include <string>

#include "xdpcap/command/xdpcap_options.h"
#include "xdpcap/hook/hook.h"

namespace xdpcap {

/// Names foreign programs, removes them, and says how many; empty: there are none.
/// Errors: Permission where ours cannot be told from others; InvalidArgument for an array that is not a hook; Busy if another
/// program came into a slot meanwhile, which stays.
Result<std::string> remove_foreign(const Hook& hook, const XdpcapOptions& options);

/// What to do about foreign programs; empty: there are none, or they may not be looked at.
/// Errors: the same as Busy, unless something else was detached; InvalidArgument for an array that is not a hook.
Result<std::string> advise_on_foreign(const Hook& hook, bool has_detached,
                                      const XdpcapOptions& options);

}  // namespace xdpcap
