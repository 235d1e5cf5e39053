// SPDX-License-Identifier: BSD-3-Clause

#include "kernel/cpus.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <string>

#include "kernel/errors.h"

namespace xdpcap {
namespace {

constexpr const char* kPresent = "/sys/devices/system/cpu/present";

}  // namespace

Result<std::uint32_t> possible_cpus() {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus < 0) {
    return kernel_failure("read the number of CPUs", -cpus, {});
  }
  return static_cast<std::uint32_t>(cpus);
}

Result<std::uint32_t> present_cpus() {
  std::ifstream file(kPresent);
  std::string list;
  if (!std::getline(file, list)) {
    return fail(Errc::Kernel, fmt::format("read the numbers of this machine's CPUs from {}: it "
                                          "cannot be read; is /sys mounted?",
                                          kPresent));
  }
  return end_of_cpu_list(list).with_context(kPresent);
}

Result<std::uint32_t> end_of_cpu_list(std::string_view list) {
  constexpr std::uint32_t kMost = 1U << 20;  // far beyond what CONFIG_NR_CPUS can be
  const std::size_t separator = list.find_last_of(",-");
  const std::string_view last =
      separator == std::string_view::npos ? list : list.substr(separator + 1);
  std::uint32_t number = 0;
  const char* const end = last.data() + last.size();
  const auto [rest, error] = std::from_chars(last.data(), end, number);
  if (error != std::errc() || rest != end || number >= kMost) {
    return fail(Errc::Kernel, fmt::format("\"{}\" is not a list of CPUs", list));
  }
  return number + 1;
}

}  // namespace xdpcap
