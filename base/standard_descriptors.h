// SPDX-License-Identifier: BSD-3-Clause
//
// Keeps the numbers 0, 1 and 2 for what they mean.
//
// A process started with standard output closed (`xdpcap hook - >&-`) would get its first own
// descriptor as number 1, and write packets there.

#pragma once

namespace xdpcap::cli {

/// Puts a descriptor that cannot be written in the place of each standard one that is closed, so
/// that writing fails as it would have.  To be called before anything is opened.
void occupy_standard_descriptors();

}  // namespace xdpcap::cli
