// SPDX-License-Identifier: BSD-3-Clause
//
// One question for each claim: is there a packet for which the fragment goes wrong, or ends with
// another value than it should?
//
// Tested by: prove_test.cc, filters_test.cc, random_test.cc, mutation_test.cc.

#include "verify/prove/prove.h"

#include <fmt/core.h>
#include <z3++.h>

#include "verify/prove/classic.h"
#include "verify/prove/fragment.h"
#include "verify/prove/question.h"
#include "verify/prove/replay.h"

namespace cbpfc::prove {
namespace {

using Clock = Questions::Clock;

/// The work on one claim.
class Attempt {
 public:
  Attempt(z3::context& context, const Claim& claim, const Limits& limits)
      : claim_(claim),
        limits_(limits),
        terms_(context),
        packet_(terms_, limits.max_packet_bytes, claim.entry.packet_length.has_value()),
        questions_(terms_, packet_, Clock::now() + limits.timeout),
        unrolling_{.max_rounds = limits.max_rounds,
                   .may_hold = [this](const z3::expr& c) { return questions_.may_hold(c); }} {}

  Proof run() {
    const auto started = Clock::now();
    auto proof = attempt();
    if (!proof) {
      proof = Proof{.verdict = Verdict::Unsupported, .reason = proof.error().message};
    }
    proof->time = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - started);
    proof->questions = questions_.asked();
    return *std::move(proof);
  }

 private:
  Result<Proof> attempt() {
    if (claim_.programs.empty() ||
        (claim_.meaning != Meaning::FirstMatch && claim_.programs.size() != 1) ||
        (claim_.labels && claim_.meaning != Meaning::Match)) {
      return fail(Errc::InvalidArgument,
                  "prove: number of programs, meaning and labels do not go together");
    }
    const z3::expr wanted = TRY(wanted_value());
    Outcome fragment = TRY(follow_fragment(terms_, packet_, claim_, unrolling_));
    overruns_.insert(overruns_.end(), fragment.overruns.begin(), fragment.overruns.end());
    violations_ = std::move(fragment.violations);
    const z3::expr differs = terms_.negation((wanted == given_value(fragment)).simplify());
    return decide(differs);
  }

  /// A value of 64 bits: zero, or what the ending brings.
  z3::expr chosen(const std::vector<Ending>& endings, auto value_of) {
    std::vector<z3::expr> conditions;
    std::vector<z3::expr> values;
    for (const Ending& ending : endings) {
      conditions.push_back(ending.condition);
      values.push_back(value_of(ending.value));
    }
    return values.empty() ? terms_.number(0, 64) : terms_.choose(conditions, values);
  }

  z3::expr is_match(const std::vector<Ending>& endings) {
    std::vector<z3::expr> matches;
    for (const Ending& ending : endings) {
      const z3::expr zero = terms_.number(0, width_of(ending.value));
      matches.push_back(terms_.both(ending.condition, terms_.negation(terms_.compare(
                                                          Comparison::Equal, ending.value, zero))));
    }
    return terms_.any(matches);
  }

  z3::expr as_number(const z3::expr& condition) {
    return z3::ite(condition, terms_.number(1, 64), terms_.number(0, 64));
  }

  Result<z3::expr> wanted_value() {
    std::vector<z3::expr> matches;
    for (const std::vector<RawInsn>& program : claim_.programs) {
      const Outcome outcome = TRY(follow_classic(terms_, packet_, program, unrolling_));
      overruns_.insert(overruns_.end(), outcome.overruns.begin(), outcome.overruns.end());
      if (claim_.meaning == Meaning::Value) {
        return chosen(outcome.endings,
                      [](const z3::expr& value) { return z3::zext(value, 32).simplify(); });
      }
      matches.push_back(is_match(outcome.endings));
    }
    if (claim_.meaning == Meaning::Match) {
      return as_number(matches[0]);
    }
    z3::expr number = terms_.number(0, 64);
    for (std::size_t i = matches.size(); i-- > 0;) {
      number = z3::ite(matches[i], terms_.number(i + 1, 64), number);
    }
    return number;
  }

  z3::expr given_value(const Outcome& fragment) {
    if (claim_.meaning == Meaning::Match) {
      return as_number(is_match(fragment.endings));
    }
    return chosen(fragment.endings, [](const z3::expr& value) { return value; });
  }

  z3::expr any_of(const std::vector<Violation>& list) {
    std::vector<z3::expr> conditions;
    conditions.reserve(list.size());
    for (const Violation& violation : list) {
      conditions.push_back(violation.condition);
    }
    return terms_.any(conditions);
  }

