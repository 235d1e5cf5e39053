// SPDX-License-Identifier: BSD-3-Clause

#include "bench/programs/lists.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <random>
#include <set>
#include <span>

#include "verify/interpreter/interpret.h"

namespace bench {
namespace {

using cbpfc::Result;

constexpr std::uint64_t kListSeed = 7;
/// Passes of the loop.  The verifier walks each, remembers less of what it has seen while it is within a
/// loop, and gives up with more than 8,192 branches of which it knows only one side: what libpcap has
/// not optimised runs without a loop.
/// Source: Linux v6.18 kernel/bpf/verifier.c BPF_COMPLEXITY_LIMIT_JMP_SEQ.
constexpr int loops_for(int terms, bool is_raw) {
  return is_raw ? 1 : terms < 256 ? 16 : 4;
}

constexpr std::int16_t kAddressesOffset = 26;  // source and destination address
constexpr std::int16_t kPortsOffset = 34;      // source and destination port, sequence number

/// The range of RFC 2544 for benchmarks, 198.18.0.0/15, and that of private networks, 10.0.0.0/8.
constexpr std::uint32_t kHostsBase = 198U << 24 | 18U << 16;
constexpr std::uint32_t kHosts = 1U << 17;
constexpr std::uint32_t kNetsBase = 10U << 24;
constexpr std::uint32_t kNets = 1U << 16;  // of 256 addresses
constexpr std::uint32_t kPorts = 65535;

using Random = std::mt19937_64;

std::uint32_t below(Random& random, std::uint32_t bound) {
  return static_cast<std::uint32_t>(random() % bound);
}

/// The terms of a list out of `range` values, and how to draw values that are, or are not, among them.
class Terms {
 public:
  Terms(Random& random, int count, std::uint32_t range) : range_(range) {
    while (set_.size() < static_cast<std::size_t>(count)) {
      set_.insert(below(random, range));
    }
    values_.assign(set_.begin(), set_.end());
    std::ranges::shuffle(values_, random);
  }
  const std::vector<std::uint32_t>& values() const { return values_; }
  std::uint32_t member(Random& random) const {
    return values_[below(random, static_cast<std::uint32_t>(values_.size()))];
  }
  std::uint32_t stranger(Random& random) const {
    std::uint32_t value = 0;
    do {
      value = below(random, range_);
    } while (set_.contains(value));
    return value;
  }

