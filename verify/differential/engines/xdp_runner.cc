// SPDX-License-Identifier: BSD-3-Clause

#include "verify/differential/engines/xdp_runner.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>

#include "base/testing/die.h"

namespace differential {
namespace {

using cbpfc::ebpf::Insn;
using cbpfc::ebpf::Reg;

using xdpcap::test::die;

int try_load(int type, const std::vector<Insn>& insns, std::vector<char>* log) {
  bpf_prog_load_opts opts{};
  opts.sz = sizeof(opts);
  if (log != nullptr) {
    opts.log_buf = log->data();
    opts.log_size = static_cast<__u32>(log->size());
    opts.log_level = 1;
  }
  // BPF_PROG_LOAD reads struct bpf_insn, which Insn mirrors.
  return bpf_prog_load(static_cast<bpf_prog_type>(type), "differential", "Dual BSD/GPL",
                       reinterpret_cast<const bpf_insn*>(insns.data()), insns.size(), &opts);
}

}  // namespace

xdpcap::UniqueFd load_program(int type, const std::vector<Insn>& insns, std::string& log) {
  xdpcap::UniqueFd program(try_load(type, insns, nullptr));
  log.clear();
  if (!program.is_open()) {
    std::vector<char> words(1U << 20);
    xdpcap::UniqueFd again(try_load(type, insns, &words));
    log = std::string("verifier: ") + words.data();
  }
  return program;
}

XdpRunner::XdpRunner() {
  libbpf_set_print(nullptr);
  if (::unshare(CLONE_NEWNET) != 0) {
    die("unshare(CLONE_NEWNET), which needs root");
  }
  array_.reset(bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "under_test", 4, 4, 1, nullptr));
  if (!array_.is_open()) {
    die("BPF_MAP_CREATE");
  }
  cbpfc::ebpf::Assembly runner;
  runner.add_map_fd(Reg::R2, array_.get());
  // The queue is 0, which the verifier does not know: a constant slot becomes a direct jump, which every
  // change of the slot patches on all processors.
  runner.add(cbpfc::ebpf::load(cbpfc::ebpf::Width::Word, Reg::R3, Reg::R1, 16));
  runner.add(cbpfc::ebpf::call(BPF_FUNC_tail_call));
  runner.add(cbpfc::ebpf::mov(Reg::R0, 0));
  runner.add(cbpfc::ebpf::exit_insn());
  std::string log;
  runner_ = load_program(BPF_PROG_TYPE_XDP, runner.assemble().value(), log);
  if (!runner_.is_open()) {
    die(log.c_str());
  }
  LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_SKB_MODE);
  link_.reset(
      bpf_link_create(runner_.get(), static_cast<int>(::if_nametoindex("lo")), BPF_XDP, &opts));
  if (!link_.is_open()) {
    die("BPF_LINK_CREATE");
  }
}

std::string XdpRunner::load(const std::vector<Insn>& insns) {
  std::string log;
  const xdpcap::UniqueFd program = load_program(BPF_PROG_TYPE_XDP, insns, log);
  if (!program.is_open()) {
    return log;
  }
  select(program);
  return {};
}

void XdpRunner::select(int program) {
  const int slot = 0;
  if (bpf_map_update_elem(array_.get(), &slot, &program, BPF_ANY) != 0) {
    die("BPF_MAP_UPDATE_ELEM");
  }
}

std::uint32_t XdpRunner::run(std::span<const std::uint8_t> packet) const {
  LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet.data(),
              .data_size_in = static_cast<__u32>(packet.size()), .repeat = 1);
  if (bpf_prog_test_run_opts(runner_.get(), &opts) != 0) {
    die("BPF_PROG_TEST_RUN");
  }
  return opts.retval;
}

}  // namespace differential
