// SPDX-License-Identifier: BSD-3-Clause
//
// The ways to compile a filter, all of which must give the same answer, and the fragments they give.
//
// A configuration is a set of options with a name: plain and optimised code, with few and with many
// registers, with the caller's choices at their defaults and all different.  Every random program runs
// in each of them.

#pragma once

#include <cbpfc/cbpf.h>
#include <cbpfc/compile.h>
#include <cbpfc/ebpf.h>

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace differential {

struct Configuration {
  std::string_view name;
  cbpfc::EbpfOptions options;
  /// Where the packet's length is put for filters that read it.
  cbpfc::ebpf::Reg length = cbpfc::ebpf::Reg::R8;

  /// Whether its fragments only tell matches from misses.
  bool is_match_only() const { return !options.match_label.empty(); }
};

/// Those over XDP packets, plain first.
std::vector<Configuration> configurations();

/// The one of them with this name.
Configuration configuration(std::string_view name);

/// Those over bytes elsewhere.
std::vector<Configuration> other_configurations();

/// What a caller gets of a filter in a configuration.
struct Fragment {
  cbpfc::ebpf::Assembly
      code;  ///< ends with its result, or 1 and 0 for match-only, in options.result
  cbpfc::EbpfOptions options;  ///< as used: packet_length is set where the filter wants it
};

/// Compiles in a configuration, for packets up to so many bytes behind ctx->data.
using Compile = std::function<cbpfc::Result<Fragment>(const Configuration& configuration,
                                                      std::uint32_t packet_start_offset_bytes)>;

/// Compiles `filter` and defines the labels the fragment jumps to at its end.
cbpfc::Result<Fragment> compile_fragment(const cbpfc::Filter& filter,
                                         const Configuration& configuration,
                                         std::uint32_t packet_start_offset_bytes);

/// Compiles a set.  Requires: not configuration.is_match_only().
cbpfc::Result<Fragment> compile_set_fragment(std::span<const cbpfc::Filter> filters,
                                             const Configuration& configuration,
                                             std::uint32_t packet_start_offset_bytes);

/// What a fragment does that it has promised not to: write registers or stack it was not given, write
/// anything else, call.  Empty if nothing.
std::string broken_promise(const std::vector<cbpfc::ebpf::Insn>& insns,
                           const cbpfc::EbpfOptions& options);

}  // namespace differential
