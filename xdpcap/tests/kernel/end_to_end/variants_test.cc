// SPDX-License-Identifier: BSD-3-Clause
//
// Every kind of target that exists: loaded by libbpf or by loaders that leave the attach type 0,
// with and without multi-buffer support, on interfaces in both modes.

#include <gtest/gtest.h>

#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {
namespace {

struct Case {
  const char* name;
  Variant variant;
  bool native;
  const char* said;
};

class Variants : public EndToEndTest, public testing::WithParamInterface<Case> {};

TEST_P(Variants, AreCaptured) {
  const Rig rig({.target = {.variant = GetParam().variant}, .native = GetParam().native});
  Capture capture(rig.target().hook_fd(), {"-v", rig.hook(), rig.file("out.pcapng")});
  const PacketSocket delivered = rig.delivered();
  const std::vector<Bytes> frames = {order_frame(2, 1), order_frame(1, 2, 500), order_frame(2, 3)};
  rig.sending().send(frames);
  EXPECT_EQ(delivered.receive(2), (std::vector<Bytes>{frames[0], frames[2]}));
  capture.stop();
  EXPECT_NE(capture.process().errors().find(GetParam().said), std::string::npos)
      << capture.process().errors();
  std::vector<Bytes> bytes;
  for (const Captured& packet : read_capture(rig.file("out.pcapng"))) {
    bytes.push_back(packet.bytes);
  }
  EXPECT_EQ(bytes, frames);
}

INSTANTIATE_TEST_SUITE_P(
    Targets, Variants,
    testing::Values(Case{"LibbpfNative", {37, false}, true, "expected attach type BPF_XDP"},
                    Case{"LibbpfGeneric", {37, false}, false, "expected attach type BPF_XDP"},
                    Case{"LibbpfFrags", {37, true}, true, "multi-buffer"},
                    Case{"OldLoader", {0, false}, true, "expected attach type 0"},
                    Case{"OldLoaderFrags", {0, true}, true, "expected attach type 0"}),
    [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace xdpcap::test
