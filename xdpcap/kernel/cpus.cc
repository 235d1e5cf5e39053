// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/kernel/cpus.h"

#include <bpf/libbpf.h>
#include <fmt/core.h>

#include <charconv>
#include <fstream>
#include <string>

#include "xdpcap/kernel/errors.h"

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
  return TRY(parse_cpu_list(list).with_context(kPresent)).back() + 1;
}

Result<std::vector<std::uint32_t>> parse_cpu_list(std::string_view list) {
  constexpr std::uint32_t kMost = 1U << 20;  // far beyond what CONFIG_NR_CPUS can be
  std::vector<std::uint32_t> cpus;
  const char* at = list.data();
  const char* const end = at + list.size();
  const auto read_number = [&](std::uint32_t& number) {
    const auto [rest, error] = std::from_chars(at, end, number);
    at = rest;
    return error == std::errc() && number < kMost;
  };
  while (true) {
    std::uint32_t first = 0;
    bool is_right = read_number(first);
    std::uint32_t last = first;
    if (is_right && at != end && *at == '-') {
      ++at;
      is_right = read_number(last);
    }
    if (!is_right || last < first || (!cpus.empty() && first <= cpus.back()) ||
        (at != end && *at != ',')) {
      return fail(Errc::Kernel, fmt::format("\"{}\" is not a list of CPUs", list));
    }
    for (std::uint32_t cpu = first; cpu <= last; ++cpu) {
      cpus.push_back(cpu);
    }
    if (at == end) {
      return cpus;
    }
    ++at;
  }
}

}  // namespace xdpcap
