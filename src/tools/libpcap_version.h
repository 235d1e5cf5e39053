// SPDX-License-Identifier: BSD-3-Clause
//
// Which libpcap compiles the expressions.

#pragma once

#include <string_view>

namespace xdpcap {

/// "libpcap version 1.10.3 (with TPACKET_V3)", of the library that is loaded.
std::string_view libpcap_version();

}  // namespace xdpcap
