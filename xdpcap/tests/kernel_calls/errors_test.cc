// SPDX-License-Identifier: BSD-3-Clause
//
// What the kernel layer makes of errno and of verifier logs.

#include "xdpcap/kernel/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/program.h"

namespace xdpcap {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint64_t bit(Capability capability) {
  return std::uint64_t{1} << static_cast<unsigned>(capability);
}

TEST(CapabilitiesTest, ListsWhatIsMissing) {
  using enum Capability;
  EXPECT_THAT(missing_capabilities(kProgramCapabilities, 0), ElementsAre(Bpf, NetAdmin, Perfmon));
  EXPECT_THAT(missing_capabilities(kProgramCapabilities, bit(Bpf) | bit(Perfmon)),
              ElementsAre(NetAdmin));
  EXPECT_THAT(missing_capabilities(kProgramCapabilities, bit(Bpf) | bit(Perfmon) | bit(NetAdmin)),
              IsEmpty());
  EXPECT_THAT(missing_capabilities(kProgramCapabilities, bit(SysAdmin)), IsEmpty());
  EXPECT_THAT(missing_capabilities(kIdCapabilities, bit(Bpf)), ElementsAre(SysAdmin));
}

TEST(KernelFailureTest, GivesEachErrnoItsCode) {
  struct Case {
    int error_number;
    Errc code;
  };
  for (const Case& c : {Case{EPERM, Errc::Permission}, Case{EACCES, Errc::Permission},
                        Case{ENOENT, Errc::NotFound}, Case{EBUSY, Errc::Busy},
                        Case{ENOSYS, Errc::Unsupported}, Case{EOPNOTSUPP, Errc::Unsupported},
                        Case{EINVAL, Errc::Kernel}, Case{ENOMEM, Errc::Kernel}}) {
    const Error error = kernel_failure("do it", c.error_number, {}).error();
    EXPECT_EQ(error.code, c.code) << c.error_number;
    EXPECT_EQ(error.sys_errno, c.error_number);
    EXPECT_THAT(error.message, testing::StartsWith("do it: "));
  }
}

TEST(LastWordsTest, FindsTheReasonInAVerifierLog) {
  struct Case {
    std::string_view log;
    std::string_view words;
  };
  for (const Case& c : {
           Case{"", ""},
           Case{"\n\n", ""},
           Case{"0: R1=ctx() R10=fp0\n"
                "0: (61) r2 = *(u32 *)(r1 +0)          ; R1=ctx() R2_w=pkt(r=0)\n"
                "1: (71) r0 = *(u8 *)(r2 +0)\n"
                "invalid access to packet, off=0 size=1, R2(id=0,off=0,r=0)\n"
                "R2 offset is outside of the packet\n"
                "processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0\n",
                "R2 offset is outside of the packet, at 1: (71) r0 = *(u8 *)(r2 +0)"},
           Case{"12: (85) call unknown#189\n"
                "invalid func unknown#189\n"
                "processed 12 insns (limit 1000000) max_states_per_insn 0\n",
                "invalid func unknown#189, at 12: (85) call unknown#189"},
           Case{"BPF program is too large. Processed 1000001 insn\n"
                "verification time 3 usec\nstack depth 8\n",
                "BPF program is too large. Processed 1000001 insn"},
           // Accepted by the verifier, refused behind it: no reason.
           Case{"1: (b7) r0 = 2                        ; R0_w=2\n"
                "2: (95) exit\n"
                "processed 3 insns (limit 1000000)\n",
                ""},
           Case{"2: (95) exit\nfrom 1 to 2: R0=2\n2: safe\nprocessed 3 insns (limit 1000000)\n",
                ""},
           Case{"no newline at the end", "no newline at the end"},
       }) {
    EXPECT_EQ(last_words(c.log), c.words);
  }
}

TEST(NamesTest, KnowTypesAndSayUnknownOnes) {
  EXPECT_EQ(map_type_name(1), "hash");
  EXPECT_EQ(map_type_name(kMapTypeProgramArray), "program array");
  EXPECT_EQ(map_type_name(27), "ring buffer");
  EXPECT_EQ(map_type_name(33), "arena");
  EXPECT_EQ(map_type_name(999), "type 999");
  EXPECT_EQ(program_type_name(kProgramTypeXdp), "XDP");
  EXPECT_EQ(program_type_name(3), "traffic control classifier");
  EXPECT_EQ(program_type_name(999), "type 999");
}

}  // namespace
}  // namespace xdpcap
