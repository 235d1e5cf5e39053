// SPDX-License-Identifier: BSD-3-Clause
//
// A file that is read through somebody else's code, and what that code took from it.
//
// libpcap gives a packet's bytes, but neither the record they stand in nor what stands between records.
// Without a buffer of its own a stream asks for exactly the bytes that are read from it, so what is asked for
// between two packets is the second one's record.
//
// Tested by: tests/unit/tools/pcap_file_test.cc.

#pragma once

#include <cbpfc/result.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernel/unique_fd.h"

namespace command {

class RecordedInput {
 public:
  /// Errors: Errc::NotFound, Permission, Io, naming the file; "-" is standard input.
  static cbpfc::Result<std::unique_ptr<RecordedInput>> open(const std::string& path);

  RecordedInput(const RecordedInput&) = delete;
  RecordedInput& operator=(const RecordedInput&) = delete;

  /// A stream over it; null without memory.  Must be closed before this goes.
  std::FILE* stream();

  int fd() const { return fd_.get(); }

  /// What was read from the stream since forget().
  std::span<const std::uint8_t> taken() const { return taken_; }
  void forget() { taken_.clear(); }

 private:
  explicit RecordedInput(xdpcap::UniqueFd fd) : fd_(std::move(fd)) {}
  ssize_t read(std::span<char> wanted);

  xdpcap::UniqueFd fd_;
  std::vector<std::uint8_t> ahead_;  ///< read from the file, and not yet asked for: from next_ on
  std::size_t next_ = 0;
  std::vector<std::uint8_t> taken_;
};

}  // namespace command
