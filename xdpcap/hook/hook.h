// SPDX-License-Identifier: BSD-3-Clause
//
// A hook: the pinned program array that a target tail-calls into with its action as index.
//
// Opening checks everything that would otherwise surface as a bare EINVAL later: that the path is a
// pin, that the pin is a map, that the map is a hook.  A hook nobody owns yet is refused when
// attaching: the first program in becomes its owner for good, and the target, whose properties may
// differ, could then never use its own hook.
//
// Source: Linux v6.18 kernel/bpf/core.c __bpf_prog_map_compatible(); DESIGN decisions in
// docs/architecture.md.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "xdpcap/kernel/action.h"

namespace xdpcap {

/// "program 12 (xdpcap_pass)"; the name only if it may be asked for.
std::string describe_program(std::uint32_t program_id);

class Hook {
 public:
  /// Opens the hook pinned at `path`.
  /// Errors: NotFound (no such path), InvalidArgument (a directory, not in bpffs, a program,
  /// another map type or key/value size), Permission naming the missing capability.
  static Result<Hook> open(const std::string& path);

  /// Takes over a descriptor of a hook that was opened as `path` before.
  /// Errors: InvalidArgument when it is no hook.
  static Result<Hook> adopt(UniqueFd fd, const std::string& path);

  int fd() const { return fd_.get(); }
  /// From here on only its path and its slots are known.
  void close() { fd_.reset(); }
  const std::string& path() const { return path_; }
  std::uint32_t slots() const { return slots_; }

  /// The actions this hook has a slot for, the first kMostActions.
  std::vector<Action> actions() const;

  /// Whether a program has used or entered the hook, which fixes what may enter it.
  Result<bool> has_owner() const;

  /// The program in the slot of `action`; nullopt when it is empty.
  Result<std::optional<std::uint32_t>> holder(Action action) const;

 private:
  Hook(UniqueFd fd, std::string path, std::uint32_t slots)
      : fd_(std::move(fd)), path_(std::move(path)), slots_(slots) {}

  UniqueFd fd_;
  std::string path_;
  std::uint32_t slots_;
};

}  // namespace xdpcap
