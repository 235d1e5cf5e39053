// SPDX-License-Identifier: BSD-3-Clause
//
// The stack of interpreted eBPF.
//
// Bytes know whether they were written.  A pointer is kept beside its eight bytes, whole, and is gone
// when one of them is written.

#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "verify/interpreter/ebpf_numbers.h"
#include "verify/interpreter/ebpf_value.h"

namespace cbpfc::ebpf {

/// Where an access of `bytes` at `address` lies in the `size` bytes from `base`.
OrReason<std::size_t> place(std::string_view what, std::uint64_t address, std::uint64_t base,
                            std::size_t size, std::uint64_t bytes);

class StackMemory {
 public:
  static constexpr std::uint64_t kTop = 0xffff'c900'0000'2000;  ///< what R10 holds

  OrReason<Value> load(std::uint64_t address, std::size_t bytes) const;
  OrReason<void> store(std::uint64_t address, std::size_t bytes, Value value);
  /// Writes bytes of any number and alignment, as helpers do.
  OrReason<void> copy(std::uint64_t address, std::span<const std::uint8_t> from);

 private:
  static constexpr std::size_t kBytes = 512;
  static constexpr std::size_t kWordBytes = 8;
  static OrReason<std::size_t> locate(std::uint64_t address, std::uint64_t bytes);
  void write_byte(std::size_t at, std::uint8_t byte);

  std::array<std::uint8_t, kBytes> bytes_ = {};
  std::array<bool, kBytes> written_ = {};
  std::array<Region, kBytes / kWordBytes> pointers_ = {};  ///< Unwritten: no pointer there
};

}  // namespace cbpfc::ebpf
