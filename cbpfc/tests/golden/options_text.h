// SPDX-License-Identifier: BSD-3-Clause
//
// Options of the compiler as words: "packet_start=R6 spare=R0,R1 access=buffer optimize=false".

#pragma once

#include <cbpfc/compile.h>
#include <cbpfc/compile_c.h>

#include <string>

namespace golden {

/// What is no option fails the test.
cbpfc::EbpfOptions ebpf_options(const std::string& words);
cbpfc::COptions c_options(const std::string& words);

}  // namespace golden
