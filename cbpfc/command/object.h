// SPDX-License-Identifier: BSD-3-Clause
//
// Filter to object file: one function, compiled, that XDP and TC programs in C call and are linked
// with.
//
//     extern __u32 is_dns(const __u8 *data, const __u8 *data_end);    // in the program
//     ...
//     if (is_dns(data, data_end)) return XDP_DROP;
//
//     clang -target bpf -O2 -g -c program.c -o program.o
//     bpftool gen object linked.o program.o is_dns.o                  // is_dns.o: compile_object()
//
// The function is global for the linker and hidden, which makes it static for the kernel: the
// verifier looks at it once for each call, and so knows the packet pointers that it is given.  (Of
// a global function it would know the types of arguments alone, and those are plain pointers.)
//
// It keeps R6 to R9, as every function; it uses stack only for scratch slots.

#pragma once

#include <cbpfc/cbpf.h>
#include <cbpfc/compile.h>
#include <cbpfc/result.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace command {

struct ObjectOptions {
  std::string function_name = "filter";  ///< an identifier of C
  /// What the kernel shows beside the function's instructions (bpftool prog dump); may be empty.
  std::string source = {};
  /// As for fragments; `context` has no meaning, for the function is not given it.
  cbpfc::AncillaryOptions ancillary = {};
  bool optimize = true;  ///< as EbpfOptions::optimize
};

/// Compiles a filter to a relocatable ELF file for BPF with the function
///
///     uint32_t NAME(const uint8_t *data, const uint8_t *data_end)
///
/// that returns the filter's value, 0 for no match.
///
/// Errors: Errc::InvalidArgument for options that are not legal, naming the option; those of
/// compile_ebpf().
cbpfc::Result<std::vector<std::uint8_t>> compile_object(const cbpfc::Filter& filter,
                                                        const ObjectOptions& options = {});

/// The same for a set of filters: the function returns the number, from 1, of the first that matches, 0
/// for none.
/// Errors: as above; those of compile_ebpf_set().
cbpfc::Result<std::vector<std::uint8_t>> compile_object_set(std::span<const cbpfc::Filter> filters,
                                                            const ObjectOptions& options = {});

/// The instructions of a complete BPF function, which ends with `exit`, as such a file.
/// Errors: Errc::InvalidArgument for a name that is not an identifier.
cbpfc::Result<std::vector<std::uint8_t>> write_object(std::span<const cbpfc::ebpf::Insn> insns,
                                                      const ObjectOptions& options);

}  // namespace command
