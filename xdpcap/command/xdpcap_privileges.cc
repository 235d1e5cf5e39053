// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/command/xdpcap_privileges.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "xdpcap/command/xdpcap_report.h"
#include "xdpcap/kernel/errors.h"
#include "xdpcap/kernel/features.h"
#include "xdpcap/privilege/landlock.h"
#include "xdpcap/privilege/reduce.h"
#include "xdpcap/privilege/system_calls.h"

namespace xdpcap {
namespace {

// What a running capture needs.
std::vector<Capability> needed_while_running() {
  std::vector<Capability> needed;
  if (!maps_are_for_everybody()) {
    needed.push_back(Capability::Bpf);
  }
  return needed;
}

// What the C library reads for names in a filter ("port http", "host localhost"), and everybody may.  Not
// nsswitch.conf: without it these files are where it looks; with it, it asks for statuses that a capture may not have.
std::vector<UniqueFd> open_name_files() {
  std::vector<UniqueFd> files;
  for (const char* path :
       {"/etc/services", "/etc/protocols", "/etc/hosts", "/etc/ethers", "/etc/networks"}) {
    if (UniqueFd file(::open(path, O_PATH | O_CLOEXEC)); file.is_open()) {
      files.push_back(std::move(file));
    }
  }
  return files;
}

}  // namespace

Result<std::optional<User>> chosen_user(const XdpcapOptions& options) {
  if (!options.user) {
    return std::nullopt;
  }
  return TRY(find_user(*options.user).with_context("option -Z"));
}

std::string shared_user_warning(const std::optional<User>& user) {
  // File systems and user namespaces use this number for users that they do not know.  Source: Linux v6.18 include/linux/highuid.h DEFAULT_OVERFLOWUID.
  constexpr uid_t kNobody = 65534;
  if (!user || (user->uid != kNobody && user->name != "nobody")) {
    return "";
  }
  return fmt::format(
      "warning: option -Z: every process of user {} can stop or kill this capture; make a user for it alone, with "
      "`useradd -r xdpcap` say",
      user->name);
}

Result<void> give_up_before_output(const std::optional<User>& user) {
  std::vector<Capability> kept = needed_while_running();
  if (!user) {
    kept.push_back(Capability::DacOverride);
  }
  return reduce({.user = user, .kept = kept});
}

Result<void> give_up_after_output() {
  return reduce({.user = std::nullopt, .kept = needed_while_running()});
}

Result<void> restrict_files(const XdpcapOptions& options, const CaptureFiles& files) {
  if (kIsSanitized) {
    return {};  // what looks for leaks reads /proc
  }
  std::vector<AllowedPath> allowed;
  std::vector<UniqueFd> names;
  if (files.filter != nullptr && files.filter->can_be_read_again()) {
    allowed.push_back({.fd = files.filter->directory_fd(), .right = PathRight::ReadFiles});
    names = open_name_files();
    for (const UniqueFd& file : names) {
      allowed.push_back({.fd = file.get(), .right = PathRight::ReadFiles});
    }
  }
  if (files.statistics != nullptr) {
    allowed.push_back({.fd = files.statistics->directory_fd(), .right = PathRight::ReplaceFiles});
  }
  if (!TRY(restrict_paths(allowed)) && options.verbose) {
    say("files are not restricted to those of the options: the kernel has no Landlock (Linux 5.13, CONFIG_SECURITY_LANDLOCK)");
  }
  return {};
}

Result<void> restrict_capture(const XdpcapOptions& options, const CaptureFiles& files) {
  const bool opens_files =
      files.statistics != nullptr || (files.filter != nullptr && files.filter->can_be_read_again());
  Result<void> restricted =
      restrict_system_calls(opens_files ? SystemCalls::CaptureWithFiles : SystemCalls::Capture);
  if (!restricted && restricted.error().code == Errc::Unsupported) {
    if (options.verbose) {
      say(restricted.error().message);
    }
    return {};
  }
  return restricted;
}

}  // namespace xdpcap
