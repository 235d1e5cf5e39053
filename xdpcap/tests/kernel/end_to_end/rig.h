// SPDX-License-Identifier: BSD-3-Clause
//
// The stage of the end-to-end tests: two network namespaces, and a target with a hook between them.
//
//     sender                      observed
//     ┌─────────┐                ┌─────────────────────────────┐
//     │    to_b ├───── veth ─────┤ to_a: target     xc0 ── xc1 │
//     └─────────┘                └──────────────────▲──────────┘
//       tx comes back here                redirect goes here, and arrives at xc1
//
// The target is xdpcap/tests/programs/target.bpf.c, loaded by libbpf; its hook is pinned in a BPF
// file system of the test's own.  The far ends have an XDP program that passes, without which veth
// refuses frames that were bounced or redirected.

#pragma once

#include <base/unique_fd.h>
#include <xdpcap/hook/hook_variant.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "xdpcap/tests/kernel/bpf_fixture.h"
#include "xdpcap/tests/kernel/end_to_end/frames.h"
#include "xdpcap/tests/kernel/end_to_end/nothing_left.h"
#include "xdpcap/tests/kernel/netns.h"

struct bpf_object;

namespace xdpcap::test {

/// A directory that goes with the object; on a tmpfs of its own if `tmpfs_bytes` is given.
class WorkDirectory {
 public:
  explicit WorkDirectory(std::uint64_t tmpfs_bytes = 0);
  WorkDirectory(const WorkDirectory&) = delete;
  WorkDirectory& operator=(const WorkDirectory&) = delete;
  ~WorkDirectory();
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
  bool is_mounted_;
};

/// An object of xdpcap/tests/programs, loaded.
using BpfObject = std::unique_ptr<bpf_object, void (*)(bpf_object*)>;

/// Actions, as a target is told them.
inline constexpr std::uint32_t kAborted = 0;
inline constexpr std::uint32_t kDrop = 1;
inline constexpr std::uint32_t kPass = 2;
inline constexpr std::uint32_t kTx = 3;
inline constexpr std::uint32_t kRedirect = 4;

struct TargetOptions {
  Variant variant{.expected_attach_type = 37, .multi_buffer = false};
  std::uint32_t slots = 5;  ///< of a hook that the target brings
  int hook_fd = -1;         ///< the hook it uses instead
};

/// The target, loaded and not attached to anything.
class Target {
 public:
  explicit Target(const TargetOptions& options);
  int program_fd() const;
  int hook_fd() const;
  /// Gives every packet this action; nullopt: what the packet orders.
  void want(std::optional<std::uint32_t> action) const;
  /// Where XDP_REDIRECT goes, in the caller's network namespace.
  void redirect_to(std::uint32_t ifindex) const;

 private:
  BpfObject object_;
};

/// Sends frames through the kernel at full speed, without a socket.
class Generator {
 public:
  /// Out of `ifindex` in the caller's network namespace, to the other end of the pair.
  explicit Generator(std::uint32_t ifindex);
  /// Units: frames.  Returns when all are sent.
  void send(const Bytes& frame, std::uint32_t count) const;
  /// Frames that it handed to the interface so far.
  std::uint64_t sent() const;

 private:
  BpfObject object_;
};

struct RigOptions {
  TargetOptions target = {};
  bool native = true;
  NetOptions net = {};
};

class Rig {
 public:
  explicit Rig(const RigOptions& options = {});

  const NetNamespace& sender() const { return sender_; }
  const NetNamespace& observed() const { return observed_; }
  const Target& target() const { return target_; }
  const std::string& hook() const { return hook_path_; }
  const BpfDirectory& pins() const { return pins_; }
  std::string file(const std::string& name) const { return files_.file(name); }
  std::uint32_t sender_ifindex() const { return sender_ifindex_; }
  std::uint32_t observed_ifindex() const { return observed_ifindex_; }
  PacketSocket sending() const { return {sender_, "to_b"}; }
  PacketSocket delivered() const { return {observed_, "to_a"}; }
  PacketSocket redirected() const { return {observed_, "xc1"}; }

  /// What attaches the target to its interface, for another program to take its place.
  int target_link() const { return links_.back().get(); }

  /// Frames that reached the target's interface, as the interface counts them.
  std::uint64_t arrived_frames() const;

 private:
  NetNamespace sender_;
  NetNamespace observed_;
  BpfDirectory pins_;
  WorkDirectory files_;
  Target target_;
  std::string hook_path_;
  std::uint32_t sender_ifindex_ = 0;
  std::uint32_t observed_ifindex_ = 0;
  std::vector<UniqueFd> programs_;
  std::vector<UniqueFd> links_;
};

/// Program ids in a hook's slots; 0: empty.
std::vector<std::uint32_t> slots_of(int hook_fd);
std::size_t filled_slots(int hook_fd);
/// Empties a hook that a killed capture left filled.
void empty_slots(int hook_fd);

}  // namespace xdpcap::test
