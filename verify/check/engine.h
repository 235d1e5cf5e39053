// SPDX-License-Identifier: BSD-3-Clause
//
// What runs a filter, or a set of them, over packets: the kernel, or one of cbpfc's interpreters.
//
// The kernel runs the compiled code as an XDP program (BPF_PROG_TEST_RUN), attached to nothing.  It
// takes no packets of less than 14 bytes, and shows a program only the first page of long ones; those go to
// the interpreter.  So do, of a filter that asks for a packet's length, packets of which only a part was
// captured: the program finds no more than that part, unless it gets the length in a register.
//
// Tested by: verify/tests/engine_test.cc, verify/tests/cli/match.bats.

#pragma once

#include <cbpfc/result.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "verify/check/options.h"

namespace check {

class FilterEngine {
 public:
  FilterEngine() = default;
  FilterEngine(const FilterEngine&) = delete;
  FilterEngine& operator=(const FilterEngine&) = delete;
  virtual ~FilterEngine() = default;

  /// The filter's value, or for a set the number of the first filter that matches; 0 for no match.
  /// Errors: those of the interpreters; Errc::Kernel.
  virtual cbpfc::Result<std::uint32_t> run(std::span<const std::uint8_t> packet,
                                           std::uint32_t wire_length_bytes) = 0;

  /// Packets run so far.
  virtual std::uint64_t packets() const = 0;

  /// Who ran what so far: "2 packets by the kernel".
  virtual std::string describe() const = 0;
};

/// Whether this process may load XDP programs.
bool may_use_kernel();

/// The engine that is asked for, with Engine::Auto the kernel's where it is allowed.
///
/// Ownership: `subject` must outlive the engine.
/// Errors: those of the compiler; VerifierRejected, Permission, Kernel.
cbpfc::Result<std::unique_ptr<FilterEngine>> make_engine(const Subject& subject,
                                                         const Options& options);

}  // namespace check
