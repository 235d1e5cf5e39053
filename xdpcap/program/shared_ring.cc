// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/program/shared_ring.h"

#include <unistd.h>

namespace xdpcap {

SharedRingLayout shared_ring_layout(std::uint64_t ring_bytes) {
  const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t data_offset_bytes = page_bytes + 8;
  const std::uint64_t end_bytes =
      data_offset_bytes + ring_bytes + shared_record_bytes(abi::kMaxCapturedBytes);
  return {.data_offset_bytes = data_offset_bytes,
          .ring_bytes = ring_bytes,
          .value_bytes = (end_bytes + page_bytes - 1) / page_bytes * page_bytes};
}

}  // namespace xdpcap
