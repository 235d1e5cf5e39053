// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/kernel/map.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <numeric>
#include <string_view>

#include "base/text.h"
#include "xdpcap/kernel/cpus.h"
#include "xdpcap/kernel/errors.h"

namespace xdpcap {
namespace {

/// Index: enum bpf_map_type.
constexpr std::array<std::string_view, 35> kMapTypeNames = {
    "unspecified",
    "hash",
    "array",
    "program array",
    "perf event array",
    "per-CPU hash",
    "per-CPU array",
    "stack trace",
    "cgroup array",
    "LRU hash",
    "LRU per-CPU hash",
    "longest prefix match trie",
    "array of maps",
    "hash of maps",
    "device map",
    "socket map",
    "CPU map",
    "AF_XDP socket map",
    "socket hash",
    "cgroup storage",
    "reuseport socket array",
    "per-CPU cgroup storage",
    "queue",
    "stack",
    "socket storage",
    "device hash",
    "struct_ops",
    "ring buffer",
    "inode storage",
    "task storage",
    "bloom filter",
    "user ring buffer",
    "cgroup local storage",
    "arena",
    "instruction array",
};

Result<UniqueFd> create_map(bpf_map_type type, const std::string& name, std::uint32_t key_size,
                            std::uint32_t value_size, std::uint32_t entries) {
  silence_libbpf();
  const int fd = bpf_map_create(type, name.c_str(), key_size, value_size, entries, nullptr);
  if (fd < 0) {
    return kernel_failure(fmt::format("create {} {}", map_type_name(type), name), errno,
                          kMapCapabilities);
  }
  return UniqueFd(fd);
}

}  // namespace

std::string map_type_name(std::uint32_t type) {
  return type < kMapTypeNames.size() ? std::string(kMapTypeNames[type])
                                     : fmt::format("type {}", type);
}

Result<UniqueFd> create_ring_buffer(const std::string& name, std::uint64_t size_bytes) {
  if (size_bytes > std::uint64_t{1} << 31) {
    return fail(Errc::InvalidArgument,
                fmt::format("create ring buffer {} of {} bytes: the kernel allows at most {}", name,
                            size_bytes, std::uint64_t{1} << 31));
  }
  auto fd = create_map(BPF_MAP_TYPE_RINGBUF, name, 0, 0, static_cast<std::uint32_t>(size_bytes));
  if (!fd.has_value()) {
    const int error_number = fd.error().sys_errno;
    fd.error().message += fmt::format(" (size {} bytes)", size_bytes);
    if (error_number == ENOMEM || error_number == E2BIG) {
      fd.error().message += "; there is not that much memory for it, choose a smaller buffer";
    } else if (error_number == EINVAL) {
      fd.error().message += "; ring buffers need Linux 5.8 and a size the kernel can allocate";
    }
  }
  return fd;
}

Result<UniqueFd> create_per_cpu_array(const std::string& name, std::uint32_t value_size_bytes,
                                      std::uint32_t entries) {
  return create_map(BPF_MAP_TYPE_PERCPU_ARRAY, name, sizeof(std::uint32_t), value_size_bytes,
                    entries);
}

Result<UniqueFd> create_array(const std::string& name, std::uint32_t value_size_bytes,
                              std::uint32_t entries) {
  return create_map(BPF_MAP_TYPE_ARRAY, name, sizeof(std::uint32_t), value_size_bytes, entries);
}

Result<UniqueFd> create_program_array(const std::string& name, std::uint32_t entries) {
  return create_map(BPF_MAP_TYPE_PROG_ARRAY, name, sizeof(std::uint32_t), sizeof(std::uint32_t),
                    entries);
}

Result<UniqueFd> create_mappable_array(const std::string& name, std::uint64_t value_size_bytes,
                                       std::uint32_t entries) {
  silence_libbpf();
  if (value_size_bytes > INT32_MAX) {
    return fail(Errc::Kernel,
                fmt::format("create array {} with values of {} bytes: the kernel allows at most {}",
                            name, value_size_bytes, INT32_MAX),
                E2BIG);
  }
  bpf_map_create_opts options{};
  options.sz = sizeof(options);
  options.map_flags = BPF_F_MMAPABLE;
  const int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name.c_str(), sizeof(std::uint32_t),
                                static_cast<__u32>(value_size_bytes), entries, &options);
  if (fd >= 0) {
    return UniqueFd(fd);
  }
  const int error_number = errno;
  auto failure = kernel_failure(
      fmt::format("create array {} of {} values of {} bytes", name, entries, value_size_bytes),
      error_number, kMapCapabilities);
  if (error_number == ENOMEM) {
    failure.error().message += "; there is not that much memory for it, choose a smaller buffer";
  } else if (error_number == E2BIG) {
    failure.error().message += "; this kernel has no values of that size, choose a smaller buffer";
  }
  return failure;
}

Result<UniqueFd> create_lru_hash(const std::string& name, std::uint32_t key_size_bytes,
                                 std::uint32_t value_size_bytes, std::uint32_t entries) {
  return create_map(BPF_MAP_TYPE_LRU_HASH, name, key_size_bytes, value_size_bytes, entries);
}

