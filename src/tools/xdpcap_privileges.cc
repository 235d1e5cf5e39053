// SPDX-License-Identifier: BSD-3-Clause

#include "tools/xdpcap_privileges.h"

#include <fmt/format.h>

#include <vector>

#include "kernel/capabilities.h"
#include "kernel/version.h"
#include "privilege/landlock.h"
#include "privilege/reduce.h"
#include "privilege/sanitized.h"
#include "privilege/system_calls.h"
#include "tools/xdpcap_report.h"

namespace xdpcap {
namespace {

bool reads_filter_again(const XdpcapOptions& options) {
  return options.filter_file && *options.filter_file != "-";
}

// What a running capture needs.
std::vector<Capability> needed_while_running(const XdpcapOptions& options) {
  std::vector<Capability> needed;
  if (!maps_are_for_everybody()) {
    needed.push_back(Capability::Bpf);
  }
  // Another user has the rights of files that it has.
  if (!options.user && reads_filter_again(options)) {
    needed.push_back(Capability::DacOverride);
  }
  return needed;
}

}  // namespace

Result<std::optional<User>> chosen_user(const XdpcapOptions& options) {
  if (!options.user) {
    return std::nullopt;
  }
  return TRY(find_user(*options.user).with_context("option -Z"));
}

std::string shared_user_warning(const std::optional<User>& user) {
  // Of file systems and user namespaces, whatever it is called.  Source: Linux v6.18 include/linux/highuid.h DEFAULT_OVERFLOWUID.
  constexpr uid_t kNobody = 65534;
  if (!user || (user->uid != kNobody && user->name != "nobody")) {
    return "";
  }
  return fmt::format(
      "warning: option -Z: every process of user {} can stop or kill this capture; make a user for it alone, with "
      "`useradd -r xdpcap` say",
      user->name);
}

Result<void> give_up_before_output(const XdpcapOptions& options, const std::optional<User>& user) {
  std::vector<Capability> kept = needed_while_running(options);
  if (!user) {
    kept.push_back(Capability::DacOverride);
  }
  return reduce({.user = user, .kept = kept});
}

Result<void> give_up_after_output(const XdpcapOptions& options) {
  return reduce({.user = std::nullopt, .kept = needed_while_running(options)});
}

Result<void> restrict_files(const XdpcapOptions& options, const CaptureFiles& files) {
  // What looks for leaks reads /proc.
  if (kIsSanitized || reads_filter_again(options)) {
    return {};
  }
  std::vector<AllowedPath> allowed;
  if (files.statistics != nullptr) {
    allowed.push_back({.fd = files.statistics->directory_fd(), .right = PathRight::ReplaceFiles});
  }
  if (!TRY(restrict_paths(allowed)) && options.verbose) {
    say("files are not restricted to those of the options: the kernel has no Landlock (Linux 5.13, CONFIG_SECURITY_LANDLOCK)");
  }
  return {};
}

Result<void> restrict_capture(const XdpcapOptions& options) {
  const bool opens_files = reads_filter_again(options) || !options.prometheus.empty();
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
