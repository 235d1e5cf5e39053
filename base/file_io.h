// SPDX-License-Identifier: BSD-3-Clause
//
// What is done with descriptors in more than one place.

#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace xdpcap {

/// What fstat() does, by fstat(2).  That of the C library may be newfstatat(2), which takes a path, too, and which a process that is
/// restricted may not call (xdpcap/privilege/system_calls.h).
/// Returns: whether there is such a descriptor; if not, errno says why.
bool file_status(int fd, struct stat& status);

/// Writes all of `bytes`, and waits where write(2) waits.  Adds to `done_bytes` what was written.
/// Returns: 0, or an errno.
int write_all(int fd, std::span<const std::uint8_t> bytes, std::size_t& done_bytes);
int write_all(int fd, std::string_view text);

/// Whether creating a file failed because of its directory, so that a file that is there may be written to all the same.
bool is_refused_by_directory(int error_number);

}  // namespace xdpcap
