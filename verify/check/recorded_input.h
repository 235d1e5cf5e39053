// SPDX-License-Identifier: BSD-3-Clause
//
// A file that another library reads, and the bytes that it took.
//
// libpcap gives a packet's bytes, but neither the record they stand in nor what stands between records.  So it
// reads from a stream of ours: what the stream has been given is kept, and where it stands tells how much of that
// has been read.
//
// Cost: bytes are copied once more, and one call of ftello(3) a packet.
// Tested by: verify/tests/capture_file_test.cc.

#pragma once

#include <cbpfc/result.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace check {

class RecordedInput {
 public:
  /// Errors: Errc::NotFound, Permission, Io, naming the file; "-" is standard input.
  static cbpfc::Result<std::unique_ptr<RecordedInput>> open(const std::string& path);

  RecordedInput(const RecordedInput&) = delete;
  RecordedInput& operator=(const RecordedInput&) = delete;

  /// The first bytes, fewer of a shorter file; before anything is read from the stream.
  /// Errors: Errc::Io, without the file's name.
  cbpfc::Result<std::span<const char>> peek(std::size_t size);
  /// The stream over it, to be called once; null without memory.  Must be closed before this goes.
  std::FILE* stream();
  int fd() const { return fd_.get(); }

  /// What was read from the stream since forget(); valid until more is read.
  std::span<const std::uint8_t> taken() const;
  void forget() { start_ += taken().size(); }

 private:
  explicit RecordedInput(xdpcap::UniqueFd fd) : fd_(std::move(fd)) {}
  ssize_t read_file(std::span<char> wanted) const;
  ssize_t read(std::span<char> wanted);

  xdpcap::UniqueFd fd_;
  std::vector<char> ahead_;          ///< read from the file, not yet given
  std::FILE* stream_ = nullptr;      ///< its owner closes it
  std::vector<std::uint8_t> given_;  ///< to the stream; earlier bytes are dropped
  std::size_t start_ = 0;            ///< in given_: what was read before is forgotten
  std::int64_t end_ = 0;             ///< of given_, in the file
};

}  // namespace check