Result<UniqueFd> create_array_of_maps(const std::string& name, int example_fd,
                                      std::uint32_t entries) {
  silence_libbpf();
  bpf_map_create_opts options{};
  options.sz = sizeof(options);
  options.inner_map_fd = static_cast<__u32>(example_fd);
  const int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, name.c_str(), sizeof(std::uint32_t),
                                sizeof(std::uint32_t), entries, &options);
  if (fd < 0) {
    return kernel_failure(fmt::format("create array of maps {}", name), errno, kMapCapabilities);
  }
  return UniqueFd(fd);
}

Result<void> put_maps(int array_fd, std::span<const int> map_fds) {
  std::vector<std::uint32_t> keys(map_fds.size());
  std::iota(keys.begin(), keys.end(), 0U);
  auto count = static_cast<__u32>(map_fds.size());
  if (bpf_map_update_batch(array_fd, keys.data(), map_fds.data(), &count, nullptr) == 0 &&
      count == map_fds.size()) {
    return {};
  }
  for (const std::uint32_t key : keys) {
    if (bpf_map_update_elem(array_fd, &key, &map_fds[key], BPF_ANY) != 0) {
      return kernel_failure(fmt::format("put a map into place {} of an array", key), errno,
                            kMapCapabilities);
    }
  }
  return {};
}

Result<void> put_value(int map_fd, std::uint32_t key, std::span<const std::byte> value) {
  if (bpf_map_update_elem(map_fd, &key, value.data(), BPF_ANY) != 0) {
    return kernel_failure(fmt::format("put a value into place {} of an array", key), errno,
                          kMapCapabilities);
  }
  return {};
}

Result<MapInfo> map_info(int map_fd) {
  bpf_map_info info{};
  __u32 size = sizeof(info);
  if (bpf_obj_get_info_by_fd(map_fd, &info, &size) != 0) {
    return kernel_failure("ask for a map's properties", errno, kMapCapabilities);
  }
  return MapInfo{.id = info.id,
                 .type = info.type,
                 .key_size_bytes = info.key_size,
                 .value_size_bytes = info.value_size,
                 .max_entries = info.max_entries,
                 .name = info.name};
}

Result<void> put_program(int array_fd, std::uint32_t slot, int program_fd) {
  if (bpf_map_update_elem(array_fd, &slot, &program_fd, BPF_ANY) != 0) {
    return kernel_failure(fmt::format("put a program into slot {}", slot), errno,
                          kHookCapabilities);
  }
  return {};
}

Result<void> remove_program(int array_fd, std::uint32_t slot) {
  if (bpf_map_delete_elem(array_fd, &slot) != 0 && errno != ENOENT) {
    return kernel_failure(fmt::format("empty slot {}", slot), errno, kHookCapabilities);
  }
  return {};
}

Result<std::optional<std::uint32_t>> program_in_slot(int array_fd, std::uint32_t slot) {
  std::uint32_t program_id = 0;
  if (bpf_map_lookup_elem(array_fd, &slot, &program_id) == 0) {
    return program_id;
  }
  if (errno == ENOENT) {
    return std::nullopt;
  }
  return kernel_failure(fmt::format("look into slot {}", slot), errno, kHookCapabilities);
}

Result<std::optional<std::uint32_t>> owner_program_type(int array_fd) {
  constexpr std::string_view kField = "owner_prog_type:\t";
  const std::string path = fmt::format("/proc/self/fdinfo/{}", array_fd);
  std::ifstream file(path);
  if (!file) {
    return fail(
        Errc::Io,
        fmt::format("read {}, which tells whether the hook is in use: {}", path, errno_text(errno)),
        errno);
  }
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(kField)) {
      std::uint32_t type = 0;
      std::from_chars(line.data() + kField.size(), line.data() + line.size(), type);
      return type;
    }
  }
  return std::nullopt;
}

Result<std::vector<std::uint64_t>> read_per_cpu_numbers(int map_fd, std::uint32_t key,
                                                        std::size_t numbers) {
  std::vector<std::uint64_t> values(std::size_t{TRY(possible_cpus())} * numbers);
  if (bpf_map_lookup_elem(map_fd, &key, values.data()) != 0) {
    return kernel_failure(fmt::format("read counter {}", key), errno, kMapCapabilities);
  }
  return values;
}

void Unmap::operator()(void* address) const {
  ::munmap(address, length_bytes);
}

Result<Mapping> map_pages(int fd, std::size_t length_bytes, int protection,
                          std::size_t offset_bytes) {
  void* address =
      ::mmap(nullptr, length_bytes, protection, MAP_SHARED, fd, static_cast<off_t>(offset_bytes));
  if (address == MAP_FAILED) {
    return fail(Errc::Kernel,
                fmt::format("map {} bytes of a BPF map: {}", length_bytes, errno_text(errno)),
                errno);
  }
  return Mapping(address, Unmap{length_bytes});
}

}  // namespace xdpcap
