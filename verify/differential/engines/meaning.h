// SPDX-License-Identifier: BSD-3-Clause
//
// An expression read twice: by us, into an eBPF fragment; and independently, as the program libpcap makes of it without
// its optimiser, run by libpcap's own interpreter.

#pragma once

#include <cbpfc/pcap_filter.h>

#include <optional>
#include <string>
#include <vector>

#include "base/testing/libpcap_program.h"
#include "verify/differential/engines/agreement.h"

namespace differential {

/// An expression both ways.
class Meaning {
 public:
  /// Returns what went wrong; empty when nothing did.
  std::string load(const std::string& expression) {
    const auto program = xdpcap::test::libpcap_program(expression);
    const auto ours = cbpfc::compile_expression(expression);
    rejects_all_ = !ours && ours.error().message.contains("rejects all packets");
    is_refused_ = !program;
    if (is_refused_ || rejects_all_) {
      libpcap_ = program.value_or(std::vector<cbpfc::RawInsn>());
      return is_refused_ && ours ? "libpcap refuses it" : "";
    }
    if (!ours) {
      return ours.error().message;
    }
    libpcap_ = *program;
    filter_ = cbpfc::Filter::decode(*ours, cbpfc::Accept::Compiler).value();
    return engine_.load(*filter_);
  }

  bool is_refused() const { return is_refused_; }
  bool rejects_all() const { return rejects_all_; }
  const cbpfc::Filter& filter() const { return *filter_; }
  bool libpcap_matches(const Packet& packet) const { return run_libpcap(libpcap_, packet) != 0; }

  /// How a packet is answered differently; empty if it is not, or is meant to be (agreement.cc).
  std::string run(const Packet& packet) {
    const std::uint32_t wanted = run_libpcap(libpcap_, packet);
    std::string failure;
    if (!rejects_all_) {
      failure = run_fragment(engine_, "interpreted", packet, wanted);
    } else if (wanted != 0) {
      failure = "matches, but is said to reject all packets, " + packet_text(packet);
    }
    const bool is_meant =
        !failure.empty() &&
        !expect(cbpfc::Filter::decode(libpcap_, cbpfc::Accept::Compiler).value(), packet).libpcap;
    return is_meant ? std::string() : failure;
  }

 private:
  InterpretedEngine engine_{configuration("optimised")};
  std::vector<cbpfc::RawInsn> libpcap_;
  std::optional<cbpfc::Filter> filter_;
  bool is_refused_ = false;
  bool rejects_all_ = false;
};

}  // namespace differential
