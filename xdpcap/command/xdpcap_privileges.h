// SPDX-License-Identifier: BSD-3-Clause
//
// What xdpcap gives up, and when.
//
//     programs loaded      user of -Z; capabilities but the one that opens files of other users
//     output opened        that one, too
//     header written       files but those of the options, where the kernel has Landlock
//     threads started      system calls that a running capture does not make
//
// No step keeps anything for files: they are read and replaced in directories that are open, with the rights of the
// user that is left (filter_file.h, statistics_file.h).  Kernels before 5.19 want CAP_BPF for every use of a map.
//
// Capabilities and files are a thread's: those steps come before threads are made.  An output that was just created cannot be removed
// after the third.
//
// Tested by: xdpcap/tests/kernel/end_to_end/privileges_test.cc.

#pragma once

#include <optional>
#include <string>

#include "xdpcap/command/xdpcap_options.h"
#include "xdpcap/command/xdpcap_start.h"
#include "xdpcap/privilege/user.h"

namespace xdpcap {

/// The user of -Z, who must exist.
/// Errors: those of find_user().
Result<std::optional<User>> chosen_user(const XdpcapOptions& options);

/// That other processes run as `user`, too, if it is the one that many programs share; otherwise empty.
std::string shared_user_warning(const std::optional<User>& user);

/// After what takes privileges has been loaded.
/// Errors: those of reduce().
Result<void> give_up_before_output(const std::optional<User>& user);

/// After the output has been opened.
/// Errors: those of reduce().
Result<void> give_up_after_output();

/// Leaves the directories of `files`, to read and to replace files there.  Where the kernel has no Landlock, -v says so.
/// Errors: those of restrict_paths().
Result<void> restrict_files(const XdpcapOptions& options, const CaptureFiles& files);

/// When everything is open.  Where the kernel has no such filters, -v says so.
/// Errors: those of restrict_system_calls().
Result<void> restrict_capture(const XdpcapOptions& options, const CaptureFiles& files);

}  // namespace xdpcap
