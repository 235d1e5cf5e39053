// SPDX-License-Identifier: BSD-3-Clause
//
// Every test of this folder leaves the machine as it found it.

#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <map>
#include <string>

#include "xdpcap/tests/kernel/bpf_fixture.h"

namespace xdpcap::test {

/// Takes down which BPF objects this process and `pid` hold, for the check at the test's end.
/// Objects of others on the machine are none of its business.
void note_bpf_objects(pid_t pid);

/// Expects at a test's end that BPF objects it noted, its descriptors, processes and network
/// namespaces are gone.
class EndToEndTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

 private:
  std::map<int, std::string> descriptors_;
};

}  // namespace xdpcap::test
