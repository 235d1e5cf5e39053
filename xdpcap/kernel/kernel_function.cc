// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/kernel/kernel_function.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>

#include <cerrno>
#include <memory>

#include "xdpcap/kernel/errors.h"
#include "xdpcap/kernel/libbpf_quiet.h"

namespace xdpcap {

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
