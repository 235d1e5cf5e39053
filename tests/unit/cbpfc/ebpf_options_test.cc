// SPDX-License-Identifier: BSD-3-Clause
//
// Every option that can be wrong, and what is said about it.

#include <cbpfc/compile.h>
#include <gtest/gtest.h>

namespace cbpfc {
namespace {

using ebpf::Reg;

/// What compile_ebpf() says of `options`, behind the name of the one that is wrong; empty when it takes them.
std::string refusal(const EbpfOptions& options) {
  const auto filter = Filter::decode(std::vector<RawInsn>{{.code = 0x06, .k = 1}});
  const auto code = compile_ebpf(filter.value(), options);
  if (code) {
    return {};
  }
  EXPECT_EQ(code.error().code, Errc::InvalidArgument);
  constexpr std::string_view kStart = "compile filter: ";
  EXPECT_TRUE(code.error().message.starts_with(kStart)) << code.error().message;
  return code.error().option + ": " + code.error().message.substr(kStart.size());
}

struct Case {
  EbpfOptions options;
  const char* message;  ///< empty: accepted
};

void expect_refusals(std::initializer_list<Case> cases) {
  for (const Case& c : cases) {
    EXPECT_EQ(refusal(c.options), c.message);
  }
}

TEST(EbpfOptions, RegistersAreLegalAndHaveOneUse) {
  expect_refusals({
      {{}, ""},
      {{.packet_start = Reg::R10}, "packet_start: R10 is not one of R0 to R9"},
      {{.packet_end = static_cast<Reg>(77)}, "packet_end: R77 is not one of R0 to R9"},
      {{.packet_end = Reg::R2}, "packet_end: R2 is already the packet's start"},
      {{.working = {Reg::R4, Reg::R5, Reg::R6, Reg::R4}},
       "working: R4 is already a working register"},
      {{.working = {Reg::R4, Reg::R3, Reg::R6, Reg::R7}},
       "working: R3 is already the packet's end"},
      {{.working = {Reg::R4, Reg::R5, Reg::R10, Reg::R7}}, "working: R10 is not one of R0 to R9"},
      {{.result = Reg::R10}, "result: R10 is not one of R0 to R9"},
      {{.result = Reg::R2}, ""},
      {{.packet_length = Reg::R7}, "packet_length: R7 is already a working register"},
      {{.packet_length = Reg::R2}, "packet_length: R2 is already the packet's start"},
      {{.packet_length = Reg::R10}, "packet_length: R10 is not one of R0 to R9"},
      {{.result = Reg::R8, .packet_length = Reg::R8}, ""},
      {{.spare = {Reg::R0, Reg::R1, Reg::R8, Reg::R9}}, ""},
      {{.spare = {Reg::R0, Reg::R0}}, "spare: R0 is already a spare register"},
      {{.spare = {Reg::R8, Reg::R3}}, "spare: R3 is already the packet's end"},
      {{.spare = {Reg::R4}}, "spare: R4 is already a working register"},
      {{.spare = {Reg::R10}}, "spare: R10 is not one of R0 to R9"},
      {{.packet_length = Reg::R8, .spare = {Reg::R8}}, "spare: R8 is already the packet's length"},
      {{.ancillary = {.context = Reg::R1}}, ""},
      {{.ancillary = {.context = Reg::R10}}, "ancillary.context: R10 is not one of R0 to R9"},
      {{.ancillary = {.context = Reg::R4}}, "ancillary.context: R4 is already a working register"},
      {{.ancillary = {.context = Reg::R1}, .spare = {Reg::R1}}, "spare: R1 is already the context"},
      {{.result = Reg::R1, .ancillary = {.context = Reg::R1}}, "result: R1 is already the context"},
  });
}

TEST(EbpfOptions, WhatMustSurviveCallsDoes) {
  const EbpfOptions kept = {.packet_start = Reg::R6,
                            .packet_end = Reg::R7,
                            .working = {Reg::R0, Reg::R8, Reg::R1, Reg::R2},
                            .ancillary = {.helpers = true}};
  EXPECT_EQ(refusal(kept), "");
  const auto with = [&](auto change) {
    EbpfOptions options = kept;
    change(options);
    return refusal(options);
  };
  const std::string why = " does not survive the calls of ancillary loads; give one of R6 to R9";
  EXPECT_EQ(with([](auto& o) { o.packet_start = Reg::R5; }), "packet_start: R5" + why);
  EXPECT_EQ(with([](auto& o) { o.packet_end = Reg::R3; }), "packet_end: R3" + why);
  EXPECT_EQ(with([](auto& o) { o.working[1] = Reg::R4; }), "working: R4" + why);
  EXPECT_EQ(with([](auto& o) { o.packet_length = Reg::R4; }), "packet_length: R4" + why);
  EXPECT_EQ(with([](auto& o) { o.packet_length = Reg::R9; }), "");
  EXPECT_EQ(with([](auto& o) { o.ancillary.context = Reg::R3; }), "ancillary.context: R3" + why);
}

TEST(EbpfOptions, ProbeReadsLeaveWhatTheyNeed) {
  const EbpfOptions kept = {.packet_start = Reg::R6,
                            .packet_end = Reg::R7,
                            .working = {Reg::R8, Reg::R9, Reg::R0, Reg::R1},
                            .stack_offset_bytes = 440,
                            .access = PacketAccess::Probe};
  const auto with = [&](auto change) {
    EbpfOptions options = kept;
    change(options);
    return refusal(options);
  };
  const std::string why = " does not survive probe reads; give one of R6 to R9";
  EXPECT_EQ(with([](auto& o) { o.packet_start = Reg::R5; }), "packet_start: R5" + why);
  EXPECT_EQ(with([](auto& o) { o.packet_end = Reg::R2; }), "packet_end: R2" + why);
  EXPECT_EQ(with([](auto& o) { o.working[0] = Reg::R2; }), "working: R2" + why);
  EXPECT_EQ(with([](auto& o) { o.working[1] = Reg::R2; }), "working: R2" + why);
  const std::string none =
      ": no register is left that survives probe reads: the packet's start and end and the first two "
      "working registers are R6 to R9";
  EXPECT_EQ(with([](auto& o) { o.packet_length = Reg::R2; }), "packet_length" + none);
  EXPECT_EQ(with([](auto& o) { o.ancillary.context = Reg::R2; }), "ancillary.context" + none);
  EXPECT_EQ(
      with([](auto& o) { o.stack_offset_bytes = 444; }),
      "stack_offset_bytes: 444 leaves no room for 16 scratch slots and 8 bytes for probe reads "
      "in 512 bytes of stack");
}

TEST(EbpfOptions, SizesFitTheAccess) {
  expect_refusals({
      {{.packet_start_offset_bytes = 65535}, ""},
      {{.packet_start_offset_bytes = 65536}, "packet_start_offset_bytes: 65536 is more than 65535"},
      {{.packet_start_offset_bytes = 14, .access = PacketAccess::Buffer, .buffer_size_bytes = 64},
       "packet_start_offset_bytes: it has a meaning with direct access only"},
      {{.buffer_size_bytes = 64},
       "buffer_size_bytes: it has a meaning with access to a buffer only"},
      {{.access = PacketAccess::Buffer},
       "buffer_size_bytes: it is missing: access to a buffer needs its size, 1 to 65535 bytes"},
      {{.access = PacketAccess::Buffer, .buffer_size_bytes = 65536},
       "buffer_size_bytes: 65536 is not in 1 to 65535"},
      {{.stack_offset_bytes = 6}, "stack_offset_bytes: 6 is not a multiple of 4"},
      {{.stack_offset_bytes = 448}, ""},
      {{.stack_offset_bytes = 452},
       "stack_offset_bytes: 452 leaves no room for 16 scratch slots in 512 bytes of stack"},
      {{.stack_offset_bytes = 0xfffffffc},
       "stack_offset_bytes: 4294967292 leaves no room for 16 scratch slots in 512 bytes of stack"},
  });
}

TEST(EbpfOptions, LabelsAreThereAndDistinct) {
  expect_refusals({
      {{.result_label = ""}, "result_label: it is empty"},
      {{.label_prefix = ""}, "label_prefix: it is empty"},
      {{.result_label = "a_b", .label_prefix = "a"},
       "result_label: \"a_b\" may clash with the labels \"a_...\""},
      {{.match_label = "yes"},
       "no_match_label: it is empty, but the other label is given; give both or neither"},
      {{.no_match_label = "no"},
       "match_label: it is empty, but the other label is given; give both or neither"},
      {{.match_label = "yes", .no_match_label = "no"}, ""},
      {{.result_label = "", .match_label = "yes", .no_match_label = "no"}, ""},
      {{.match_label = "same", .no_match_label = "same"},
       "no_match_label: \"same\" is the label of a match, too"},
      {{.match_label = "filter_1", .no_match_label = "no"},
       "match_label: \"filter_1\" may clash with the labels \"filter_...\""},
      {{.match_label = "yes", .no_match_label = "filter_no_match"},
       "no_match_label: \"filter_no_match\" may clash with the labels \"filter_...\""},
      {{.label_prefix = "", .match_label = "yes", .no_match_label = "no"},
       "label_prefix: it is empty"},
  });
}

}  // namespace
}  // namespace cbpfc
