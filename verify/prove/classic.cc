// SPDX-License-Identifier: BSD-3-Clause
//
// One visit a block.  Where paths meet, A, X and M[] become choices between what the paths bring
// (gates.h), unless nothing reads them any more.
//
// A load outside the packet and a division by X = 0 end the program with 0, as a path of its own.
//
// Source: Linux v6.18 net/core/filter.c; cbpf.h for where cbpfc differs.
// Tested by: prove_test.cc, against interpret() in mutation_test.cc.

#include "verify/prove/classic.h"

#include <fmt/core.h>

#include <array>
#include <optional>

#include "base/overloaded.h"
#include "verify/prove/classic_live.h"
#include "verify/prove/flow.h"

namespace cbpfc::prove {
namespace {

struct State {
  z3::expr a;
  z3::expr x;
  std::array<std::optional<z3::expr>, kScratchSlots> scratch;  ///< empty: 0
};

// Source: Linux v6.18 include/uapi/linux/filter.h SKF_AD_IFINDEX, SKF_AD_QUEUE, SKF_AD_CPU,
// SKF_AD_ALU_XOR_X, SKF_AD_RANDOM.
constexpr std::uint32_t kIfindex = 8, kQueue = 24, kCpu = 36, kXorX = 40, kRandom = 56;

class ClassicFollower {
 public:
  ClassicFollower(Terms& terms, SymbolicPacket& packet, std::span<const Insn> insns,
                  const Unrolling& unrolling)
      : terms_(terms),
        packet_(packet),
        insns_(insns),
        unrolling_(unrolling),
        live_(live_before(insns)),
        is_target_(insns.size()),
        gates_(terms.context()),
        path_(terms.truth(true)),
        state_{.a = terms.number(0, 32), .x = terms.number(0, 32), .scratch = {}} {
    for (std::size_t at = 0; at < insns.size(); ++at) {
      for (const std::size_t next : successors(insns[at], at)) {
        is_target_[next] =
            is_target_[next] || next != at + 1 || std::holds_alternative<JumpIf>(insns[at]);
      }
    }
  }

  Result<Outcome> run() {
    flow_.arrive(0, 0, {Gates::kEntry, path_, path_}, state_);
    while (!flow_.done()) {
      const auto visit = flow_.next();
      round_ = visit.round;
      const Meeting meeting = gates_.meet(visit.edges);
      path_ = terms_.define(terms_.any(meeting.paths()));
      merge(visit, meeting);
      if (!goes_on(visit.insn)) {
        continue;
      }
      run_block(visit.insn);
      if (error_) {
        return std::unexpected(*std::move(error_));
      }
    }
    return std::move(outcome_);
  }

 private:
  using Visit = Flow<State>::Visit;

  /// Whether to follow a path that came here by a backward jump.
  bool goes_on(std::size_t insn) {
    if (round_ == 0) {
      return true;
    }
    if (!unrolling_.may_hold(path_)) {
      return false;
    }
    if (round_ <= unrolling_.max_rounds) {
      return true;
    }
    outcome_.overruns.push_back(
        {path_, insn,
         fmt::format("the classic program's loop at instruction {} runs more than {} "
                     "rounds",
                     insn, unrolling_.max_rounds)});
    return false;
  }

  void merge(const Visit& visit, const Meeting& meeting) {
    state_ = visit.states[0];
    if (visit.states.size() == 1) {
      return;
    }
    const auto choose = [&](auto member) {
      std::vector<z3::expr> values;
      values.reserve(visit.states.size());
      for (const State& state : visit.states) {
        values.push_back(member(state));
      }
      return meeting.choose(values);
    };
    const LiveSet live = live_[visit.insn];
    if ((live & kLiveA) != 0) {
      state_.a = choose([](const State& s) { return s.a; });
    }
    if ((live & kLiveX) != 0) {
      state_.x = choose([](const State& s) { return s.x; });
    }
    for (std::uint8_t slot = 0; slot < kScratchSlots; ++slot) {
      if ((live & live_slot(slot)) != 0) {
        state_.scratch[slot] =
            choose([&](const State& s) { return s.scratch[slot].value_or(terms_.number(0, 32)); });
      }
    }
  }

