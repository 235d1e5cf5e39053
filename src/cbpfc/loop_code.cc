// SPDX-License-Identifier: BSD-3-Clause
//
// Counting trips so that the verifier believes that a loop ends.
//
// The counter lies in eight bytes of the stack and goes down; at 0 the filter does not match.
//
// A followed counter.  The verifier knows its value and walks the loop's body once for each.  It goes into
// depth first, so of every branch in the body one way is left for later, for each trip, and it keeps no
// more than 8,192 of those; and without having seen the end of a walk it cannot know that another leads to
// the same.  So it is made to walk from the back: code that never runs leads it into the loop with one trip
// left, then with two, and so on.  Each walk through the body comes to a head it has been at, with the
// same counter, and ends there:
//
//               c = 1
//               if unknown 0 == 0 goto real      always; the verifier looks at both ways
//     rehearse: counter = c
//               if unknown 0 == 0 goto next      left for later
//               goto head                        looked at first
//     next:     c += 1
//               if c < most goto rehearse
//     real:     counter = most
//     head:     ...
//
// What it looks at is the body times the trips.
//
// A hidden counter, where that would be too much: its value comes from the packet's length, and the verifier
// knows nothing of it.  That the loop ends it takes from an instruction of Linux 6.9 (may_goto), which
// counts to eight million by itself.
//
// Source: Linux v6.18 kernel/bpf/verifier.c is_state_visited(), BPF_COMPLEXITY_LIMIT_JMP_SEQ,
// is_may_goto_insn().
// Tested by: loops_test.cc, differential/loops_test.cc.

#include "loop_code.h"

#include <fmt/format.h>

#include "ebpf_options.h"

namespace cbpfc {
namespace {

using ebpf::Cmp;
using ebpf::Reg;
using ebpf::Width;

/// tmp = 0 that the verifier does not know.
void load_unknown_zero(Fragment& fragment) {
  fragment.code.add(ebpf::mov(fragment.tmp, Reg::R10));
  fragment.code.add(ebpf::alu(ebpf::Alu::Sub, fragment.tmp, Reg::R10));
}

void start_followed(Fragment& fragment, const StartLoop& start, const std::string& head) {
  ebpf::Assembly& code = fragment.code;
  const std::int16_t counter = loop_counter_offset(fragment.options);
  const auto most = static_cast<std::int32_t>(start.most);
  const std::string rehearse = head + "_rehearse";
  const std::string next = head + "_next";
  const std::string real = head + "_real";
  code.add(ebpf::mov(fragment.base, 1));
  code.jump_if32(Cmp::Equal, fragment.tmp, 0U, real);
  code.label(rehearse);
  code.add(ebpf::store(Width::Double, Reg::R10, counter, fragment.base));
  load_unknown_zero(fragment);
  code.jump_if(Cmp::Equal, fragment.tmp, 0, next);
  code.jump(head);
  code.label(next);
  code.add(ebpf::alu(ebpf::Alu::Add, fragment.base, 1));
  code.jump_if(Cmp::Less, fragment.base, most, rehearse);
  code.label(real);
  code.add(ebpf::mov(fragment.base, most));
  code.add(ebpf::store(Width::Double, Reg::R10, counter, fragment.base));
}

void start_hidden(Fragment& fragment, PacketReader& packet, const StartLoop& start) {
  ebpf::Assembly& code = fragment.code;
  if (start.windows > 0) {
    packet.load_length(fragment.base);
    code.add(ebpf::alu32(ebpf::Alu::Rsh, fragment.base, std::uint32_t{start.shift}));
    code.add(ebpf::alu32(ebpf::Alu::Add, fragment.base, 1U));
    if (start.windows > 1) {
      code.add(ebpf::alu32(ebpf::Alu::Mul, fragment.base, start.windows));
    }
  } else {
    code.add(ebpf::mov32(fragment.base, 0U));
  }
  code.add(ebpf::alu32(ebpf::Alu::Add, fragment.base, start.constant));
  code.add(ebpf::alu32(ebpf::Alu::Add, fragment.base, fragment.tmp));
  code.add(
      ebpf::store(Width::Word, Reg::R10, loop_counter_offset(fragment.options), fragment.base));
}

}  // namespace

void start_loop(Fragment& fragment, PacketReader& packet, const StartLoop& start,
                const std::string& head) {
  // What the verifier knows of A and X when it first comes to the head, it would not know again on the way
  // round, and would not see that it has been there.
  packet.load_unknown_zero(fragment.tmp);
  if (start.hides_a) {
    fragment.code.add(ebpf::alu32(ebpf::Alu::Add, fragment.a, fragment.tmp));
  }
  if (start.hides_x) {
    fragment.code.add(ebpf::alu32(ebpf::Alu::Add, fragment.x, fragment.tmp));
  }
  if (start.is_followed) {
    start_followed(fragment, start, head);
  } else {
    start_hidden(fragment, packet, start);
  }
}

void count_trip(Fragment& fragment, const CountTrip& count) {
  ebpf::Assembly& code = fragment.code;
  const std::int16_t counter = loop_counter_offset(fragment.options);
  const Width width = count.is_followed ? Width::Double : Width::Word;
  if (!count.is_followed) {
    code.may_goto(fragment.no_match());
  }
  code.add(ebpf::load(width, fragment.tmp, Reg::R10, counter));
  if (count.is_followed) {
    code.add(ebpf::alu(ebpf::Alu::Sub, fragment.tmp, 1));
  } else {
    code.add(ebpf::alu32(ebpf::Alu::Sub, fragment.tmp, 1U));
  }
  code.add(ebpf::store(width, Reg::R10, counter, fragment.tmp));
  fragment.leave_if(Cmp::Equal, fragment.tmp, 0);
}

}  // namespace cbpfc
