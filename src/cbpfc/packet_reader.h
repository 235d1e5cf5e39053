// SPDX-License-Identifier: BSD-3-Clause
//
// How a fragment reaches the packet's bytes: one implementation for each PacketAccess.

#pragma once

#include <memory>

#include "cfg.h"
#include "fragment.h"

namespace cbpfc {

/// Emits what depends on the way to the packet.  Offsets and sizes are those of the steps in cfg.h.
class PacketReader {
 public:
  /// `fragment` must outlive it.
  explicit PacketReader(Fragment& fragment) : fragment_(fragment), code_(fragment.code) {}
  PacketReader(const PacketReader&) = delete;
  PacketReader& operator=(const PacketReader&) = delete;
  virtual ~PacketReader() = default;

  virtual void guard(const AbsoluteGuard& guard) = 0;
  virtual void guard(const IndirectGuard& guard) = 0;
  /// dst = the bytes at `offset`, as a number.  Requires: a guard that covers them.
  virtual void load(ebpf::Reg dst, std::uint32_t offset, Size size) = 0;
  virtual void load(const LoadFromBase& load) = 0;
  virtual void load(const LoadIndirect& load) = 0;
  /// dst = the packet's length, as far as packet_start and packet_end tell.
  virtual void load_length(ebpf::Reg dst) = 0;
  /// dst = 0, of which the verifier knows at most that it has 32 bits.
  virtual void load_unknown_zero(ebpf::Reg dst) = 0;

 protected:
  const EbpfOptions& options() const { return fragment_.options; }
  /// dst = big-endian bytes at `pointer` + `offset`.
  void load_at(ebpf::Reg dst, ebpf::Reg pointer, std::int16_t offset, Size size);
  /// The same for any offset behind the pointer.
  void load_from(ebpf::Reg dst, ebpf::Reg pointer, std::uint32_t offset, Size size);

  Fragment& fragment_;
  ebpf::Assembly& code_;
};

/// The largest end a load can have that may lie inside a packet.
std::uint32_t max_packet_offset(const EbpfOptions& options);

std::unique_ptr<PacketReader> make_packet_reader(Fragment& fragment);
std::unique_ptr<PacketReader> make_direct_reader(Fragment& fragment);
std::unique_ptr<PacketReader> make_buffer_reader(Fragment& fragment);
std::unique_ptr<PacketReader> make_probe_reader(Fragment& fragment);

}  // namespace cbpfc
