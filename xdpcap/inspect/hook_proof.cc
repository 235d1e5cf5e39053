// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/inspect/hook_proof.h"

#include <fmt/core.h>

#include <optional>
#include <vector>

#include "xdpcap/hook/tail_call_use.h"
#include "xdpcap/kernel/objects.h"
#include "xdpcap/kernel/program.h"

namespace xdpcap {
namespace {

using Ending = TailCallUse::Ending;

/// The tail calls of a program into a map.  One that is gone has none.
std::vector<TailCallUse> uses_of(std::uint32_t program_id, std::uint32_t map_id) {
  const auto unclear = [](std::string found) {
    return std::vector{TailCallUse{.ending = Ending::Unclear, .found = std::move(found)}};
  };
  const Result<UniqueFd> fd = open_program(program_id);
  if (is_gone(fd)) {
    return {};
  }
  const auto insns = fd ? program_instructions(fd->get())
                        : Result<std::vector<cbpfc::ebpf::Insn>>(std::unexpected(fd.error()));
  if (!insns) {
    return unclear("cannot be looked at: " + insns.error().message);
  }
  if (insns->empty()) {
    return unclear("cannot be looked at: the kernel does not show its instructions");
  }
  return tail_calls_into(*insns, map_id);
}

/// The use that speaks most against a hook.
struct Worst {
  std::size_t tail_calls = 0;
  Ending ending = Ending::ReturnsIndex;
  std::string found;

  void add(const ProgramName& program, const TailCallUse& use) {
    if (tail_calls++ == 0 || weight(use.ending) > weight(ending)) {
      ending = use.ending;
      found =
          fmt::format("program {}{} {}", program.id,
                      program.name.empty() ? "" : fmt::format(" \"{}\"", program.name), use.found);
    }
  }
};

}  // namespace

HookProof prove_hook(const HookFacts& facts) {
  using Kind = HookProof::Kind;
  Worst worst;
  if (facts.users.has_value()) {
    for (const HookUser& user : *facts.users) {
      for (const TailCallUse& use : uses_of(user.program.id, facts.map_id)) {
        worst.add(user.program, use);
      }
    }
  }
  if (worst.ending == Ending::ReturnsOther) {
    return {.kind = Kind::Refuted, .found = worst.found};
  }
  if (worst.tail_calls > 0 && worst.ending == Ending::ReturnsIndex) {
    return {.kind = Kind::ByInstructions, .found = worst.found};
  }
  if (facts.name.starts_with(kHookNamePrefix)) {
    return {.kind = Kind::ByName, .found = fmt::format("its map is called \"{}\"", facts.name)};
  }
  return {.kind = Kind::NotShown,
          .found = !facts.users.has_value()
                       ? "the programs that use it are not known: " + facts.users.error().message
                   : worst.tail_calls == 0 ? "no loaded program makes a tail call into it"
                                           : worst.found};
}

Result<void> check_is_hook(const Hook& hook, const HookFacts& facts) {
  const HookProof proof = prove_hook(facts);
  if (proof.is_hook()) {
    return {};
  }
  return fail(
      Errc::InvalidArgument,
      proof.kind == HookProof::Kind::Refuted
          ? fmt::format(
                "hook {}: this program array is not a hook: {}; a capture would change what happens "
                "to packets; in a hook's program, every tail call is xdpcap_exit(), whose value it "
                "returns",
                hook.path(), proof.found)
          : fmt::format(
                "hook {}: this program array is not shown to be a hook: {}; where it is none, a "
                "capture would change what happens to packets; give the map a name that begins with "
                "\"{}\", or, if you know that it is a hook, use -force",
                hook.path(), proof.found, kHookNamePrefix));
}

}  // namespace xdpcap
