// SPDX-License-Identifier: BSD-3-Clause
//
// xdpcap run by somebody who is not root, with some capabilities and no others.
//
// The stage is opened to that user: the pin of the hook belongs to them, and the directory of files.  They run a copy of xdpcap, since they may
// not come to where it was built.

#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "stage.h"

namespace xdpcap::test {

class OrdinaryUser {
 public:
  static constexpr uid_t kUser = 64'321;  // whose processes are not the machine's
  static constexpr const char* kEnough = "bpf net_admin perfmon";

  explicit OrdinaryUser(const Stage& stage);

  /// Their xdpcap becomes root's, and gives its rights to whoever runs it (set-user-ID).  False: not where it lies (nosuid).
  bool give_roots_rights() const;
  /// xdpcap with `arguments`, by this user, with whatever it gives.
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
