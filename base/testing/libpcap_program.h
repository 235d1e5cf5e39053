// SPDX-License-Identifier: BSD-3-Clause
//
// What libpcap itself makes of an expression, without a line of ours in between.

#pragma once

#include <cbpfc/cbpf.h>
#include <pcap.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace xdpcap::test {

/// The program of pcap_compile() without its optimiser, which is what an expression means; with it, what tcpdump -ddd
/// prints.  nullopt for what libpcap refuses.
inline std::optional<std::vector<cbpfc::RawInsn>> libpcap_program(const std::string& expression,
                                                                  int dlt = DLT_EN10MB,
                                                                  bool optimize = false) {
  pcap_t* handle = pcap_open_dead(dlt, 262144);
  bpf_program program = {};
  const bool is_taken = pcap_compile(handle, &program, expression.c_str(), optimize ? 1 : 0,
                                     PCAP_NETMASK_UNKNOWN) == 0;
  std::vector<cbpfc::RawInsn> insns;
  for (const bpf_insn& insn : std::span(program.bf_insns, is_taken ? program.bf_len : 0)) {
    insns.push_back({.code = insn.code, .jt = insn.jt, .jf = insn.jf, .k = insn.k});
  }
  pcap_freecode(&program);
  pcap_close(handle);
  return is_taken ? std::optional(std::move(insns)) : std::nullopt;
}

}  // namespace xdpcap::test
