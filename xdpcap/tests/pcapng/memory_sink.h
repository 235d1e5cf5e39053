// SPDX-License-Identifier: BSD-3-Clause
//
// A ByteSink that keeps what it is given, and fails where it is told to.

#pragma once

#include <cerrno>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "xdpcap/pcapng/block.h"
#include "xdpcap/pcapng/byte_sink.h"

namespace xdpcap {

struct MemorySinkOptions {
  /// Bytes it has room for; a write beyond fails.
  std::uint64_t fail_after_bytes = std::numeric_limits<std::uint64_t>::max();
  int error = ENOSPC;     ///< sys_errno of the failure
  bool cuts_back = true;  ///< as a file; false: keeps the torn block, as a pipe
  std::uint32_t boundary_bytes = 0;
  std::uint64_t start_offset_bytes = 0;
};

class MemorySink final : public ByteSink {
 public:
  explicit MemorySink(MemorySinkOptions options = {}) : options_(options) {}

  Result<void> write(std::span<const std::uint8_t> bytes) override {
    ++write_calls_;
    const std::uint64_t room_bytes = options_.fail_after_bytes - bytes_.size();
    if (bytes.size() <= room_bytes) {
      bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
      written_bytes_ += bytes.size();
      return {};
    }
    const auto taken_bytes = static_cast<std::size_t>(room_bytes);
    const std::size_t whole_bytes = whole_blocks_bytes(bytes, taken_bytes);
    const auto kept = bytes.first(options_.cuts_back ? whole_bytes : taken_bytes);
    bytes_.insert(bytes_.end(), kept.begin(), kept.end());
    written_bytes_ += whole_bytes;
    return fail(Errc::Io, "write to memory: no room, as the test wants", options_.error);
  }

  Result<void> finish() override {
    is_finished_ = true;
    return {};
  }

  std::uint64_t written_bytes() const override { return written_bytes_; }
  std::uint32_t block_boundary_bytes() const override { return options_.boundary_bytes; }
  std::uint64_t start_offset_bytes() const override { return options_.start_offset_bytes; }

  /// All that arrived, a torn block included.
  const std::vector<std::uint8_t>& bytes() const { return bytes_; }
  std::uint64_t write_calls() const { return write_calls_; }
  bool is_finished() const { return is_finished_; }

  /// Makes room for this many bytes in all, so that writes work again.
  void set_fail_after_bytes(std::uint64_t bytes) { options_.fail_after_bytes = bytes; }

 private:
  MemorySinkOptions options_;
  std::vector<std::uint8_t> bytes_;
  std::uint64_t written_bytes_ = 0;
  std::uint64_t write_calls_ = 0;
  bool is_finished_ = false;
};

}  // namespace xdpcap