  /// From `at` to a jump, a return, or the next place where paths meet.
  void run_block(std::size_t at) {
    for (bool first = true; first || !is_target_[at]; ++at, first = false) {
      std::visit([&](const auto& i) { step(i, at); }, insns_[at]);
      if (path_.is_false() || error_ || ended_) {
        ended_ = false;
        return;
      }
    }
    flow_.jump(round_, at - 1, at, {gates_.number(), path_, terms_.truth(true)}, state_);
  }

  z3::expr& reg(Register r) { return r == Register::A ? state_.a : state_.x; }
  z3::expr value(const Operand& operand) {
    return operand.is_x ? state_.x : terms_.number(operand.k, 32);
  }

  void end(const z3::expr& condition, const z3::expr& value) {
    if (!condition.is_false()) {
      outcome_.endings.push_back({condition, value});
    }
  }

  /// Ends with 0 unless `condition` holds.
  void require(const z3::expr& condition) {
    end(terms_.both(path_, terms_.negation(condition)), terms_.number(0, 32));
    path_ = terms_.both(path_, condition);
  }

  void go(std::size_t at, std::size_t target, const z3::expr& condition) {
    const z3::expr path = terms_.define(terms_.both(path_, condition));
    flow_.jump(round_, at, target, {gates_.number(), path, condition}, state_);
  }

  z3::expr load(const z3::expr& offset32, Size size) {
    const auto bytes = static_cast<unsigned>(size);
    const z3::expr offset64 = z3::zext(offset32, 32).simplify();
    require(packet_.contains(offset64, bytes));
    return z3::zext(packet_.load_big(offset64, bytes), 32 - 8 * bytes).simplify();
  }

  bool refuse_header_relative(std::uint32_t offset, std::size_t at) {
    if (is_header_relative(offset)) {
      error_ = Error{.code = Errc::Unsupported,
                     .message = fmt::format("prove: classic instruction {}: a load relative to a "
                                            "header has no meaning here",
                                            at),
                     .detail = {}};
    }
    return error_.has_value();
  }

  void step(const LoadImmediate& i, std::size_t) { reg(i.dst) = terms_.number(i.value, 32); }
  void step(const LoadAbsolute& i, std::size_t at) {
    if (!refuse_header_relative(i.offset, at)) {
      state_.a = load(terms_.number(i.offset, 32), i.size);
    }
  }
  void step(const LoadIndirect& i, std::size_t) {
    state_.a = load((state_.x + terms_.number(i.offset, 32)).simplify(), i.size);
  }
  void step(const LoadHeaderLength& i, std::size_t at) {
    if (!refuse_header_relative(i.offset, at)) {
      const z3::expr byte = load(terms_.number(i.offset, 32), Size::Byte);
      state_.x = (z3::shl(byte & terms_.number(0xf, 32), terms_.number(2, 32))).simplify();
    }
  }
  void step(const LoadLength& i, std::size_t) { reg(i.dst) = packet_.wire_length32(); }
  void step(const LoadAncillary& i, std::size_t at) {
    switch (const Environment& known = packet_.environment(); i.offset) {
      case kIfindex: state_.a = known.ingress_ifindex; break;
      case kQueue: state_.a = known.rx_queue_index; break;
      case kCpu: state_.a = known.processor_id; break;
      case kRandom: state_.a = known.random; break;
      case kXorX: state_.a = (state_.a ^ state_.x).simplify(); break;
      default:
        error_ =
            Error{.code = Errc::Unsupported,
                  .message = fmt::format("prove: classic instruction {}: ancillary load {} has "
                                         "no meaning here",
                                         at, i.offset),
                  .detail = {}};
    }
  }
  void step(const LoadScratch& i, std::size_t) {
    reg(i.dst) = state_.scratch[i.slot].value_or(terms_.number(0, 32));
  }
  void step(const StoreScratch& i, std::size_t) { state_.scratch[i.slot] = reg(i.src); }

