// SPDX-License-Identifier: BSD-3-Clause
//
// Source: Linux v6.18 kernel/bpf/verifier.c check_stack_read_fixed_off(), check_stack_write_fixed_off().
// Tested by: ebpf_interpret_test.cc.

#include "verify/interpreter/ebpf_stack.h"

#include <fmt/core.h>

namespace cbpfc::ebpf {

OrReason<std::size_t> place(std::string_view what, std::uint64_t address, std::uint64_t base,
                            std::size_t size, std::uint64_t bytes) {
  const std::uint64_t at = address - base;
  if (at > size || bytes > size - at) {
    return std::unexpected(fmt::format("touches {} byte{} at offset {} of the {}, which has {}",
                                       bytes, bytes == 1 ? "" : "s", static_cast<std::int64_t>(at),
                                       what, size));
  }
  return at;
}

OrReason<std::size_t> StackMemory::locate(std::uint64_t address, std::uint64_t bytes) {
  return place("stack", address, kTop - kBytes, kBytes, bytes);
}

OrReason<Value> StackMemory::load(std::uint64_t address, std::size_t bytes) const {
  const std::size_t at = TRY(locate(address, bytes));
  if (at % bytes != 0) {
    return std::unexpected(fmt::format("loads {} bytes from the stack, not aligned", bytes));
  }
  const std::uint64_t bits = load_le(std::span(bytes_).subspan(at, bytes));
  const Region pointer = pointers_[at / kWordBytes];
  if (pointer != Region::Unwritten) {
    if (bytes != kWordBytes) {
      return std::unexpected("loads a part of a pointer from the stack");
    }
    return Value{.bits = bits, .region = pointer};
  }
  for (std::size_t i = at; i < at + bytes; ++i) {
    if (!written_[i]) {
      return std::unexpected(
          fmt::format("loads from R10{:+}, which was not written",
                      static_cast<std::ptrdiff_t>(i) - static_cast<std::ptrdiff_t>(kBytes)));
    }
  }
  return number(bits);
}

OrReason<void> StackMemory::store(std::uint64_t address, std::size_t bytes, Value value) {
  const std::size_t at = TRY(locate(address, bytes));
  if (at % bytes != 0) {
    return std::unexpected(fmt::format("stores {} bytes to the stack, not aligned", bytes));
  }
  if (!value.is_number() && bytes != kWordBytes) {
    return std::unexpected(fmt::format("stores a part of {}", name_of(value.region)));
  }
  for (std::size_t i = 0; i < bytes; ++i) {
    write_byte(at + i, static_cast<std::uint8_t>(value.bits >> 8 * i));
  }
  if (!value.is_number()) {
    pointers_[at / kWordBytes] = value.region;
  }
  return {};
}

OrReason<void> StackMemory::copy(std::uint64_t address, std::span<const std::uint8_t> from) {
  const std::size_t at = TRY(locate(address, from.size()));
  for (std::size_t i = 0; i < from.size(); ++i) {
    write_byte(at + i, from[i]);
  }
  return {};
}

void StackMemory::write_byte(std::size_t at, std::uint8_t byte) {
  const std::size_t word = at / kWordBytes;
  if (pointers_[word] != Region::Unwritten) {
    pointers_[word] = Region::Unwritten;
    for (std::size_t i = word * kWordBytes; i < (word + 1) * kWordBytes; ++i) {
      written_[i] = false;
    }
  }
  bytes_[at] = byte;
  written_[at] = true;
}

}  // namespace cbpfc::ebpf
