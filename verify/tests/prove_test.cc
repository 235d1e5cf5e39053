// SPDX-License-Identifier: BSD-3-Clause

#include "verify/check/prove.h"

#include <gtest/gtest.h>

#include "verify/tests/subjects.h"

namespace check {
namespace {

namespace prove = cbpfc::prove;

TEST(Prove, WhatTheCompilerMakesIsProven) {
  for (const bool branches : {false, true}) {
    for (const bool optimize : {false, true}) {
      Options options;
      options.code.branches = branches;
      options.code.ebpf.optimize = optimize;
      const auto report =
          prove_subject(command::test::subject("udp port 53 or greater 1000"), options);
      ASSERT_TRUE(report) << report.error().message;
      EXPECT_EQ(report->exit_code, 0) << report->text;
      EXPECT_TRUE(report->text.starts_with("proven\n")) << report->text;
    }
  }
}

TEST(Prove, ASetIsProven) {
  const auto report = prove_subject(command::test::set({"udp port 53", "tcp", "ip"}), {});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->exit_code, 0) << report->text;
}

TEST(Prove, ADifferenceIsShownWithItsPacket) {
  std::vector<std::uint8_t> packet(20);
  packet[1] = 0xab;
  packet[17] = 0xcd;
  const prove::Proof proof{
      .verdict = prove::Verdict::Different,
      .reason = "the answers differ",
      .counterexample = prove::Counterexample{
          .packet = packet, .wire_length_bytes = 60, .wanted = 7, .given = "0"}};
  const Outcome report = report_proof(proof, {}, 5);
  EXPECT_EQ(report.exit_code, 1);
  EXPECT_EQ(report.text,
            "not equal\n"
            "the answers differ, for this packet of 20 bytes (60 on the wire):\n"
            "  0000: 00 ab 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n"
            "  0010: 00 cd 00 00\n"
            "classic program: 7\n"
            "eBPF code:       0\n");
}

TEST(Prove, NoAnswerIsNoProof) {
  const prove::Proof late{.verdict = prove::Verdict::Unknown, .reason = "too late"};
  EXPECT_EQ(report_proof(late, {.timeout = std::chrono::seconds(9)}, 5).exit_code, kExitUnknown);
  EXPECT_EQ(report_proof(late, {.timeout = std::chrono::seconds(9)}, 5).text,
            "no answer\ntoo late; --timeout allows more than 9 s\n");
  const prove::Proof unknown{.verdict = prove::Verdict::Unsupported, .reason = "cannot"};
  EXPECT_EQ(report_proof(unknown, {}, 5).exit_code, kExitUnknown);
  EXPECT_EQ(report_proof(unknown, {}, 5).text, "no answer\ncannot\n");
}

}  // namespace
}  // namespace check
