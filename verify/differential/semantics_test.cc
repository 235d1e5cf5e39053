// SPDX-License-Identifier: BSD-3-Clause
//
// The meaning of classic BPF, case by case, as measured and kept in verify/data/classic-semantics.tsv:
// decoding accepts what the kernel accepts, and all engines give the recorded answer, where the one we
// were inspired by often does not.

#include <cbpfc/compile.h>
#include <cbpfc/text.h>
#include <gtest/gtest.h>
#include <pcap.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <numeric>
#include <sstream>

#include "verify/differential/engines/all_engines.h"
#include "verify/interpreter/interpret.h"

namespace differential {
namespace {

constexpr std::uint32_t kPacketBytes = 60;

struct Case {
  std::string name;
  std::vector<cbpfc::RawInsn> program;
  Packet packet;
  std::string libpcap;   ///< "valid -> 0x3"
  std::string kernel;    ///< "0x3", "EINVAL"
  std::string original;  ///< "0x3", or words
};

/// 1, 2, 3 ..., the first four bytes of which are `word` unless that is "-".
Packet packet_with(const std::string& word) {
  Packet packet(kPacketBytes);
  std::iota(packet.begin(), packet.end(), std::uint8_t{1});
  if (word != "-") {
    const unsigned long value = std::stoul(word, nullptr, 0);
    for (std::size_t i = 0; i < 4; ++i) {
      packet[i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
    }
  }
  return packet;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  std::ifstream file(XDPCAP_TEST_DATA "/classic-semantics.tsv");
  for (std::string line; std::getline(file, line);) {
    std::vector<std::string> fields;
    std::istringstream stream(line);
    for (std::string field; std::getline(stream, field, '\t');) {
      fields.push_back(field);
    }
    if (!line.starts_with('#') && fields.size() == 7 && fields[0] != "case") {
      all.push_back({.name = fields[0],
                     .program = cbpfc::parse_program(fields[1]).value(),
                     .packet = packet_with(fields[2]),
                     .libpcap = fields[3],
                     .kernel = fields[4],
                     .original = fields[5]});
    }
  }
  return all;
}

bool is_valid_for_libpcap(const std::vector<cbpfc::RawInsn>& program) {
  std::vector<bpf_insn> insns(program.size());
  std::memcpy(insns.data(), program.data(), program.size() * sizeof(bpf_insn));
  return bpf_validate(insns.data(), static_cast<int>(insns.size())) != 0;
}

/// Whether the answer is not in the packet's bytes.
bool asks_the_kernel(const cbpfc::Filter& filter) {
  return std::ranges::any_of(filter.insns(), [](const cbpfc::Insn& insn) {
    const auto* load = std::get_if<cbpfc::LoadAbsolute>(&insn);
    const auto* header = std::get_if<cbpfc::LoadHeaderLength>(&insn);
    return std::holds_alternative<cbpfc::LoadAncillary>(insn) ||
           (load != nullptr && cbpfc::is_header_relative(load->offset)) ||
           (header != nullptr && cbpfc::is_header_relative(header->offset));
  });
}

/// Linux's A ^= X in the form of an ancillary load; it asks for nothing.
bool is_xor_x(const cbpfc::Filter& filter) {
  constexpr std::uint32_t kXorX = 40;  // SKF_AD_ALU_XOR_X
  const auto* load = std::get_if<cbpfc::LoadAncillary>(&filter.insns().front());
  return load != nullptr && load->offset == kXorX;
}

void expect_refusal_by_name(const cbpfc::Filter& filter) {
  if (is_xor_x(filter)) {
    EXPECT_TRUE(cbpfc::compile_ebpf(filter, {}));
    return;
  }
  for (const bool optimize : {false, true}) {
    cbpfc::EbpfOptions options;
    options.optimize = optimize;
    const auto code = cbpfc::compile_ebpf(filter, options);
    ASSERT_FALSE(code);
    EXPECT_EQ(code.error().code, cbpfc::Errc::Unsupported);
    EXPECT_TRUE(code.error().message.starts_with("compile filter: instruction 0: "))
        << code.error().message;
  }
}

void expect_recorded_answer(Engines& engines, const Case& c, const cbpfc::Filter& filter) {
  std::string failure = engines.load(filter);
  ASSERT_TRUE(failure.empty()) << failure;
  failure = engines.run(c.packet);
  EXPECT_TRUE(failure.empty()) << failure;
  const Expectation expected = expect(filter, c.packet);
  EXPECT_EQ(cbpfc::interpret(filter, c.packet, kPacketBytes).value(), expected.value);
  if (expected.kernel) {
    EXPECT_EQ(std::min(expected.value, kPacketBytes), std::stoul(c.kernel, nullptr, 0));
  }
  if (expected.libpcap) {
    EXPECT_EQ(expected.value, std::stoul(c.libpcap.substr(sizeof("valid -> ") - 1), nullptr, 0));
  }
}

TEST(Semantics, EveryRecordedCase) {
  Engines engines;
  KernelSocket kernel;
  const std::vector<Case> all = cases();
  ASSERT_EQ(all.size(), 180U);
  std::size_t original_is_wrong = 0;
  for (const Case& c : all) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(is_valid_for_libpcap(c.program), c.libpcap.starts_with("valid"));
    const bool is_accepted = c.kernel != "EINVAL";
    EXPECT_EQ(kernel.attach(c.program), is_accepted ? 0 : EINVAL);
    const auto filter = cbpfc::Filter::decode(c.program);
    ASSERT_EQ(filter.has_value(), is_accepted);
    original_is_wrong += is_accepted != c.original.starts_with("0x") ? 1U : 0U;
    if (is_accepted && asks_the_kernel(*filter)) {
      expect_refusal_by_name(*filter);
    } else if (is_accepted) {
      expect_recorded_answer(engines, c, *filter);
    }
  }
  EXPECT_GT(original_is_wrong, 20U);
}

}  // namespace
}  // namespace differential
