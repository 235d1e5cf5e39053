// SPDX-License-Identifier: BSD-3-Clause
//
// Random Ethernet frames, of which most make sense to some degree: tags, IPv4 with options and
// fragments, IPv6, the transport protocols that are told apart, lengths in place of the protocol.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace xdpcap::test {

using Frame = std::vector<std::uint8_t>;

class FrameMaker {
 public:
  explicit FrameMaker(std::uint64_t seed) : random_(seed) {}

  /// A frame of 60 to 180 bytes.
  Frame frame() {
    bytes_.clear();
    addresses();
    constexpr std::array<std::uint32_t, 8> kTags = {0, 0, 0, 0, 0x8100, 0x8100, 0x88a8, 0x9100};
    for (std::uint32_t tag = pick(kTags); tag != 0; tag = one_in(4) ? pick(kTags) : 0) {
      add(tag, 2);
      add(below(0x10000), 2);
    }
    constexpr std::array<std::uint32_t, 14> kTypes = {0x0800, 0x0800, 0x0800, 0x0800, 0x0800,
                                                      0x86dd, 0x86dd, 0x86dd, 0x0806, 0x8035,
                                                      0x0040, 0x05ff, 0x0600, 0x88cc};
    const std::uint32_t type = one_in(12) ? below(0x10000) : pick(kTypes);
    add(type, 2);
    if (type == 0x0800) {
      ipv4();
    } else if (type == 0x86dd) {
      ipv6();
    } else if (type < 0x600 && one_in(2)) {
      add(0xffff, 2);
    }
    for (std::size_t padding = below(80); padding > 0 || bytes_.size() < 60;
         padding -= padding > 0 ? 1 : 0) {
      add(below(256), 1);
    }
    return bytes_;
  }

 private:
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_() % bound); }
  bool one_in(std::uint32_t n) { return below(n) == 0; }
  template <std::size_t N>
  std::uint32_t pick(const std::array<std::uint32_t, N>& values) {
    return values[below(N)];
  }
  void add(std::uint32_t value, int size) {
    for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) {
      bytes_.push_back(static_cast<std::uint8_t>(value >> shift));
    }
  }
  void add_random(std::uint32_t size) {
    for (; size > 0; --size) {
      add(below(256), 1);
    }
  }

  void addresses() {
    switch (below(4)) {
      case 0: bytes_.assign(6, 0xff); break;
      case 1: bytes_ = {0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}; break;
      case 2: bytes_ = {0x01, 0x00, 0x5e, 0x00, 0x00, 0x01}; break;
      default: bytes_ = {0x02, 0x00, 0x00, 0x00, 0x00, 0x01};
    }
    add_random(6);
    bytes_[6] &= 0xfe;  // a source address is no group
  }

  std::uint32_t transport_protocol() {
    constexpr std::array<std::uint32_t, 15> kProtocols = {6,  6,   17, 17, 136, 1,  58, 2,
                                                          33, 132, 89, 59, 50,  51, 115};
    return one_in(6) ? below(256) : pick(kProtocols);
  }

  void ipv4() {
    constexpr std::array<std::uint32_t, 8> kFragments = {0,      0,      0,      0x4000,
                                                         0x2000, 0x2001, 0x0005, 0x8000};
    const std::uint32_t words = one_in(3) ? below(16) : 5;
    add(0x40 | words, 1);
    add_random(1);
    add(below(1500), 2);
    add_random(2);
    add(pick(kFragments), 2);
    add(64, 1);
    add(transport_protocol(), 1);
    add_random(10);
    add_random(words > 5 ? 4 * (words - 5) : 0);
    add_random(12);
    add(below(256), 1);  // with TCP the header's length
  }

  void ipv6() {
    add(0x60000000, 4);
    add(below(1500), 2);
    add(transport_protocol(), 1);
    add(64, 1);
    add_random(32);
    add_random(12);
    add(below(256), 1);
  }

  std::mt19937_64 random_;
  Frame bytes_;
};

}  // namespace xdpcap::test
