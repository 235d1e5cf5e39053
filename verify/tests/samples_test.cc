// SPDX-License-Identifier: BSD-3-Clause

#include "verify/check/samples.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "verify/interpreter/interpret.h"
#include "verify/tests/subjects.h"

namespace check {
namespace {

std::uint32_t value(const Subject& subject, const Sample& sample) {
  return cbpfc::interpret(subject.sources.front().filter, sample.bytes, sample.wire_length_bytes)
      .value();
}

TEST(Samples, OneMatchesAndOneMisses) {
  for (const char* expression :
       {"ip", "ip and udp port 53", "tcp[tcpflags] & tcp-syn != 0", "ip6 host 2001:db8::1",
        "vlan 100 and tcp port 80", "tcp dst port 443 and tcp[((tcp[12] & 0xf0) >> 2)] = 0x16"}) {
    SCOPED_TRACE(expression);
    const Subject subject = command::test::subject(expression);
    const auto samples = make_up_samples(subject, {});
    ASSERT_TRUE(samples) << samples.error().message;
    ASSERT_EQ(samples->matching.size(), 1U);
    ASSERT_EQ(samples->missing.size(), 1U);
    EXPECT_NE(value(subject, samples->matching.front()), 0U);
    EXPECT_EQ(value(subject, samples->missing.front()), 0U);
    EXPECT_GE(samples->matching.front().bytes.size(), 60U);
  }
}

TEST(Samples, TheMissIsANearOne) {
  const auto samples = make_up_samples(command::test::subject("ip and udp port 53"), {});
  ASSERT_TRUE(samples);
  const auto& miss = samples->missing.front().bytes;
  const auto& match = samples->matching.front().bytes;
  ASSERT_EQ(miss.size(), match.size());
  std::size_t differences = 0;
  for (std::size_t i = 0; i < miss.size(); ++i) {
    differences += miss[i] != match[i] ? 1U : 0U;
  }
  EXPECT_EQ(differences, 1U);
  EXPECT_EQ(miss[12], 8);  // still IPv4
  EXPECT_EQ(miss[23], 17);
}

TEST(Samples, LengthsThatNoFrameHasAreFoundWhereTheyMust) {
  const auto samples = make_up_samples(command::test::subject("greater 5000"), {});
  ASSERT_TRUE(samples);
  ASSERT_EQ(samples->matching.size(), 1U);
  EXPECT_GE(samples->matching.front().bytes.size(), 5000U);
}

TEST(Samples, WhatAlwaysOrNeverMatchesHasOneKind) {
  const auto always = make_up_samples(command::test::subject(""), {});
  ASSERT_TRUE(always);
  EXPECT_EQ(always->matching.size(), 1U);
  EXPECT_TRUE(always->missing.empty());
  const auto never = make_up_samples(command::test::subject("1,6 0 0 0"), {});
  ASSERT_TRUE(never);
  EXPECT_TRUE(never->matching.empty());
  EXPECT_EQ(never->missing.size(), 1U);
}

}  // namespace
}  // namespace check
