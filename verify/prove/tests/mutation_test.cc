// SPDX-License-Identifier: BSD-3-Clause
//
// Is the prover worth anything?  Faults are put into emitted fragments, one a time, and the prover must
// find them.
//
// Whether a fault changes any answer is decided without the prover, by running original and mutant
// over thousands of packets: made to match and to just miss, cut at every length, and disturbed.  Then
//
//     changes an answer, and the prover says Equal          never: that is a wrong proof
//     changes an answer, and the prover shows a packet      at least 95 of 100
//     changes none, and the prover shows a packet           the packets here did not show it
//     changes none, and the prover says Equal               a fault that is none
//
// A packet the prover shows is run here again.  What remains is printed with the reason.
//
// PROVE_MUTANTS: faults in each fragment.  PROVE_SEED: which.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "verify/differential/generators/generator.h"
#include "verify/differential/generators/packet_maker.h"
#include "verify/differential/generators/shape_generator.h"
#include "verify/interpreter/interpret.h"
#include "verify/prove/prove.h"
#include "verify/prove/tests/corpus.h"
#include "verify/prove/tests/mutant.h"

namespace cbpfc::prove {
namespace {

using differential::Packet;
using ebpf::Insn;

constexpr std::uint64_t kMaxInsns = 20000;  // of one run: more is an endless loop

struct Subject {
  std::string name;
  Filter filter;
  std::vector<Insn> insns;
  std::vector<Packet> packets;
  std::vector<std::uint32_t> wanted;  ///< the filter's answer to each packet
};

std::uint32_t answer_of(const Filter& filter, const Packet& packet) {
  return interpret(filter, packet, static_cast<std::uint32_t>(packet.size())).value();
}

/// Whether the fragment gives the answer, and nothing else, for a packet.
bool answers(std::span<const Insn> insns, const Packet& packet, std::uint32_t wanted) {
  const auto run = ebpf::interpret(insns, packet, {}, kMaxInsns);
  return run && run->is_number[4] && run->registers[4] == wanted;
}

/// Cuts each of `whole` at every length, and disturbs a byte of each.
std::vector<Packet> vary(const std::vector<Packet>& whole, std::mt19937_64& random) {
  std::vector<Packet> all;
  for (const Packet& packet : whole) {
    const std::size_t most = std::min<std::size_t>(packet.size(), 110);
    for (std::size_t length = 0; length <= most; ++length) {
      all.emplace_back(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(length));
    }
    for (int i = 0; i < 40 && !packet.empty(); ++i) {
      Packet disturbed = packet;
      disturbed[random() % std::min<std::size_t>(packet.size(), 64)] =
          static_cast<std::uint8_t>(random());
      all.push_back(std::move(disturbed));
    }
    all.push_back(packet);
  }
  return all;
}

Subject make_subject(std::string name, Filter filter, bool optimize, std::mt19937_64& random) {
  ebpf::Assembly code = compile_ebpf(filter, {.optimize = optimize}).value();
  code.label("result");
  Subject subject{.name = std::move(name),
                  .filter = filter,
                  .insns = code.assemble().value(),
                  .packets = {},
                  .wanted = {}};
  const differential::MadePackets made = differential::make_packets(filter, 600, 8, random());
  std::vector<Packet> whole = made.matching;
  whole.insert(whole.end(), made.missing.begin(), made.missing.end());
  differential::Generator generator(random());
  for (int i = 0; i < 20; ++i) {
    whole.push_back(generator.packet());
  }
  subject.packets = vary(whole, random);
  for (const Packet& packet : subject.packets) {
    subject.wanted.push_back(answer_of(filter, packet));
    EXPECT_TRUE(answers(subject.insns, packet, subject.wanted.back())) << subject.name;
  }
  return subject;
}

bool changes_an_answer(const Subject& subject, std::span<const Insn> mutant) {
  for (std::size_t i = 0; i < subject.packets.size(); ++i) {
    if (!answers(mutant, subject.packets[i], subject.wanted[i])) {
      return true;
    }
  }
  return false;
}

struct Tally {
  std::size_t changing = 0, caught = 0, caught_beyond = 0, equal = 0, undecided = 0;
  std::map<std::string, std::size_t> missed;  ///< kind of fault and reason -> times
  std::map<std::string, std::size_t> kinds;   ///< of those that were caught

