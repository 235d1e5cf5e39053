// SPDX-License-Identifier: BSD-3-Clause
//
// Finding BPF file systems in the text of a mountinfo file.

#include "xdpcap/kernel/mounts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xdpcap {

void PrintTo(const Mount& mount, std::ostream* out) {
  *out << mount.device << " " << mount.root << " " << mount.path;
}

namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(MountsTest, FindsBpfFileSystems) {
  struct Case {
    std::string_view line;
    std::string_view path;
    std::string_view root = "/";
  };
  for (const Case& c : {
           Case{"36 25 0:31 / /sys/fs/bpf rw,nosuid shared:9 - bpf bpf rw,mode=700", "/sys/fs/bpf"},
           Case{"36 25 0:31 / /sys/fs/bpf rw - bpf none rw", "/sys/fs/bpf"},
           Case{"36 25 0:31 /sub /b rw shared:9 master:1 unbindable - bpf bpf rw", "/b", "/sub"},
           Case{R"(36 25 0:31 / /a\040b\011c\012x\134040 rw - bpf bpf rw)", "/a b\tc\nx\\040"},
           Case{R"(36 25 0:31 / /\303\244 rw - bpf bpf rw)", "/ä"},
           // What is no escape stays.
           Case{R"(36 25 0:31 / /a\04 rw - bpf bpf rw)", R"(/a\04)"},
           Case{R"(36 25 0:31 / /a\048 rw - bpf bpf rw)", R"(/a\048)"},
           Case{R"(36 25 0:31 / /a\777 rw - bpf bpf rw)", R"(/a\777)"},
       }) {
    EXPECT_THAT(parse_mounts(c.line, "bpf"),
                ElementsAre(Mount{
                    .device = "0:31", .root = std::string(c.root), .path = std::string(c.path)}))
        << c.line;
  }
}

TEST(MountsTest, SkipsTheRest) {
  for (const std::string_view line : {
           "",
           "\n\n",
           "36",
           "36 25 0:31 / /sys/fs/bpf rw",
           "36 25 0:31 / /sys/fs/bpf rw -",
           "36 25 0:31 / /sys/fs/bpf rw shared:9 bpf bpf rw",
           "22 1 8:1 / / rw - ext4 /dev/sda1 rw",
           "22 1 8:1 / /bpf rw bpf - ext4 bpf rw",
           "22 1 8:1 / - bpf - ext4 bpf rw",
           "36 25 0:31 / /sys/fs/bpf rw - bpfs bpf rw",
       }) {
    EXPECT_THAT(parse_mounts(line, "bpf"), IsEmpty()) << line;
  }
}

TEST(MountsTest, KeepsTheOrderOfLines) {
  EXPECT_THAT(parse_mounts("1 1 0:7 / /b rw - bpf bpf rw\n"
                           "2 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
                           "3 1 0:6 / /a rw - bpf bpf rw\n",
                           "bpf"),
              ElementsAre(Mount{.device = "0:7", .root = "/", .path = "/b"},
                          Mount{.device = "0:6", .root = "/", .path = "/a"}));
}

TEST(MountsTest, FindsNamespaces) {
  EXPECT_THAT(
      parse_mounts("5 1 0:4 net:[4026532008] /run/netns/blue rw shared:3 - nsfs nsfs rw\n", "nsfs"),
      ElementsAre(Mount{.device = "0:4", .root = "net:[4026532008]", .path = "/run/netns/blue"}));
}

}  // namespace
}  // namespace xdpcap
