// SPDX-License-Identifier: BSD-3-Clause
//
// Pages of a BPF map, mapped into memory until the object goes.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/result.h"

namespace xdpcap {

struct Unmap {
  std::size_t length_bytes;
  void operator()(void* address) const;
};
using Mapping = std::unique_ptr<void, Unmap>;

/// Maps `length_bytes` from `offset_bytes` on, both multiples of the page size, shared.
/// Units: `protection` as for mmap(2).
/// Errors: Errc::Kernel.
Result<Mapping> map_pages(int fd, std::size_t length_bytes, int protection,
                          std::size_t offset_bytes);

}  // namespace xdpcap
