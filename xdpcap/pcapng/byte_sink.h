// SPDX-License-Identifier: BSD-3-Clause
//
// Where a file format's bytes go: a file, a pipe, or a test's memory.

#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "base/result.h"

namespace xdpcap {

class ByteSink {
 public:
  virtual ~ByteSink() = default;

  /// Writes all of `bytes`, which are whole blocks.
  /// Errors: Errc::Io; what reached the output then ends at a block boundary wherever the output
  /// allows (a regular file is cut back), and `written_bytes()` says how much that is.
  virtual Result<void> write(std::span<const std::uint8_t> bytes) = 0;

  /// Has `call` called while a write waits until the output takes more, ten times a second at least; what it calls must not
  /// write here.  A sink that never waits never calls it.
  virtual void set_while_waiting(std::function<void()> call) { static_cast<void>(call); }

  /// Closes; a later write is a bug.  Errors: Errc::Io.
  virtual Result<void> finish() = 0;

  /// Bytes of whole blocks that reached the output through this sink.
  virtual std::uint64_t written_bytes() const = 0;

  /// 0, or the file-offset multiple that no block smaller than it should cross, so that a write the
  /// kernel cuts short when the process is killed still ends between two blocks.
  virtual std::uint32_t block_boundary_bytes() const = 0;

  /// File offset at which this sink's first byte lies.
  virtual std::uint64_t start_offset_bytes() const = 0;
};

}  // namespace xdpcap
