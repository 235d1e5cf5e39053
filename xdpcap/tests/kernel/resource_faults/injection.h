// SPDX-License-Identifier: BSD-3-Clause
//
// xdpcap with one system call failing: strace puts an error in the place of the n-th call of a kind, in the capture and in its guardian.
//
//     strace -f -e inject=bpf:error=ENOMEM:when=7 xdpcap -c 3 HOOK FILE
//
// For every n that the capture comes to.  Whatever the call, it either works all the same, or ends with a message and a
// code; packets keep their verdicts, and nothing is left.
//
// A full round takes minutes and is for a change to what calls the kernel: XDPCAP_EVERY_FAULT=1 asks for it.  Without, each kind of
// call is failed with the error that is most likely at every n, and with the others at some.

#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "xdpcap/tests/kernel/resource_faults/stage.h"

namespace xdpcap::test {

struct Injection {
  std::string call;        ///< "bpf", or several with commas
  std::string fault;       ///< as strace has it: "error=ENOMEM", "retval=1"
  std::size_t stride = 1;  ///< every so-many-th call only, unless all are asked for
  /// Not the calls of the loader of shared libraries, which has messages and crashes of its own.
  bool skips_loader = false;
  bool on_output_only = false;  ///< calls on the output file
};

/// How the runs of an injection ended.
struct Outcomes {
  std::size_t worked = 0;
  std::size_t refused = 0;  ///< ended with a message
  std::size_t runs() const { return worked + refused; }
};

/// Fails every call in turn of a capture with these arguments, which has to end on its own while there is traffic, and
/// prints the outcomes.
Outcomes inject_in_turn(const Stage& stage, const Injection& injection,
                        const std::vector<std::string>& arguments);

}  // namespace xdpcap::test
