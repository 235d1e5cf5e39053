// SPDX-License-Identifier: BSD-3-Clause

#include "verify/differential/engines/engines.h"

#include <linux/filter.h>
#include <pcap.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace differential {

std::uint32_t run_libpcap(std::span<const cbpfc::RawInsn> program,
                          std::span<const std::uint8_t> packet) {
  static_assert(sizeof(bpf_insn) == sizeof(cbpfc::RawInsn));
  std::vector<bpf_insn> insns(program.size());
  std::memcpy(insns.data(), program.data(), program.size_bytes());
  const auto length = static_cast<u_int>(packet.size());
  return bpf_filter(insns.data(), packet.data(), length, length);
}

KernelSocket::KernelSocket() {
  std::array<int, 2> ends = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    std::abort();
  }
  sender_.reset(ends[0]);
  receiver_.reset(ends[1]);
}

int KernelSocket::attach(std::span<const cbpfc::RawInsn> program) {
  static_assert(sizeof(sock_filter) == sizeof(cbpfc::RawInsn));
  std::vector<sock_filter> insns(program.size());
  std::memcpy(insns.data(), program.data(), program.size_bytes());
  const sock_fprog fprog{.len = static_cast<unsigned short>(insns.size()), .filter = insns.data()};
  return ::setsockopt(receiver_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &fprog, sizeof(fprog)) == 0
             ? 0
             : errno;
}

std::optional<std::uint32_t> KernelSocket::run(std::span<const std::uint8_t> packet) {
  if (::send(sender_.get(), packet.data(), packet.size(), 0) !=
      static_cast<ssize_t>(packet.size())) {
    std::abort();
  }
  std::array<std::uint8_t, 65536>
      buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled by recv
  const ssize_t received = ::recv(receiver_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  return received >= 0 ? std::optional(static_cast<std::uint32_t>(received)) : std::nullopt;
}

}  // namespace differential
