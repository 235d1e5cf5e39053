// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/kernel/features.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string_view>
#include <utility>

#include "xdpcap/kernel/errors.h"

namespace xdpcap {
namespace {

/// Of a kernel that does not say, the answer is false.
bool is_at_least(const utsname& machine, std::pair<int, int> first) {
  std::pair version(0, 0);
  return std::sscanf(machine.release, "%d.%d", &version.first, &version.second) == 2 &&
         version >= first;
}

}  // namespace

bool maps_are_for_everybody() {
  utsname machine{};
  return ::uname(&machine) == 0 && is_at_least(machine, {5, 19});
}

bool xdp_programs_keep_their_cpu() {
  utsname machine{};
  return ::uname(&machine) == 0 && is_at_least(machine, {6, 11}) &&
         std::string_view(machine.version).find("PREEMPT_RT") == std::string_view::npos;
}

Result<std::int32_t> find_kernel_function(const std::string& name) {
  silence_libbpf();
  const std::unique_ptr<btf, void (*)(btf*)> types(btf__load_vmlinux_btf(), btf__free);
  if (types == nullptr) {
    return fail(Errc::Unsupported,
                fmt::format("find {}() in the kernel: it has no type information: {}", name,
                            errno_text(errno)),
                errno);
  }
  const std::int32_t id = btf__find_by_name_kind(types.get(), name.c_str(), BTF_KIND_FUNC);
  if (id < 0) {
    return fail(Errc::Unsupported, fmt::format("the kernel has no {}()", name), -id);
  }
  return id;
}

}  // namespace xdpcap
