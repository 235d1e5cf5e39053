// SPDX-License-Identifier: BSD-3-Clause
//
// The programs of programs.h in C, around the C function that cbpfc makes of a filter.

#pragma once

#include <cbpfc/cbpf.h>

#include <string>

#include "bench/programs/clang.h"
#include "bench/programs/programs.h"

namespace bench {

/// The whole C source, as given to clang.
/// Errors: those of compile_c().
cbpfc::Result<std::string> clang_source(const cbpfc::Filter& filter, const ProgramsWanted& wanted);

/// Errors: those of compile_c() and of Clang::compile().
cbpfc::Result<Programs> clang_programs(const Clang& clang, const cbpfc::Filter& filter,
                                       const ProgramsWanted& wanted);

}  // namespace bench
