// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/program/transport.h"

#include <cbpfc/cbpf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>
#include <string>
#include <vector>

#include "xdpcap/kernel/features.h"
#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/program.h"
#include "xdpcap/program/abi.h"
#include "xdpcap/program/capture_program.h"
#include "xdpcap/program/ring_set.h"

namespace xdpcap {
namespace {

struct Properties {
  std::string_view name;
  std::string_view description;
  std::string_view since;
};

/// Index: Transport.
constexpr std::array<Properties, kTransports.size()> kProperties = {{
    {"shared", "rings in shared memory, records of exact size", "Linux 5.18"},
    {"classes", "ring buffers, records of size classes", "Linux 5.18"},
    {"dynptr", "ring buffers, records of exact size", "Linux 6.15"},
    {"linear", "ring buffers, packets up to the end of their first buffer", "Linux 5.8"},
    {"perf", "perf buffers, at most 65,492 bytes of a packet", "Linux 5.2"},
}};

const Properties& properties(Transport transport) {
  return kProperties[static_cast<std::size_t>(transport)];
}

cbpfc::Filter match_all() {
  constexpr std::uint16_t kReturnConstant = 0x06;
  const std::array<cbpfc::RawInsn, 1> raw = {{{.code = kReturnConstant, .k = 1}}};
  return cbpfc::Filter::decode(raw).value();
}

/// Loads a program that records everything, into rings that nobody reads.
Result<ChosenTransport> try_transport(Transport transport, const Variant& variant) {
  constexpr std::uint64_t kSmallRingBytes = 4096;
  constexpr std::uint32_t kActions = 5;
  ChosenTransport chosen{.transport = transport};
  if (transport == Transport::Dynptr) {
    chosen.functions = {.from_xdp = TRY(find_kernel_function("bpf_dynptr_from_xdp")),
                        .copy = TRY(find_kernel_function("bpf_dynptr_copy"))};
  }
  const RingSet rings = TRY(RingSet::create({.transport = transport,
                                             .ring_bytes = kSmallRingBytes,
                                             .watermark_bytes = kSmallRingBytes / 2,
                                             .cpus = 1}));
  const UniqueFd counters =
      TRY(create_per_cpu_array("xdpcap_probe", sizeof(abi::Counters), kActions));
  const auto insns = TRY(build_capture_program(match_all(), {.watermark_bytes = kSmallRingBytes / 2,
                                                             .transport = chosen,
                                                             .multi_buffer = variant.multi_buffer,
                                                             .rings_fd = rings.map_fd(),
                                                             .ring_bytes = rings.ring_bytes(),
                                                             .wakeup_fd = rings.wakeup_fd(),
                                                             .counters_fd = counters.get()}));
  TRY(load_xdp_program({.name = "xdpcap_probe",
                        .insns = insns,
                        .expected_attach_type = variant.expected_attach_type,
                        .multi_buffer = variant.multi_buffer}));
  return chosen;
}

/// Whether tasks on one CPU may interrupt each other in XDP programs (PREEMPT_RT).
bool is_real_time_kernel() {
  std::ifstream file("/sys/kernel/realtime");
  char answer = '0';
  return file.get(answer) && answer == '1';
}

}  // namespace

std::string_view name(Transport transport) {
  return properties(transport).name;
}

std::string_view describe(Transport transport) {
  return properties(transport).description;
}

std::string transport_names() {
  std::vector<std::string_view> names;
  for (const Properties& one : kProperties) {
    names.push_back(one.name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

Result<Transport> parse_transport(std::string_view name) {
  for (const Transport transport : kTransports) {
    if (properties(transport).name == name) {
      return transport;
    }
  }
  return fail(Errc::InvalidArgument,
              fmt::format("\"{}\" is no transport; choose one of {}", name, transport_names()));
}

Result<ChosenTransport> find_transport(const Variant& variant, std::optional<Transport> wanted) {
  std::string tried;
  std::string details;
  for (const Transport transport : kTransports) {
    if (wanted ? transport != *wanted : transport == Transport::Shared && is_real_time_kernel()) {
      continue;
    }
    Result<ChosenTransport> chosen = try_transport(transport, variant);
    if (chosen || chosen.error().code == Errc::Permission) {
      return chosen;
    }
    tried += fmt::format("{}{} ({}): {}", tried.empty() ? "" : "; ", name(transport),
                         properties(transport).since, chosen.error().message);
    details += chosen.error().detail;
  }
  return fail(
      Errc::Unsupported,
      fmt::format("hand packets to user space: the kernel does not take it this way: {}", tried), 0,
      details);
}

}  // namespace xdpcap
