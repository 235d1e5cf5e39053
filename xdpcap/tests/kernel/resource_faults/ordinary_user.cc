// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/resource_faults/ordinary_user.h"

#include <fmt/core.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>

namespace xdpcap::test {
namespace {

constexpr uid_t kUser = OrdinaryUser::kUser;

// "bpf net_admin" -> ",+bpf,+net_admin"
std::string listed(const std::string& capabilities, char sign) {
  std::string list;
  for (const std::string& capability : split(capabilities, ' ')) {
    list += capability.empty() ? "" : fmt::format(",{}{}", sign, capability);
  }
  return list;
}

void give(const std::string& path) {
  if (::chown(path.c_str(), kUser, kUser) != 0) {
    give_up("chown " + path);
  }
}

}  // namespace

OrdinaryUser::OrdinaryUser(const Stage& stage) : program_(stage.file("xdpcap")) {
  std::filesystem::copy_file(XDPCAP_COMMAND, program_);
  give(std::filesystem::path(program_).parent_path());
  give(stage.rig().hook());
  if (::chmod(stage.rig().pins().path().c_str(), 0755) != 0) {
    give_up("chmod");
  }
}

void OrdinaryUser::prepare_chain_directory(const Stage& stage) const {
  const std::string directory = fmt::format("{}-xdpcap-{}", stage.rig().hook(), kUser);
  if (::mkdir(directory.c_str(), 0700) != 0) {
    give_up("mkdir " + directory);
  }
  give(directory);
}

bool OrdinaryUser::may_give_rights() const {
  struct statvfs where{};
  return ::statvfs(program_.c_str(), &where) == 0 && (where.f_flag & ST_NOSUID) == 0;
}

void OrdinaryUser::give_rights_of_root(mode_t rights) const {
  constexpr mode_t kPlain = 0755;
  if (::chown(program_.c_str(), 0, 0) != 0 || ::chmod(program_.c_str(), kPlain | rights) != 0) {
    give_up("chmod " + program_);
  }
}

void OrdinaryUser::give_capabilities(std::uint64_t capabilities) const {
  constexpr unsigned kHalfBits = 32;
  const vfs_cap_data data{
      .magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
      .data = {{.permitted = static_cast<__le32>(capabilities), .inheritable = 0},
               {.permitted = static_cast<__le32>(capabilities >> kHalfBits), .inheritable = 0}}};
  give(program_);
  if (::setxattr(program_.c_str(), "security.capability", &data, sizeof(data), 0) != 0) {
    give_up("setxattr " + program_);
  }
}

std::vector<std::string> OrdinaryUser::plain_command(
    const std::vector<std::string>& arguments) const {
  std::vector<std::string> words = {"setpriv", fmt::format("--reuid={}", kUser),
                                    fmt::format("--regid={}", kUser), "--clear-groups", program_};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

std::vector<std::string> OrdinaryUser::command(const std::vector<std::string>& arguments,
                                               const std::string& capabilities,
                                               const std::vector<std::string>& before) const {
  const std::string set = "-all" + listed(capabilities, '+');
  std::vector<std::string> words = {"setpriv",
                                    fmt::format("--reuid={}", kUser),
                                    fmt::format("--regid={}", kUser),
                                    "--clear-groups",
                                    "--inh-caps=" + set,
                                    "--ambient-caps=" + set,
                                    "--bounding-set=" + set};
  words.insert(words.end(), before.begin(), before.end());
  words.push_back(program_);
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

std::vector<std::string> without_capabilities(const std::string& capabilities,
                                              const std::vector<std::string>& command) {
  const std::string set = listed(capabilities, '-').substr(1);
  std::vector<std::string> words = {"setpriv", "--inh-caps=" + set, "--bounding-set=" + set};
  words.insert(words.end(), command.begin(), command.end());
  return words;
}

}  // namespace xdpcap::test
