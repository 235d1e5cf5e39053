// SPDX-License-Identifier: BSD-3-Clause
//
// Standard descriptors that are something else for a while.

#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>

namespace xdpcap::test {

/// Puts `other`, which it takes, in the place of the descriptor `number` for its life.
class ReplacedDescriptor {
 public:
  ReplacedDescriptor(int number, int other) : number_(number), saved_(::dup(number)) {
    ::dup2(other, number);
    ::close(other);
  }
  ~ReplacedDescriptor() {
    ::dup2(saved_, number_);
    ::close(saved_);
  }
  ReplacedDescriptor(const ReplacedDescriptor&) = delete;
  ReplacedDescriptor& operator=(const ReplacedDescriptor&) = delete;

 private:
  int number_;
  int saved_;
};

/// A pipe full of "x" that nobody reads.
class StuckPipe {
 public:
  StuckPipe() {
    if (::pipe2(ends_.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
      ::raise(SIGABRT);
    }
    const std::string filling(4096, 'x');
    while (::write(ends_[1], filling.data(), filling.size()) > 0) {
    }
    ::fcntl(ends_[1], F_SETFL, 0);  // a write waits from now on
  }
  ~StuckPipe() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  StuckPipe(const StuckPipe&) = delete;
  StuckPipe& operator=(const StuckPipe&) = delete;

  /// A duplicate of the end to write to.
  int writer() const { return ::dup(ends_[1]); }

  void make_room() const {
    std::array<char, 4096> some{};
    [[maybe_unused]] const ssize_t count = ::read(ends_[0], some.data(), some.size());
  }

  /// All that is in it.
  std::string rest() const {
    std::string text;
    std::array<char, 4096> some{};
    for (ssize_t count = 1; count > 0;) {
      count = ::read(ends_[0], some.data(), some.size());
      text.append(some.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
    }
    return text;
  }

 private:
  std::array<int, 2> ends_{};
};

}  // namespace xdpcap::test