  void print() const {
    fmt::print(
        "{} mutants changed an answer, {} of them were caught\n"
        "of those that changed none here: {} shown to be wrong nevertheless, {} proven equal, {} "
        "undecided\n",
        changing, caught, caught_beyond, equal, undecided);
    for (const auto& [kind, times] : kinds) {
      fmt::print("  caught {:5} x {}\n", times, kind);
    }
    for (const auto& [what, times] : missed) {
      fmt::print("  missed {:5} x {}\n", times, what);
    }
  }
};

/// The packet shows the fault when it is run here.
bool is_shown(const Subject& subject, const Mutant& mutant, const Proof& proof) {
  if (!proof.counterexample) {
    return false;
  }
  const Packet& packet = proof.counterexample->packet;
  return !answers(mutant.insns, packet, answer_of(subject.filter, packet));
}

void try_mutant(const Subject& subject, const Mutant& mutant, Prover& prover, Tally& tally) {
  const bool changes = changes_an_answer(subject, mutant.insns);
  const Proof proof = prover.prove({.programs = {subject.filter.encode()}, .insns = mutant.insns},
                                   {.timeout = std::chrono::seconds(5), .max_rounds = 16});
  const bool shown = is_shown(subject, mutant, proof);
  if (proof.verdict == Verdict::Different || proof.verdict == Verdict::Unsafe) {
    EXPECT_TRUE(shown) << subject.name << ", instruction " << mutant.at << ", " << mutant.what
                       << ": " << print(proof) << '\n'
                       << ebpf::print(mutant.insns);
  }
  if (changes) {
    ++tally.changing;
    EXPECT_NE(proof.verdict, Verdict::Equal)
        << "a wrong proof: " << subject.name << ", instruction " << mutant.at << ", " << mutant.what
        << '\n'
        << ebpf::print(mutant.insns);
    if (shown) {
      ++tally.caught;
      ++tally.kinds[mutant.what];
    } else {
      ++tally.missed[mutant.what + ": " + proof.reason];
    }
  } else if (shown) {
    ++tally.caught_beyond;
  } else if (proof.verdict == Verdict::Equal) {
    ++tally.equal;
  } else {
    ++tally.undecided;
    ++tally.missed["(changes nothing here) " + mutant.what + ": " + proof.reason];
  }
}

class Mutation : public testing::TestWithParam<bool> {};

TEST_P(Mutation, FaultsAreFound) {
  std::mt19937_64 random(setting("PROVE_SEED", 1));
  const std::uint64_t mutants = setting("PROVE_MUTANTS", 6);
  Tally tally;
  Prover prover;
  const auto work_on = [&](const Subject& subject) {
    for (std::uint64_t made = 0; made < mutants;) {
      if (const auto mutant = mutate(subject.insns, random)) {
        try_mutant(subject, *mutant, prover, tally);
        ++made;
      }
    }
  };
  for (const std::string& expression : expressions()) {
    work_on(make_subject(expression, compile(expression), GetParam(), random));
  }
  differential::Generator wide(random(), differential::Profile::Wide);
  differential::Generator address(random(), differential::Profile::Address);
  differential::ShapeGenerator shape(random());
  for (int i = 0; i < 10; ++i) {
    for (const Filter& filter : {wide.program(), address.program(), shape.program()}) {
      work_on(make_subject(fmt::format("random program {}", i), filter, GetParam(), random));
    }
  }
  tally.print();
  EXPECT_GT(tally.changing, mutants * 30);
  EXPECT_GE(tally.caught * 100, tally.changing * 95);
}

INSTANTIATE_TEST_SUITE_P(Optimize, Mutation, testing::Bool(), [](const auto& param) {
  return param.param ? std::string("Optimised") : std::string("Plain");
});

}  // namespace
}  // namespace cbpfc::prove
