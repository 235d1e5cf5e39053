// SPDX-License-Identifier: BSD-3-Clause
//
// BPF maps: creating, asking what they are, reading and changing elements.
//
// Keys are 32-bit numbers but in hash maps.
//
// Source: Linux v6.18 include/uapi/linux/bpf.h enum bpf_map_type; kernel/bpf/syscall.c.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "xdpcap/kernel/errors.h"

namespace xdpcap {

/// Source: Linux v6.18 include/uapi/linux/bpf.h enum bpf_map_type.
inline constexpr std::uint32_t kMapTypeArray = 2;
inline constexpr std::uint32_t kMapTypeProgramArray = 3;

struct MapInfo {
  std::uint32_t id = 0;
  std::uint32_t type = 0;
  std::uint32_t key_size_bytes = 0;
  std::uint32_t value_size_bytes = 0;
  std::uint32_t max_entries = 0;
  std::string name;
};

/// Creates a ring buffer.
/// Units: `size_bytes` is a power of two of whole pages.
/// Errors: Permission; Kernel, with advice, when the size is more than there is memory for.
Result<UniqueFd> create_ring_buffer(const std::string& name, std::uint64_t size_bytes);

/// Creates an array that has every value once a CPU.
/// Errors: Permission, Kernel.
Result<UniqueFd> create_per_cpu_array(const std::string& name, std::uint32_t value_size_bytes,
                                      std::uint32_t entries);

/// Creates an array.
/// Errors: Permission, Kernel.
Result<UniqueFd> create_array(const std::string& name, std::uint32_t value_size_bytes,
                              std::uint32_t entries);

/// Creates an array of programs.
/// Errors: Permission, Kernel.
Result<UniqueFd> create_program_array(const std::string& name, std::uint32_t entries);

/// Creates an array whose values can be mapped into memory, value after value (Linux 5.5).
/// Units: `value_size_bytes` is a multiple of the page size.
/// Errors: Permission; Kernel, with E2BIG when this kernel has no values of that size, with advice when there is not
/// that much memory.
Result<UniqueFd> create_mappable_array(const std::string& name, std::uint64_t value_size_bytes,
                                       std::uint32_t entries);

/// Creates a hash map that forgets what was used least recently.
/// Errors: Permission, Kernel.
Result<UniqueFd> create_lru_hash(const std::string& name, std::uint32_t key_size_bytes,
                                 std::uint32_t value_size_bytes, std::uint32_t entries);

/// Creates an array whose values are maps such as the one behind `example_fd`.
/// Errors: Permission, Kernel.
Result<UniqueFd> create_array_of_maps(const std::string& name, int example_fd,
                                      std::uint32_t entries);

/// Puts maps into an array of maps, from its start on.  At once where the kernel can (5.17): each by itself waits
/// for all programs that may run.
Result<void> put_maps(int array_fd, std::span<const int> map_fds);

/// Puts a value into an array.
/// Errors: Kernel.
Result<void> put_value(int map_fd, std::uint32_t key, std::span<const std::byte> value);

Result<MapInfo> map_info(int map_fd);

/// "hash", "ring buffer"; "type 99" for one that this program does not know.
std::string map_type_name(std::uint32_t type);

/// Puts the program behind a descriptor into a slot of a program array.
Result<void> put_program(int array_fd, std::uint32_t slot, int program_fd);

/// Empties a slot of a program array; an empty one is no error.
Result<void> remove_program(int array_fd, std::uint32_t slot);

/// The id of the program in a slot; nullopt when it is empty.
Result<std::optional<std::uint32_t>> program_in_slot(int array_fd, std::uint32_t slot);

/// The type of the programs that own a program array; nullopt when nobody does yet.
///
/// Source: Linux v6.18 kernel/bpf/syscall.c bpf_map_show_fdinfo().
/// Errors: Errc::Io when /proc cannot be read.
Result<std::optional<std::uint32_t>> owner_program_type(int array_fd);

/// A value of a per-CPU array whose values are 64-bit numbers: those of CPU 0, then those of CPU 1, up to the
/// last possible one.
/// Units: `numbers` is how many a value has, all of them.
/// Errors: Errc::Kernel.
Result<std::vector<std::uint64_t>> read_per_cpu_numbers(int map_fd, std::uint32_t key,
                                                        std::size_t numbers);

// Pages of a BPF map, mapped into memory until the object goes.

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
