// SPDX-License-Identifier: BSD-3-Clause
//
// What kernel tests need of BPF: hooks, targets that use them, packets run through programs, and
// the question whether everything is gone afterwards.
//
//     BpfDirectory directory;                                     // a BPF file system of our own
//     const UniqueFd hook = make_hook();                          // five slots
//     directory.pin(hook.get(), "hook");
//     const UniqueFd target = load_target(hook.get(), Action::Drop, {37, false});    // the owner
//     EXPECT_EQ(test_run(target.get(), packet).action, 1U);
//
// Targets are assembled here, so no test of this kind needs clang.  Everything needs root; what
// fails and is not the thing under test aborts the test program with a message.

#pragma once

#include <base/unique_fd.h>
#include <cbpfc/cbpf.h>
#include <xdpcap/hook/hook_variant.h>
#include <xdpcap/kernel/action.h>
#include <xdpcap/program/ring_set.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace xdpcap::test {

/// Ends the test program, with a message, unless it runs as root.
void require_root();

/// A BPF file system mounted on a directory of its own until the object goes.
class BpfDirectory {
 public:
  BpfDirectory();
  BpfDirectory(const BpfDirectory&) = delete;
  BpfDirectory& operator=(const BpfDirectory&) = delete;
  ~BpfDirectory();

  const std::string& path() const { return path_; }
  /// Pins any BPF object; returns the path.
  std::string pin(int fd, const std::string& name) const;

 private:
  std::string path_;
};

/// A program array.
UniqueFd make_hook(std::uint32_t slots = 5);
/// A map of any type (enum bpf_map_type).
UniqueFd make_map(std::uint32_t type, std::uint32_t key_bytes, std::uint32_t value_bytes,
                  std::uint32_t entries);

/// What a target returns.
struct Verdict {
  std::uint32_t action = 2;  ///< may be invalid
  std::int32_t from_offset =
      -1;  ///< >= 0: the packet's byte there instead, where the packet has it
};

/// Loads an XDP program that tail-calls `hook_fd` with its action, as xdpcap_exit() does, and so
/// owns the hook.
UniqueFd load_target(int hook_fd, const Verdict& verdict, const Variant& variant);

/// Loads an XDP program that returns `action` and uses nothing.
UniqueFd load_returning(std::uint32_t action, const Variant& variant, const std::string& name);

/// Whether the kernel has multi-buffer programs, and with them BPF_F_TEST_XDP_LIVE_FRAMES (Linux 5.18; before, that flag is
/// ignored).
bool has_multi_buffer();

/// Loads a socket filter that mentions a map, and owns it if it is a program array without owner.
UniqueFd load_socket_filter(int map_fd);

/// Loads a program that redirects every packet to an interface: with live frames, a generator.
UniqueFd load_redirect(std::uint32_t ifindex);

struct RunOptions {
  std::uint32_t repeat = 1;
  std::uint32_t ifindex = 0;   ///< 0: the loopback device, whose index the program sees as 1
  std::uint32_t rx_queue = 0;  ///< needs an ifindex, and XDP set up on that interface
};
struct RunResult {
  std::uint32_t action = 0;
  std::vector<std::uint8_t> packet;      ///< after the program
  std::chrono::nanoseconds duration{0};  ///< a packet
};

/// Runs a program over a packet (BPF_PROG_TEST_RUN), in the caller's network namespace.
/// Units: packets from 14 bytes; beyond 3,520 only for multi-buffer programs.
RunResult test_run(int program_fd, std::span<const std::uint8_t> packet,
                   const RunOptions& options = {});

/// Sends `count` copies of a packet on their way, as if `ifindex` had received them and
/// `program_fd` seen them (BPF_F_TEST_XDP_LIVE_FRAMES).
void send_live_frames(int program_fd, std::span<const std::uint8_t> packet, std::uint32_t count,
                      std::uint32_t ifindex);

/// Keeps an XDP program on an interface of the caller's network namespace.
/// Ownership: the interface loses the program when the returned link is closed.
UniqueFd attach_xdp(int program_fd, std::uint32_t ifindex, bool native = true);

/// The records in the rings of a capture, which are taken out of them, ring after ring.
std::vector<std::vector<std::uint8_t>> drain_rings(const RingSet& rings);

/// `size` bytes that are not all the same: an Ethernet header and a counting pattern.
std::vector<std::uint8_t> make_packet(std::size_t size);

/// A filter that returns a constant: matches everything or nothing.
cbpfc::Filter constant_filter(std::uint32_t value);
/// A filter that matches when the packet's byte at `offset` is `value`.
cbpfc::Filter byte_filter(std::uint32_t offset, std::uint32_t value);

/// Ids of BPF objects.
struct BpfObjects {
  std::set<std::uint32_t> programs;
  std::set<std::uint32_t> maps;
  bool operator==(const BpfObjects&) const = default;
  bool empty() const { return programs.empty() && maps.empty(); }
};
/// All there are on the machine.
BpfObjects all_bpf_objects();
/// Those this process holds descriptors of.  The rest of the machine does not disturb it.
BpfObjects own_bpf_objects();
/// Those of `objects` that still exist after up to five seconds; the kernel frees them with delay.
BpfObjects still_there(const BpfObjects& objects);

/// Open descriptors and what they are.
std::map<int, std::string> open_descriptors();

/// The capabilities in `kept` only, until the object goes.
/// Units: bit set as in CapEff.
class ReducedCapabilities {
 public:
  explicit ReducedCapabilities(std::uint64_t kept);
  ReducedCapabilities(const ReducedCapabilities&) = delete;
  ReducedCapabilities& operator=(const ReducedCapabilities&) = delete;
  ~ReducedCapabilities();

 private:
  std::uint64_t effective_;
};

}  // namespace xdpcap::test
