// SPDX-License-Identifier: BSD-3-Clause
//
// Shifted filters against the original on the packet cut at the offset, both in the interpreter.

#include <cbpfc/pcap_filter.h>
#include <cbpfc/shift.h>
#include <cbpfc/text.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "verify/interpreter/interpret.h"

namespace cbpfc {
namespace {

using Bytes = std::vector<std::uint8_t>;

Filter filter_of(const std::string& text) {
  const auto raw =
      looks_like_program(text) ? parse_program(text) : compile_expression(text, {.dlt = 12});
  EXPECT_TRUE(raw.has_value()) << raw.error().message;
  const auto filter = Filter::decode(*raw);
  EXPECT_TRUE(filter.has_value()) << filter.error().message;
  return *filter;
}

Filter shifted(const Filter& filter, const std::vector<std::uint32_t>& offsets) {
  const auto result = shift_filter(filter, offsets);
  EXPECT_TRUE(result.has_value()) << result.error().message;
  return *result;
}

std::uint32_t value_of(const Filter& filter, const Bytes& packet) {
  return interpret(filter, packet, static_cast<std::uint32_t>(packet.size())).value();
}

Bytes ipv4(std::uint8_t protocol, std::uint16_t source_port, std::uint16_t destination_port) {
  Bytes packet = {0x45, 0, 0, 60, 0, 0, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2};
  for (const int byte :
       {source_port >> 8, source_port & 0xff, destination_port >> 8, destination_port & 0xff}) {
    packet.push_back(static_cast<std::uint8_t>(byte));
  }
  packet.resize(60, 0x5a);
  return packet;
}

Bytes ipv6(std::uint8_t next_header, std::uint16_t destination_port) {
  Bytes packet(80, 0);
  packet[0] = 0x60;
  packet[6] = next_header;
  packet[42] = static_cast<std::uint8_t>(destination_port >> 8);
  packet[43] = static_cast<std::uint8_t>(destination_port & 0xff);
  return packet;
}

std::vector<Bytes> packets() {
  std::vector<Bytes> all = {
      ipv4(6, 1000, 80), ipv4(6, 80, 1000), ipv4(17, 53, 53), ipv4(17, 1, 2),  ipv4(1, 0, 0),
      ipv6(6, 80),       ipv6(17, 53),      Bytes(60, 0),     Bytes(60, 0xff), Bytes()};
  Bytes options = ipv4(6, 0, 0);
  options[0] = 0x46;
  options[24 + 3] = 80;
  all.push_back(options);
  return all;
}

const std::vector<std::string> kFilters = {
    "tcp port 80",
    "host 192.0.2.1",
    "src net 192.0.2.0/24 and not udp",
    "ip6",
    "udp[10] & 0x80 = 0",
    "ip[2:2] - ((ip[0]&0xf)<<2) > 20",
    "",
    "6,48 0 0 9,22 0 0 0,0 0 0 1,0 0 0 1,0 0 0 1,6 0 0 0",    // returns A
    "4,37 0 1 3,6 0 0 7,48 0 0 9,22 0 0 0",                   // reads A unset, two ways to return A
    "5,80 0 0 9,21 0 2 6,177 0 0 0,6 0 0 3,6 0 0 0",          // reads X unset
    "6,2 0 0 3,97 0 0 3,80 0 0 9,21 0 1 17,6 0 0 5,6 0 0 0",  // scratch of an unset A
    "5,80 0 0 9,1 0 0 3,21 0 1 6,6 0 0 3,6 0 0 0",            // leaves X set
    "5,48 0 0 9,21 1 0 6,6 0 0 0,48 0 0 0,22 0 0 0",          // ret #0 with A set, beside ret a
    "7,48 0 0 9,20 0 0 6,7 0 0 0,135 0 0 0,29 0 1 0,22 0 0 0,6 0 0 0",
};

/// Filler that no filter above mistakes for a packet or a part of one.
Bytes behind_filler(std::size_t size_bytes, const Bytes& packet) {
  Bytes all(size_bytes, 0);
  all.insert(all.end(), packet.begin(), packet.end());
  return all;
}

TEST(ShiftFilter, IsTheOriginalAtOneOffset) {
  for (const std::string& text : kFilters) {
    const Filter filter = filter_of(text);
    EXPECT_EQ(shifted(filter, {0}), filter) << text;
    for (const std::uint32_t offset : {1U, 14U, 20U, 1000U}) {
      const Filter moved = shifted(filter, {offset});
      for (const Bytes& packet : packets()) {
        EXPECT_EQ(value_of(moved, behind_filler(offset, packet)), value_of(filter, packet))
            << text << " at " << offset;
      }
    }
  }
}

TEST(ShiftFilter, TriesTheOffsetsInAscendingOrder) {
  for (const std::string& text : kFilters) {
    const Filter filter = filter_of(text);
    const Filter moved = shifted(filter, {34, 14, 20, 14});
    EXPECT_EQ(moved, shifted(filter, {14, 20, 34}));
    for (const Bytes& packet : packets()) {
      for (const std::size_t place : {0U, 7U, 14U, 20U, 34U}) {
        Bytes whole = behind_filler(place, packet);
        whole.resize(whole.size() + 100);  // so that no copy reads beyond the end
        std::uint32_t expected = 0;
        for (const std::size_t offset : {14U, 20U, 34U}) {
          expected =
              expected != 0
                  ? expected
                  : value_of(filter, Bytes(whole.begin() + static_cast<std::ptrdiff_t>(offset),
                                           whole.end()));
        }
        EXPECT_EQ(value_of(moved, whole), expected) << text << ", packet at " << place;
      }
    }
  }
}

TEST(ShiftFilter, MatchesRandomPacketsAsTheOriginalWouldSomewhere) {
  std::mt19937 random(1);
  const std::vector<std::uint32_t> offsets = {3, 8, 21};
  for (const std::string& text : kFilters) {
    const Filter filter = filter_of(text);
    const Filter moved = shifted(filter, offsets);
    for (int round = 0; round < 2000; ++round) {
      Bytes packet(200);
      std::ranges::generate(
          packet, [&] { return static_cast<std::uint8_t>(random() % 4 == 0 ? random() : 0x06); });
      for (const std::uint32_t offset : offsets) {
        packet[offset] = random() % 2 == 0 ? 0x45 : 0x60;
        packet[offset + 12] = 192;
      }
      std::uint32_t expected = 0;
      for (const std::uint32_t offset : offsets) {
        expected = expected != 0 ? expected
                                 : value_of(filter, Bytes(packet.begin() + offset, packet.end()));
      }
      ASSERT_EQ(value_of(moved, packet), expected) << text;
    }
  }
}

TEST(ShiftFilter, PacketsTooShortForTheLargerOffsetMatchAtTheSmaller) {
  const Filter moved = shifted(filter_of("tcp port 80"), {2000, 14});
  EXPECT_EQ(value_of(moved, behind_filler(14, ipv4(6, 1000, 80))), 262144U);
  EXPECT_EQ(value_of(moved, behind_filler(2000, ipv4(6, 1000, 80))), 262144U);
  EXPECT_EQ(value_of(moved, behind_filler(1999, ipv4(6, 1000, 80))), 0U);
  EXPECT_EQ(value_of(moved, Bytes(14)), 0U);
}

TEST(ShiftFilter, WrapsIndirectOffsets) {
  // X = 4, A = P[X + 0xfffffffe] = P[2]; at offset 10 P[12].
  const Filter moved = shifted(filter_of("3,1 0 0 4,80 0 0 4294967294,22 0 0 0"), {10});
  Bytes packet(20);
  packet[12] = 99;
  EXPECT_EQ(value_of(moved, packet), 99U);
}

TEST(ShiftFilter, RefusesWhatHasNoOffset) {
  struct Case {
    std::string program;
    std::vector<std::uint32_t> offsets;
    Errc code;
    std::string message;
  };
  const std::vector<Case> cases = {
      {"1,6 0 0 1", {}, Errc::InvalidArgument, "no offsets"},
      {"3,0 0 0 1,128 0 0 0,22 0 0 0",
       {0},
       Errc::Unsupported,
       "offset 0: instruction 1: the packet's length"},
      {"2,129 0 0 0,6 0 0 1", {0}, Errc::Unsupported, "instruction 0: the packet's length"},
      {"2,40 0 0 4294963200,6 0 0 1", {14}, Errc::Unsupported, "instruction 0: ancillary load 0"},
      {"2,40 0 0 4293918720,6 0 0 1",
       {14},
       Errc::Unsupported,
       "instruction 0: load at -1048576, which counts from"},
      {"2,40 0 0 4292870144,6 0 0 1",
       {0},
       Errc::Unsupported,
       "instruction 0: load at -2097152, which counts from"},
      {"2,177 0 0 4293918720,6 0 0 1",
       {0},
       Errc::Unsupported,
       "instruction 0: load of a header's length at -1048576"},
      {"2,40 0 0 12,6 0 0 1",
       {4292870132},
       Errc::InvalidArgument,
       "load at 12 moved by 4292870132 is beyond"},
      {"2,40 0 0 12,6 0 0 1",
       {0xffffffff},
       Errc::InvalidArgument,
       "load at 12 moved by 4294967295 is beyond"},
      {"2,177 0 0 12,6 0 0 1",
       {4294967290},
       Errc::InvalidArgument,
       "load of a header's length at 12 moved"},
  };
  for (const Case& c : cases) {
    const auto result = shift_filter(filter_of(c.program), c.offsets);
    ASSERT_FALSE(result.has_value()) << c.program;
    EXPECT_EQ(result.error().code, c.code);
    EXPECT_NE(result.error().message.find(c.message), std::string::npos) << result.error().message;
  }
  EXPECT_TRUE(shift_filter(filter_of("2,40 0 0 12,6 0 0 1"), std::vector<std::uint32_t>{4292870131})
                  .has_value());
}

TEST(ShiftFilter, RefusesProgramsLongerThanTheKernelTakes) {
  std::vector<std::uint32_t> offsets(4096);
  for (std::uint32_t i = 0; i < offsets.size(); ++i) {
    offsets[i] = i;
  }
  const Filter one = filter_of("1,6 0 0 0");
  EXPECT_EQ(shifted(one, offsets).insns().size(), 4096U);
  offsets.push_back(4096);
  const auto result = shift_filter(one, offsets);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Errc::InvalidProgram);
  EXPECT_NE(result.error().message.find("4097 offsets"), std::string::npos)
      << result.error().message;
}

TEST(ShiftFilter, RefusesWhatOnlyTheCompilerTakes) {
  const std::vector<RawInsn> loop = {
      {.code = 0x30}, {.code = 0x05, .k = 0xfffffffe}, {.code = 0x16}};
  const auto looping = shift_filter(Filter::decode(loop, Accept::Compiler).value(), {{0}});
  ASSERT_FALSE(looping);
  EXPECT_EQ(looping.error().code, Errc::Unsupported);
  EXPECT_EQ(
      looping.error().message,
      "shift the filter: instruction 1: it jumps backwards, and the result is for the kernel, "
      "which forbids that");

  const std::vector<RawInsn> long_program(4097, {.code = 0x16});
  const auto too_long = shift_filter(Filter::decode(long_program, Accept::Compiler).value(), {{0}});
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.error().code, Errc::InvalidProgram);
}

}  // namespace
}  // namespace cbpfc
