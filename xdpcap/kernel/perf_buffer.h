// SPDX-License-Identifier: BSD-3-Clause
//
// Perf buffers that bpf_perf_event_output() writes to, one for a CPU.
//
//     control page | data pages
//
// Source: Linux v6.18 include/uapi/linux/perf_event.h struct perf_event_mmap_page; perf_event_open(2).

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "xdpcap/kernel/map.h"

struct perf_event_mmap_page;

namespace xdpcap {

class PerfBuffer {
 public:
  /// Opens and maps one; nullopt if the CPU is not online.
  /// Units: `data_bytes` is a power of two of whole pages.  The reader is woken when the buffer holds
  /// `watermark_bytes`, at every record if that is at most 1.
  /// Errors: Permission, which asks for CAP_PERFMON; Kernel.
  static Result<std::optional<PerfBuffer>> open(std::uint32_t cpu, std::uint64_t data_bytes,
                                                std::uint32_t watermark_bytes);

  int fd() const { return event_.get(); }  ///< becomes readable; what the map of buffers takes
  perf_event_mmap_page* control() const;
  const std::uint8_t* data() const;
  std::uint64_t data_bytes() const { return data_bytes_; }

 private:
  PerfBuffer() = default;

  UniqueFd event_;
  Mapping pages_{nullptr, Unmap{0}};
  std::uint64_t data_bytes_ = 0;
};

/// Creates the map that programs find their CPU's buffer in.
/// Errors: Permission, Kernel.
Result<UniqueFd> create_perf_event_array(const std::string& name, std::uint32_t cpus);

/// Puts a buffer into its CPU's place.
Result<void> put_perf_buffer(int array_fd, std::uint32_t cpu, const PerfBuffer& buffer);

}  // namespace xdpcap
