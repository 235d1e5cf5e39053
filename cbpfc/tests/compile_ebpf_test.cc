// SPDX-License-Identifier: BSD-3-Clause

#include <cbpfc/compile.h>
#include <cbpfc/text.h>
#include <gtest/gtest.h>

namespace cbpfc {
namespace {

Filter filter(const char* text) {
  const auto raw = parse_program(text);
  EXPECT_TRUE(raw) << raw.error().message;
  const auto decoded = Filter::decode(*raw);
  EXPECT_TRUE(decoded) << decoded.error().message;
  return *decoded;
}

// ip and udp, on Ethernet
constexpr const char* kUdp = "6,40 0 0 12,21 0 3 2048,48 0 0 23,21 0 1 17,6 0 0 262144,6 0 0 0";

TEST(CompileEbpf, KnowsWhetherTheLengthIsRead) {
  EXPECT_TRUE(reads_length(filter("2,128 0 0 0,22 0 0 0")));
  EXPECT_FALSE(reads_length(filter(kUdp)));
}

TEST(CompileEbpf, TwoFragmentsFitIntoOneProgram) {
  ebpf::Assembly code =
      compile_ebpf(filter(kUdp), {.result_label = "first", .label_prefix = "f1"}).value();
  code.label("first");
  code.append(compile_ebpf(filter(kUdp), {.result_label = "second", .label_prefix = "f2"}).value());
  code.label("second");
  code.add(ebpf::exit_insn());
  EXPECT_TRUE(code.assemble());
}

}  // namespace
}  // namespace cbpfc
