// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/sharing/chain_directory.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <thread>

#include "base/file_io.h"
#include "base/random.h"
#include "xdpcap/kernel/errors.h"
#include "xdpcap/kernel/pin.h"
#include "xdpcap/program/chain_state.h"

namespace xdpcap {
namespace {

constexpr mode_t kOwnersOnly = 0700;
constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

std::unexpected<Error> refuse(Errc code, const std::string& path, const std::string& why,
                              int error_number = 0) {
  return fail(code, fmt::format("directory {}, where captures share the hook: {}", path, why),
              error_number);
}

// Why what is at the path may not be used; empty: it may.
std::string distrust(int fd) {
  struct stat status{};
  if (!file_status(fd, status)) {
    return errno_text(errno);
  }
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return fmt::format("it belongs to user {}", status.st_uid);
  }
  // Not to be read either: a lock takes no more than that.
  return (status.st_mode & (S_IRWXG | S_IRWXO)) != 0 ? "it is open to others than its owner" : "";
}

struct Opened {
  UniqueFd fd;  ///< closed: there is none
  std::string distrust = {};
};

Result<Opened> open_directory(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), kOpenDirectory));
  const int error_number = errno;
  if (fd.is_open()) {
    std::string why = distrust(fd.get());
    return Opened{.fd = std::move(fd), .distrust = std::move(why)};
  }
  switch (error_number) {
    case ENOENT: return Opened{};
    case ELOOP:
    case ENOTDIR: return Opened{.fd = {}, .distrust = "it is not a directory"};
    case EACCES:
      return Opened{.fd = {}, .distrust = "it is another user's, or closed to its owner"};
    default: return refuse(Errc::Io, path, errno_text(error_number), error_number);
  }
}

Result<void> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), kOwnersOnly) == 0 || errno == EEXIST) {
    return {};
  }
  if (errno != EACCES && errno != EPERM) {
    return refuse(Errc::Io, path, errno_text(errno), errno);
  }
  return refuse(Errc::Permission, path,
                fmt::format("this user may not make it; as root: `install -d -m 700 -o {} {}`",
                            ::geteuid(), path),
                EACCES);
}

// Another user made it, for whatever reason: it is kept, elsewhere.
Result<std::string> move_aside(const std::string& path, const std::string& why) {
  const std::string aside = fmt::format("{}-not-ours-{}", path, TRY(random_digits()));
  if (::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, aside.c_str(), RENAME_NOREPLACE) != 0) {
    return refuse(Errc::Permission, path,
                  fmt::format("{}, and it cannot be moved away ({}); as root, remove it", why,
                              errno_text(errno)));
  }
  return fmt::format("warning: {} was not made by this user's captures ({}), and is now {}", path,
                     why, aside);
}

}  // namespace

std::string ChainDirectory::path_for(const std::string& hook_path) {
  std::error_code unknown;
  const std::filesystem::path whole = std::filesystem::canonical(hook_path, unknown);
  return fmt::format("{}-xdpcap-{}", unknown ? hook_path : whole.string(), ::geteuid());
}

Result<std::optional<ChainDirectory>> ChainDirectory::find(const std::string& hook_path) {
  std::string path = path_for(hook_path);
  Opened opened = TRY(open_directory(path));
  if (!opened.distrust.empty()) {
    return refuse(Errc::Permission, path, opened.distrust);
  }
  return opened.fd.is_open() ? std::optional(ChainDirectory(std::move(path), std::move(opened.fd)))
                             : std::nullopt;
}

Result<ChainDirectory> ChainDirectory::make(const std::string& hook_path,
                                            std::vector<std::string>& notes) {
  constexpr int kTries = 100;  // another process may remove it, as the last that leaves does
  std::string path = path_for(hook_path);
  struct statfs system{};
  if (::statfs(hook_path.c_str(), &system) != 0 ||
      static_cast<std::uint64_t>(system.f_type) != BPF_FS_MAGIC) {
    return refuse(Errc::NotFound, path, "the hook's pin, which it stands beside, is gone");
  }
  for (int i = 0; i < kTries; ++i) {
    TRY(make_directory(path));
    Result<Opened> opened = open_directory(path);
    if (!opened) {
      ::rmdir(path.c_str());  // which another process would do to an empty one, too
      return std::unexpected(std::move(opened).error());
    }
    if (!opened->distrust.empty()) {
      notes.push_back(TRY(move_aside(path, opened->distrust)));
    } else if (opened->fd.is_open()) {
      return ChainDirectory(std::move(path), std::move(opened->fd));
    }
  }
  return refuse(Errc::Busy, path, "others make and remove it all the time");
}