 private:
  std::uint32_t range_;
  std::set<std::uint32_t> set_;
  std::vector<std::uint32_t> values_;
};

std::string address(std::uint32_t value) {
  return fmt::format("{}.{}.{}.{}", value >> 24, value >> 16 & 255, value >> 8 & 255, value & 255);
}

using Key = std::array<std::uint8_t, 8>;

void put(std::span<std::uint8_t> bytes, std::uint32_t value) {
  for (std::size_t i = bytes.size(); i-- > 0; value >>= 8) {
    bytes[i] = static_cast<std::uint8_t>(value);
  }
}

Key addresses(std::uint32_t source, std::uint32_t destination) {
  Key key;
  put(std::span(key).first(4), source);
  put(std::span(key).last(4), destination);
  return key;
}

Packet tcp_packet() {
  Packet packet(64);
  packet[12] = 0x08;  // IPv4
  packet[14] = 0x45;
  packet[17] = 50;  // total length
  packet[22] = 64;  // time to live
  packet[23] = 6;   // TCP
  packet[46] = 0x50;
  packet[47] = 0x10;
  return packet;
}

/// What makes a kind of list.
struct Kind {
  std::string name;
  std::string first;      ///< in front of the first term
  std::string separator;  ///< in front of every other
  std::uint32_t range;
  std::int16_t key_offset;
  std::function<std::string(std::uint32_t)> term;
  /// A key that matches or does not.
  std::function<Key(const Terms&, bool, Random&)> key;
};

Key host_key(const Terms& terms, bool matches, Random& random) {
  const std::uint32_t one = kHostsBase + (matches ? terms.member(random) : terms.stranger(random));
  const std::uint32_t other = kHostsBase + terms.stranger(random);
  return random() % 2 == 0 ? addresses(one, other) : addresses(other, one);
}

Key source_key(const Terms& terms, bool matches, Random& random) {
  return addresses(kHostsBase + (matches ? terms.member(random) : terms.stranger(random)),
                   kHostsBase + terms.stranger(random));
}

Key net_key(const Terms& terms, bool matches, Random& random) {
  const std::uint32_t net = matches ? terms.member(random) : terms.stranger(random);
  return addresses(kNetsBase + below(random, 256 * kNets),
                   kNetsBase + 256 * net + below(random, 256));
}

Key port_key(const Terms& terms, bool matches, Random& random) {
  Key key;
  put(std::span(key).first(2), below(random, kPorts));
  put(std::span(key).subspan(2, 2), 1 + (matches ? terms.member(random) : terms.stranger(random)));
  put(std::span(key).last(4), static_cast<std::uint32_t>(random()));
  return key;
}

std::vector<Kind> kinds() {
  const auto host = [](std::uint32_t value) { return address(kHostsBase + value); };
  return {
      {"hosts", "host ", " or host ", kHosts, kAddressesOffset, host, host_key},
      {"source hosts", "src host ", " or src host ", kHosts, kAddressesOffset, host, source_key},
      {"nets", "dst net ", " or dst net ", kNets, kAddressesOffset,
       [](std::uint32_t value) { return address(kNetsBase + 256 * value) + "/24"; }, net_key},
      {"ports", "tcp dst port ", " or ", kPorts, kPortsOffset,
       [](std::uint32_t value) { return std::to_string(1 + value); }, port_key},
  };
}

List make_list(const Kind& kind, int count, bool is_raw, Random& random) {
  const Terms terms(random, count, kind.range);
  List list{.kind = kind.name,
            .terms = count,
            .expression = {},
            .is_raw = is_raw,
            .packet = tcp_packet(),
            .varying = {.key_offset = kind.key_offset, .loops = loops_for(count, is_raw)},
            .table = {.random = random() | 1}};
  for (const std::uint32_t value : terms.values()) {
    list.expression += (list.expression.empty() ? kind.first : kind.separator) + kind.term(value);
  }
  for (std::size_t i = 0; i < kKeys; ++i) {
    list.table.keys[i] = kind.key(terms, i % 2 == 0, random);
  }
  return list;
}

}  // namespace

std::vector<List> make_lists() {
  std::vector<List> lists;
  Random random(kListSeed);
  for (const Kind& kind : kinds()) {
    for (const int terms : {16, 64, 256}) {
      lists.push_back(make_list(kind, terms, false, random));
    }
    lists.push_back(make_list(kind, 256, true, random));
  }
  lists.push_back(make_list(kinds().front(), 1000, true, random));
  return lists;
}

Packet packet_with_key(const List& list, std::size_t key) {
  Packet packet = list.packet;
  std::ranges::copy(list.table.keys[key], packet.begin() + list.varying.key_offset);
  return packet;
}

Result<std::vector<bool>> matching_keys(const List& list, const cbpfc::Filter& filter) {
  std::vector<bool> matching(kKeys);
  for (std::size_t key = 0; key < kKeys; ++key) {
    const Packet packet = packet_with_key(list, key);
    matching[key] =
        TRY(cbpfc::interpret(filter, packet, static_cast<std::uint32_t>(packet.size()))) != 0;
  }
  return matching;
}

std::uint32_t matches_of_run(const List& list, const std::vector<bool>& matching,
                             std::uint64_t random) {
  std::uint32_t matches = 0;
  for (int i = 0; i < list.varying.loops; ++i) {
    random = next_random(random);
    matches += matching[random % kKeys] ? 1U : 0U;
  }
  return matches;
}

}  // namespace bench
