// SPDX-License-Identifier: BSD-3-Clause
//
// Tested by: xdpcap/tests/kernel/hook/hook_test.cc.

#include "xdpcap/hook/hook.h"

#include <fmt/core.h>

#include <algorithm>

#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/pin.h"
#include "xdpcap/kernel/program.h"

namespace xdpcap {

Result<Hook> Hook::open(const std::string& path) {
  return adopt(TRY(open_pinned_map(path)), path);
}

Result<Hook> Hook::adopt(UniqueFd fd, const std::string& path) {
  const std::string attempt = fmt::format("open hook {}", path);
  const MapInfo info = TRY(map_info(fd.get()).with_context(attempt));
  if (info.type != kMapTypeProgramArray) {
    return fail(
        Errc::InvalidArgument,
        fmt::format("{}: it is a map of type {}; a hook is a program array, as declared with "
                    "XDPCAP_HOOK_BTF() of xdpcap/hook.h",
                    attempt, map_type_name(info.type)));
  }
  constexpr std::uint32_t kSize = 4;
  if (info.key_size_bytes != kSize || info.value_size_bytes != kSize || info.max_entries == 0) {
    return fail(Errc::InvalidArgument,
                fmt::format("{}: it has {}-byte keys, {}-byte values and {}; a hook has 4-byte "
                            "keys and values and a slot for each action",
                            attempt, info.key_size_bytes, info.value_size_bytes,
                            counted(info.max_entries, "slot")));
  }
  return Hook(std::move(fd), path, info.max_entries);
}

std::vector<Action> Hook::actions() const {
  return first_actions(slots_);
}

Result<bool> Hook::has_owner() const {
  const std::optional<std::uint32_t> type =
      TRY(owner_program_type(fd_.get()).with_context(fmt::format("hook {}", path_)));
  if (type.has_value() && *type != kProgramTypeXdp) {
    return fail(
        Errc::InvalidArgument,
        fmt::format("hook {}: it belongs to a program of type {}, not to an XDP program; no "
                    "capture can enter it",
                    path_, program_type_name(*type)));
  }
  return type.has_value();
}

Result<std::optional<std::uint32_t>> Hook::holder(Action action) const {
  return program_in_slot(fd_.get(), static_cast<std::uint32_t>(index(action)))
      .with_context(fmt::format("hook {}", path_));
}

std::string describe_program(std::uint32_t program_id) {
  // The name is for people; that it may not be asked for, or that the program has just gone, is no reason to fail.
  const std::string text = program_name(program_id).value_or("");
  return text.empty() ? fmt::format("program {}", program_id)
                      : fmt::format("program {} ({})", program_id, text);
}

}  // namespace xdpcap
