// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/privilege/user.h"

#include <fmt/core.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <limits>
#include <optional>
#include <system_error>

#include "base/text.h"

namespace xdpcap {
namespace {

constexpr uid_t kNoId = std::numeric_limits<uid_t>::max();  // "leave it", to setresuid()

/// The text as a user's number; nullopt: it is none.
std::optional<uid_t> parse_uid(const std::string& text) {
  uid_t uid = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, uid);
  if (text.empty() || rest != end || error != std::errc() || uid == kNoId) {
    return std::nullopt;
  }
  return uid;
}

/// Asks with a buffer that is large enough; 0, or the errno.
template <typename Ask>
int with_buffer(Ask ask) {
  constexpr std::size_t kMostBytes = std::size_t{1} << 20U;
  std::vector<char> buffer(1024);
  int error = ask(buffer);
  while (error == ERANGE && buffer.size() < kMostBytes) {
    buffer.resize(2 * buffer.size());
    error = ask(buffer);
  }
  return error;
}

std::vector<gid_t> groups_of(const std::string& name, gid_t primary) {
  int count = 16;
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  while (::getgrouplist(name.c_str(), primary, groups.data(), &count) < 0) {
    // It says how many there are, but once did not (glibc before 2.3.3).
    count = std::max(count, static_cast<int>(2 * groups.size()));
    groups.resize(static_cast<std::size_t>(count));
  }
  groups.resize(static_cast<std::size_t>(count));
  return groups;
}

std::unexpected<Error> refused(const User& user, std::string_view attempt, int error) {
  return fail(error == EPERM ? Errc::Permission : Errc::Kernel,
              fmt::format("become user {}: {}: {}{}", user.name, attempt, errno_text(error),
                          error == EPERM ? "; that takes root (CAP_SETUID and CAP_SETGID)" : ""),
              error);
}

/// Whether the process has all of the ids and groups that it asked for.
bool has_become(const User& user) {
  uid_t uids[3] = {};
  gid_t gids[3] = {};
  if (::getresuid(&uids[0], &uids[1], &uids[2]) != 0 ||
      ::getresgid(&gids[0], &gids[1], &gids[2]) != 0) {
    return false;
  }
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
  if (::getgroups(static_cast<int>(groups.size()), groups.data()) < 0) {
    return false;
  }
  std::vector<gid_t> wanted = user.groups;
  std::ranges::sort(groups);
  std::ranges::sort(wanted);
  return groups == wanted && std::ranges::count(uids, user.uid) == 3 &&
         std::ranges::count(gids, user.gid) == 3;
}

}  // namespace

Result<User> find_user(const std::string& name_or_number) {
  passwd entry{};
  passwd* found = nullptr;
  std::string name;
  int error = with_buffer([&](std::vector<char>& buffer) {
    const int result =
        ::getpwnam_r(name_or_number.c_str(), &entry, buffer.data(), buffer.size(), &found);
    name = result == 0 && found != nullptr ? entry.pw_name : "";
    return result;
  });
  if (const std::optional<uid_t> uid = parse_uid(name_or_number); found == nullptr && uid) {
    error = with_buffer([&](std::vector<char>& buffer) {
      const int result = ::getpwuid_r(*uid, &entry, buffer.data(), buffer.size(), &found);
      name = result == 0 && found != nullptr ? entry.pw_name : "";
      return result;
    });
  }
  if (found != nullptr) {
    return User{.name = name,
                .uid = entry.pw_uid,
                .gid = entry.pw_gid,
                .groups = groups_of(name, entry.pw_gid)};
  }
  // All of these are ways to say that there is none.  Source: getpwnam(3).
  if (error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM) {
    return fail(
        Errc::NotFound,
        fmt::format("user \"{}\": there is no such user; name one of this machine, or give the "
                    "number of one",
                    name_or_number));
  }
  return fail(Errc::Io,
              fmt::format("user \"{}\": look for it in the user database: {}", name_or_number,
                          errno_text(error)),
              error);
}

Result<void> change_to(const User& user) {
  // Groups first: without root's rights there is no changing them.
  if (::setgroups(user.groups.size(), user.groups.data()) != 0) {
    return refused(user, "take its groups", errno);
  }
  if (::setresgid(user.gid, user.gid, user.gid) != 0) {
    return refused(user, "take its primary group", errno);
  }
  if (::setresuid(user.uid, user.uid, user.uid) != 0) {
    return refused(user, "take its number", errno);
  }
  if (!has_become(user)) {
    return fail(Errc::Kernel,
                fmt::format("become user {}: the kernel agreed, but did not do it", user.name));
  }
  return {};
}

Result<void> check_no_way_back(const User& user, uid_t before) {
  if (before == user.uid) {
    return {};  // nowhere to go back to
  }
  if (::setresuid(kNoId, before, kNoId) == 0 || ::setresuid(before, before, before) == 0) {
    return fail(
        Errc::Permission,
        fmt::format("become user {}: it can go back to user number {}, so nothing was gained",
                    user.name, before));
  }
  return {};
}

}  // namespace xdpcap
