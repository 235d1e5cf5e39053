// SPDX-License-Identifier: BSD-3-Clause
//
// xdpcap run by somebody who is not root, with some capabilities and no others.
//
// The stage is opened to that user: the pin of the hook belongs to them, and the directory of files.  They run a copy of xdpcap, since they may
// not come to where it was built.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "xdpcap/tests/kernel/resource_faults/stage.h"

namespace xdpcap::test {

class OrdinaryUser {
 public:
  static constexpr uid_t kUser = 64'321;  // whose processes are not the machine's
  static constexpr const char* kEnough = "bpf net_admin perfmon";

  explicit OrdinaryUser(const Stage& stage);

  /// Makes the directory in which captures of this user share the hook, where they may not make it themselves.
  void prepare_chain_directory(const Stage& stage) const;

  /// Whether the file of their xdpcap can give rights: not on a file system that is mounted nosuid.
  bool may_give_rights() const;
  /// Their xdpcap becomes root's, set-user-ID or set-group-ID (S_ISUID, S_ISGID); capabilities go.
  void give_rights_of_root(mode_t rights) const;
  /// The file gets these capabilities, and is the user's.  Units: a bit set.
  void give_capabilities(std::uint64_t capabilities) const;
  /// xdpcap with `arguments`, by this user, with the rights of its file.
  std::vector<std::string> plain_command(const std::vector<std::string>& arguments) const;

  /// xdpcap with `arguments`, by this user with `capabilities`; `before` are words of a command that runs it.
  std::vector<std::string> command(const std::vector<std::string>& arguments,
                                   const std::string& capabilities = kEnough,
                                   const std::vector<std::string>& before = {}) const;

 private:
  std::string program_;
};

/// A command as root with all capabilities but some.
std::vector<std::string> without_capabilities(const std::string& capabilities,
                                              const std::vector<std::string>& command);

}  // namespace xdpcap::test
