// SPDX-License-Identifier: BSD-3-Clause
//
// An output in memory that fails, and calls back, as a test tells it to.

#pragma once

#include <cerrno>
#include <cstdint>
#include <functional>
#include <vector>

#include "xdpcap/pcapng/byte_sink.h"

namespace xdpcap::test {

class ScriptedSink final : public ByteSink {
 public:
  Result<void> write(std::span<const std::uint8_t> written) override {
    ++writes;
    if (before_write) {
      before_write();
    }
    if (bytes.size() + written.size() > most_bytes) {
      return fail(Errc::Io, "write memory: no more", error);
    }
    bytes.insert(bytes.end(), written.begin(), written.end());
    return {};
  }
  Result<void> finish() override {
    is_finished = true;
    if (finish_error != 0) {
      return fail(Errc::Io, "close memory", finish_error);
    }
    return {};
  }
  std::uint64_t written_bytes() const override { return bytes.size(); }
  std::uint32_t block_boundary_bytes() const override { return 0; }
  std::uint64_t start_offset_bytes() const override { return 0; }

  std::vector<std::uint8_t> bytes;
  std::size_t most_bytes = SIZE_MAX;
  int error = ENOSPC;
  int finish_error = 0;
  int writes = 0;
  bool is_finished = false;
  std::function<void()> before_write;
};

}  // namespace xdpcap::test
