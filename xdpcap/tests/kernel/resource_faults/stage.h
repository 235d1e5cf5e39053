// SPDX-License-Identifier: BSD-3-Clause
//
// Where xdpcap meets trouble, and all a capture may leave behind.
//
//     slots of the hook             programs that packets still meet
//     a chain                       the directory beside the hook
//     processes                     xdpcap and guardians: the hook's path is among their arguments

#pragma once

#include <string>
#include <vector>

#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/nothing_left.h"
#include "xdpcap/tests/kernel/end_to_end/on_hook.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {

class Stage {
 public:
  explicit Stage(const RigOptions& options = {});

  const Rig& rig() const { return rig_; }
  int hook_fd() const { return rig_.target().hook_fd(); }
  std::string file(const std::string& name) const { return rig_.file(name); }

  /// xdpcap with these.
  std::vector<std::string> command(const std::vector<std::string>& rest) const;

  /// Processes that were started with the hook's path among their arguments.
  std::vector<pid_t> processes() const { return processes_on(rig_.hook()); }
  /// Those of them that are guardians.
  std::vector<pid_t> guardians() const { return guardians_on(rig_.hook()); }

  /// Expects that the slots are empty within a second, and everything else gone within three.
  void expect_nothing_left() const;

 private:
  Rig rig_;
};

/// Where nothing of a capture may be left.
class ResourceFaults : public EndToEndTest {};

/// `command` under a shell that sets something up before it: `setup && exec COMMAND`.
std::vector<std::string> in_shell(const std::string& setup,
                                  const std::vector<std::string>& command);

/// Expects that what stands in the line of totals adds up, and is in the file.
void expect_exact(const std::string& totals_line, const std::string& path);

/// Runs a command with a capture into `file` that ends on its own while there is traffic.  Expects that it works, or ends with code
/// 1 and a message; that its numbers are exact; and that nothing is left.  Whether it worked.
bool ends_well(const Stage& stage, const std::vector<std::string>& command,
               const std::string& file);

}  // namespace xdpcap::test