bool ChainDirectory::is_removed() const {
  struct stat status{};
  return file_status(fd_.get(), status) && status.st_nlink == 0;
}

ChainDirectory::Lock ChainDirectory::lock() const {
  constexpr std::chrono::seconds kPatience(2);
  constexpr std::chrono::milliseconds kPause(1);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    if ((errno != EWOULDBLOCK && errno != EINTR) || std::chrono::steady_clock::now() > deadline) {
      return nullptr;
    }
    std::this_thread::sleep_for(kPause);
  }
  return {nullptr, [fd = fd_.get()](void*) { ::flock(fd, LOCK_UN); }};
}

Result<void> ChainDirectory::pin(const std::string& name, int fd) const {
  remove_pin(name);
  return pin_at(fd_.get(), path_, name, fd);
}

Result<UniqueFd> ChainDirectory::open_pin(const std::string& name) const {
  return open_pin_at(fd_.get(), path_, name);
}

void ChainDirectory::remove_pin(const std::string& name) const {
  ::unlinkat(fd_.get(), name.c_str(), 0);
}

Result<std::optional<UniqueFd>> ChainDirectory::take_place(std::uint32_t position) const {
  const std::string name = std::to_string(position);
  const bool is_new = ::mkdirat(fd_.get(), name.c_str(), kOwnersOnly) == 0;
  if (!is_new && errno == EEXIST) {
    return std::nullopt;
  }
  UniqueFd fd(is_new ? ::openat(fd_.get(), name.c_str(), kOpenDirectory) : -1);
  // A process that looks whether this capture lives holds the lock for a moment.
  if (!fd.is_open() || ::flock(fd.get(), LOCK_EX) != 0) {
    return refuse(Errc::Io, path_ + "/" + name, errno_text(errno), errno);
  }
  return fd;
}

ChainDirectory::PositionState ChainDirectory::state_of(std::uint32_t position) const {
  const std::string name = std::to_string(position);
  const UniqueFd fd(::openat(fd_.get(), name.c_str(), kOpenDirectory));
  if (fd.is_open()) {
    return ::flock(fd.get(), LOCK_SH | LOCK_NB) == 0 ? PositionState::Dead : PositionState::Held;
  }
  if (errno == ENOENT) {
    return PositionState::Free;
  }
  // Without descriptors, say, nothing can be opened; whether it is there can be asked all the same.
  if (::mkdirat(fd_.get(), name.c_str(), kOwnersOnly) != 0) {
    return PositionState::Held;
  }
  ::unlinkat(fd_.get(), name.c_str(), AT_REMOVEDIR);
  return PositionState::Free;
}

std::size_t ChainDirectory::count(PositionState wanted) const {
  std::size_t count = 0;
  for (std::uint32_t position = 0; position < chain::kMostCaptures; ++position) {
    count += state_of(position) == wanted ? 1U : 0U;
  }
  return count;
}

void ChainDirectory::remove_place(std::uint32_t position) const {
  const std::string name = std::to_string(position);
  if (::unlinkat(fd_.get(), name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) {
    return;
  }
  for (const Action action : first_actions(kMostActions)) {
    remove_pin(fmt::format("{}/{}", name, index(action)));
  }
  remove_pin(name + "/counters");
  ::unlinkat(fd_.get(), name.c_str(), AT_REMOVEDIR);
}

void ChainDirectory::remove_contents() const {
  for (std::uint32_t position = 0; position < chain::kMostCaptures; ++position) {
    remove_place(position);
  }
  for (const Action action : first_actions(kMostActions)) {
    remove_pin(fmt::format("foreign-{}", index(action)));
  }
  remove_pin("programs");
  remove_pin("state");
}

// If another one is at its path by now, that stays unless it is empty.
void ChainDirectory::remove_if_empty() const {
  ::rmdir(path_.c_str());
}

void ChainDirectory::remove() const {
  remove_contents();
  remove_if_empty();
}

}  // namespace xdpcap
