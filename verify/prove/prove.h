// SPDX-License-Identifier: BSD-3-Clause
//
// Translation validation: shows that emitted eBPF answers as the classic program it was made from, for
// every packet, or finds a packet for which it does not.
//
//     const Proof proof = prove({.programs = {filter.encode()}, .insns = insns, .result = Reg::R4});
//     proof.verdict          // Equal, or
//     print(proof)           // "the answers differ: packet of 34 bytes 00..: 1 wanted, 0 given"
//
// It reads the emitted instructions and nothing else of the compiler.  Both programs are followed on
// all paths at once; the registers become terms over the bytes of a packet that may be any, and Z3 is
// asked for a packet that makes the values differ, or with which the fragment does something that it
// must not (loads outside the packet or the stack, reads what it has not written, writes what is the
// caller's).  That there is none is the proof.  A packet found is run through the interpreters before
// it is reported.
//
// Typical filters take milliseconds.  What does not end in time is Unknown, never Equal.  Loops are
// unrolled; where their number of rounds grows with the packet, bound its length.
//
// What is believed without proof: the two descriptions of instruction sets (classic.cc, fragment.cc),
// which mutation_test.cc holds against the interpreters, and Z3.

#pragma once

#include <cbpfc/cbpf.h>
#include <cbpfc/compile.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "verify/interpreter/ebpf_interpret.h"

namespace cbpfc::prove {

/// What the fragment answers, and with what the classic programs are compared.
enum class Meaning : std::uint8_t {
  Value,       ///< the program's 32-bit value, in all 64 bits of the result register
  Match,       ///< zero for no match, anything else for a match
  FirstMatch,  ///< the number, from 1, of the first program that matches; 0 for none
};

/// Two instructions at one of which the fragment ends, instead of leaving a value.  They may be the
/// number of instructions, the place behind the last.
struct Labels {
  std::size_t match;
  std::size_t no_match;
};

/// What the fragment may overwrite.
struct Writable {
  std::vector<ebpf::Reg> registers;
  std::uint32_t stack_from_bytes = 0;  ///< below R10, exclusive of what lies above
  std::uint32_t stack_to_bytes = 512;  ///< below R10
};

/// What compile_ebpf() says a fragment with these options overwrites.
Writable writable(const EbpfOptions& options);

/// What is to be proven.
struct Claim {
  std::vector<std::vector<RawInsn>> programs = {};  ///< one, or for Meaning::FirstMatch one or more
  Meaning meaning = Meaning::Value;
  std::span<const ebpf::Insn> insns = {};           ///< ends at `exit` or behind the last
  ebpf::EntryState entry = {};                      ///< its wire length and facts are not looked at
  ebpf::Reg result = ebpf::Reg::R4;                 ///< without labels
  std::optional<Labels> labels = std::nullopt;      ///< Meaning::Match only
  std::optional<Writable> writable = std::nullopt;  ///< none: everything
};

struct Limits {
  std::uint32_t max_packet_bytes = kMaxPacketOffset;
  std::chrono::milliseconds timeout = std::chrono::seconds(20);
  std::size_t max_rounds = 64;  ///< of a loop
};

/// No longer packets than those a fragment with these options is made for.
Limits within(const EbpfOptions& options, Limits limits);

enum class Verdict : std::uint8_t {
  Equal,
  Different,    ///< a packet shows another answer
  Unsafe,       ///< a packet makes the fragment do what it must not
  Unknown,      ///< no answer in time
  Unsupported,  ///< the programs contain what the prover does not know
};

struct Counterexample {
  std::vector<std::uint8_t> packet;
  std::uint32_t wire_length_bytes = 0;
  std::uint64_t wanted = 0;  ///< by the classic programs
  std::string given;         ///< what the fragment answers, or why it cannot go on
};

struct Proof {
  Verdict verdict = Verdict::Unknown;
  std::string reason = {};                                      ///< for all but Equal
  std::optional<Counterexample> counterexample = std::nullopt;  ///< Different, Unsafe
  std::chrono::microseconds time = {};
  std::size_t questions = 0;  ///< put to the solver
};

/// Proves, one claim after the other, with one solver's memory.
class Prover {
 public:
  Prover();
  ~Prover();
  Prover(const Prover&) = delete;
  Prover& operator=(const Prover&) = delete;

  Proof prove(const Claim& claim, const Limits& limits = {});

 private:
  struct Solver;
  std::unique_ptr<Solver> solver_;
};

/// One claim with a solver of its own.
Proof prove(const Claim& claim, const Limits& limits = {});

/// The proof in words; empty for Equal.
std::string print(const Proof& proof);

/// Compiles `filter`, and proves the fragment; empty when that succeeds.
std::string check(const Filter& filter, const EbpfOptions& options, const Limits& limits = {});

/// The same for many, with one prover.
std::string check(Prover& prover, const Filter& filter, const EbpfOptions& options,
                  const Limits& limits = {});

/// Compiles `filters` into one fragment, and proves that it answers with the number of the first that
/// matches; empty when that succeeds.
std::string check_set(Prover& prover, std::span<const Filter> filters, const EbpfOptions& options,
                      const Limits& limits = {});

}  // namespace cbpfc::prove