  void step(const Alu& i, std::size_t) {
    const z3::expr a = state_.a;
    const z3::expr right = value(i.operand);
    if (i.op == AluOp::Div || i.op == AluOp::Mod) {
      require(terms_.negation(terms_.compare(Comparison::Equal, right, terms_.number(0, 32))));
    }
    const z3::expr shift = right & terms_.number(31, 32);
    switch (i.op) {
      case AluOp::Add: state_.a = a + right; break;
      case AluOp::Sub: state_.a = a - right; break;
      case AluOp::Mul: state_.a = terms_.product(Product::Multiply, a, right); break;
      case AluOp::Div: state_.a = terms_.product(Product::Divide, a, right); break;
      case AluOp::Or: state_.a = a | right; break;
      case AluOp::And: state_.a = a & right; break;
      case AluOp::Lsh: state_.a = z3::shl(a, shift); break;
      case AluOp::Rsh: state_.a = z3::lshr(a, shift); break;
      case AluOp::Mod: state_.a = terms_.product(Product::Remainder, a, right); break;
      case AluOp::Xor: state_.a = a ^ right; break;
    }
    state_.a = state_.a.simplify();
  }
  void step(const Negate&, std::size_t) { state_.a = (-state_.a).simplify(); }
  void step(const Transfer& i, std::size_t) {
    reg(i.dst) = i.dst == Register::X ? state_.a : state_.x;
  }
  void step(const Jump& i, std::size_t at) {
    go(at, successors(i, at)[0], terms_.truth(true));
    ended_ = true;
  }
  void step(const JumpIf& i, std::size_t at) {
    const z3::expr right = value(i.operand);
    const auto holds = [&] {
      switch (i.condition) {
        case Condition::Equal: return terms_.compare(Comparison::Equal, state_.a, right);
        case Condition::Greater: return terms_.compare(Comparison::Less, right, state_.a);
        case Condition::GreaterEqual: return terms_.compare(Comparison::LessEqual, right, state_.a);
        case Condition::AnyBitSet: return terms_.compare(Comparison::AnyBitSet, state_.a, right);
      }
      return terms_.truth(false);
    };
    const z3::expr condition = i.skip_true == i.skip_false ? terms_.truth(true) : holds();
    go(at, at + 1 + i.skip_true, condition);
    go(at, at + 1 + i.skip_false, terms_.negation(condition));
    ended_ = true;
  }
  void step(const ReturnA&, std::size_t) {
    end(path_, state_.a);
    ended_ = true;
  }
  void step(const ReturnConstant& i, std::size_t) {
    end(path_, terms_.number(i.value, 32));
    ended_ = true;
  }

  Terms& terms_;
  SymbolicPacket& packet_;
  std::span<const Insn> insns_;
  const Unrolling& unrolling_;
  std::vector<LiveSet> live_;
  std::vector<bool> is_target_;
  Flow<State> flow_;
  Gates gates_;
  std::size_t round_ = 0;
  z3::expr path_;  ///< the condition under which control is where it is
  State state_;
  bool ended_ = false;  ///< the instruction just followed has no next one
  Outcome outcome_;
  std::optional<Error> error_;
};

Result<std::vector<Insn>> decode(std::span<const RawInsn> program) {
  std::vector<Insn> insns;
  for (std::size_t at = 0; at < program.size(); ++at) {
    insns.push_back(TRY(
        decode_insn(program[at]).with_context(fmt::format("prove: classic instruction {}", at))));
    for (const std::size_t next : successors(insns.back(), at)) {
      if (next >= program.size()) {
        return fail(Errc::InvalidProgram,
                    fmt::format("prove: classic instruction {}: leaves the program", at));
      }
    }
  }
  return insns;
}

}  // namespace

Result<Outcome> follow_classic(Terms& terms, SymbolicPacket& packet,
                               std::span<const RawInsn> program, const Unrolling& unrolling) {
  if (program.empty()) {
    return fail(Errc::InvalidProgram, "prove: the classic program is empty");
  }
  const std::vector<Insn> insns = TRY(decode(program));
  return ClassicFollower(terms, packet, insns, unrolling).run();
}

}  // namespace cbpfc::prove