  /// A model of what is wrong that says most: a violation rather than another answer, a short packet.
  const z3::model& clearest(const z3::expr& wrong) {
    constexpr std::uint64_t kShortBytes = 100;
    const z3::expr violations = any_of(violations_);
    const z3::expr shown = questions_.prefer(violations) ? violations : wrong;
    static_cast<void>(questions_.prefer(
        terms_.both(shown, terms_.compare(Comparison::LessEqual, packet_.length64(),
                                          terms_.number(kShortBytes, 64)))));
    return questions_.model();
  }

  Result<Proof> decide(const z3::expr& differs) {
    for (const z3::expr& wrong : {terms_.any({differs, any_of(violations_)}), any_of(overruns_)}) {
      switch (questions_.ask(wrong)) {
        case Answer::Impossible: continue;
        case Answer::Unknown:
          return Proof{
              .verdict = Verdict::Unknown,
              .reason = fmt::format("the solver did not end in {} ms", limits_.timeout.count())};
        case Answer::Possible: return explain(clearest(wrong));
      }
    }
    return Proof{.verdict = Verdict::Equal};
  }

  /// The violation that a model shows, if it shows one.
  static const Violation* shown_by(const z3::model& model, const std::vector<Violation>& list) {
    for (const Violation& violation : list) {
      if (model.eval(violation.condition, true).is_true()) {
        return &violation;
      }
    }
    return nullptr;
  }

  std::uint32_t fact(const z3::model& model, const z3::expr& term) {
    return static_cast<std::uint32_t>(model.eval(term, true).as_uint64());
  }

  Result<Proof> explain(const z3::model& model) {
    ebpf::EntryState entry = claim_.entry;
    entry.wire_length_bytes = packet_.wire_length(model);
    const Environment& environment = packet_.environment();
    entry.ingress_ifindex = fact(model, environment.ingress_ifindex);
    entry.rx_queue_index = fact(model, environment.rx_queue_index);
    entry.processor_id = fact(model, environment.processor_id);
    entry.random = fact(model, environment.random);
    const Replay shown = TRY(replay(claim_, entry, packet_.bytes(model)));
    Proof proof{.verdict = Verdict::Different, .counterexample = shown.counterexample};
    bool is_trespass = false;
    if (const Violation* overrun = shown_by(model, overruns_)) {
      if (!shown.unsafe) {  // it ends, but not soon enough to be followed
        return Proof{.verdict = Verdict::Unsupported,
                     .reason = fmt::format("{} for packets of up to {} bytes", overrun->what,
                                           limits_.max_packet_bytes)};
      }
      proof.verdict = Verdict::Unsafe;
      proof.reason = overrun->what;
    } else if (const Violation* violation = shown_by(model, violations_)) {
      proof.verdict = Verdict::Unsafe;
      is_trespass = !violation->interpreted;
      proof.reason = fmt::format("eBPF instruction {} {}", violation->insn, violation->what);
    } else {
      proof.reason = "the answers differ";
    }
    if (!shown.different && !shown.unsafe && !is_trespass) {
      proof.verdict = Verdict::Unknown;
      proof.reason += ", which the interpreters do not confirm";
    }
    return proof;
  }

  const Claim& claim_;
  const Limits& limits_;
  Terms terms_;
  SymbolicPacket packet_;
  Questions questions_;
  Unrolling unrolling_;
  std::vector<Violation> violations_;
  std::vector<Violation> overruns_;
};

}  // namespace

struct Prover::Solver {
  z3::context context;
};

Prover::Prover() : solver_(std::make_unique<Solver>()) {}
Prover::~Prover() = default;

Proof Prover::prove(const Claim& claim, const Limits& limits) {
  try {
    return Attempt(solver_->context, claim, limits).run();
  } catch (const z3::exception& e) {  // out of memory, or a bug here
    return {.verdict = Verdict::Unknown, .reason = std::string("Z3: ") + e.msg()};
  }
}

Proof prove(const Claim& claim, const Limits& limits) {
  return Prover().prove(claim, limits);
}

std::string print(const Proof& proof) {
  if (proof.verdict == Verdict::Equal) {
    return {};
  }
  static constexpr std::string_view kVerdicts[] = {"equal", "different", "unsafe", "unknown",
                                                   "unsupported"};
  std::string text =
      fmt::format("{}: {}", kVerdicts[static_cast<std::size_t>(proof.verdict)], proof.reason);
  if (proof.counterexample) {
    const Counterexample& found = *proof.counterexample;
    text += fmt::format("; wanted {}, given {}; packet of {} bytes (on the wire {}):", found.wanted,
                        found.given, found.packet.size(), found.wire_length_bytes);
    constexpr std::size_t kMostShown = 128;
    for (std::size_t i = 0; i < std::min(found.packet.size(), kMostShown); ++i) {
      text += fmt::format(" {:02x}", found.packet[i]);
    }
    text += found.packet.size() > kMostShown ? " ..." : "";
  }
  return text;
}

}  // namespace cbpfc::prove
