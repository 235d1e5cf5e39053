// SPDX-License-Identifier: BSD-3-Clause

#pragma once

#include <string_view>

namespace xdpcap {

/// "map", "program", "link" or "object", by what the kernel calls the descriptor.
std::string_view object_kind(int fd);

}  // namespace xdpcap
