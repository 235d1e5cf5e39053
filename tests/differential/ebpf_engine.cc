// SPDX-License-Identifier: BSD-3-Clause

#include "differential/ebpf_engine.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cbpfc/compile.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace differential {
namespace {

using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace): an assembler reads better
                              // bare

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

xdpcap::UniqueFd load_xdp(const std::vector<Insn>& insns, std::string* log) {
  std::vector<char> buffer(log != nullptr ? 1U << 20 : 0);
  bpf_prog_load_opts opts{};
  opts.sz = sizeof(opts);
  if (log != nullptr) {
    opts.log_buf = buffer.data();
    opts.log_size = static_cast<__u32>(buffer.size());
    opts.log_level = 1;
  }
  // BPF_PROG_LOAD reads struct bpf_insn, which Insn mirrors.
  const int fd =
      bpf_prog_load(BPF_PROG_TYPE_XDP, "differential", "Dual BSD/GPL",
                    reinterpret_cast<const bpf_insn*>(insns.data()), insns.size(), &opts);
  if (fd < 0 && log != nullptr) {
    *log = buffer.data();
  }
  return xdpcap::UniqueFd(fd);
}

/// The whole program around a fragment: packet pointers in, value out as the XDP action.
cbpfc::Result<std::vector<Insn>> wrap(const cbpfc::Filter& filter, bool skip) {
  cbpfc::EbpfOptions options;
  Assembly program;
  program.add(load(Width::Word, Reg::R2, Reg::R1, 0));
  program.add(load(Width::Word, Reg::R3, Reg::R1, 4));
  if (skip) {
    options.packet_start_offset_bytes = 15;
    program.add(mov(Reg::R0, 0));
    program.add(mov(Reg::R5, Reg::R2));
    program.add(alu(Alu::Add, Reg::R5, static_cast<int>(kMinTestRunBytes)));
    program.jump_if(Cmp::Greater, Reg::R5, Reg::R3, "out");
    program.add(load(Width::Byte, Reg::R4, Reg::R2, 0));
    program.add(alu(Alu::And, Reg::R4, 15));
    program.add(alu(Alu::Add, Reg::R2, Reg::R4));
  }
  if (cbpfc::reads_length(filter)) {
    options.packet_length = Reg::R8;
    program.add(mov(Reg::R8, Reg::R3));
    program.add(alu(Alu::Sub, Reg::R8, Reg::R2));
  }
  program.append(TRY(cbpfc::compile_ebpf(filter, options)));
  program.label("result");
  program.add(mov32(Reg::R0, options.result));
  program.label("out");
  program.add(exit_insn());
  return program.assemble();
}

}  // namespace

EbpfEngine::EbpfEngine() {
  libbpf_set_print(nullptr);
  if (::unshare(CLONE_NEWNET) != 0) {
    die("unshare(CLONE_NEWNET), which needs root");
  }
  array_.reset(bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "under_test", 4, 4, 1, nullptr));
  if (!array_.is_open()) {
    die("BPF_MAP_CREATE");
  }
  Assembly runner;
  runner.add_map_fd(Reg::R2, array_.get());
  runner.add(mov(Reg::R3, 0));
  runner.add(call(BPF_FUNC_tail_call));
  runner.add(mov(Reg::R0, 0));
  runner.add(exit_insn());
  std::string log;
  runner_ = load_xdp(runner.assemble().value(), &log);
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

std::string EbpfEngine::load(const cbpfc::Filter& filter, bool skip) {
  const auto insns = wrap(filter, skip);
  if (!insns) {
    return insns.error().message;
  }
  xdpcap::UniqueFd program = load_xdp(*insns, nullptr);
  if (!program.is_open()) {
    std::string log = "verifier: ";
    std::string words;
    load_xdp(*insns, &words);
    return log + words;
  }
  const int slot = 0;
  const int fd = program.get();
  if (bpf_map_update_elem(array_.get(), &slot, &fd, BPF_ANY) != 0) {
    die("BPF_MAP_UPDATE_ELEM");
  }
  skip_ = skip;
  return {};
}

std::uint32_t EbpfEngine::run(std::span<const std::uint8_t> packet) {
  std::array<std::uint8_t, kMinTestRunBytes> frame = {};
  if (skip_) {
    frame[0] = static_cast<std::uint8_t>(frame.size() - packet.size());
    std::ranges::copy(packet, frame.end() - static_cast<std::ptrdiff_t>(packet.size()));
    packet = frame;
  }
  LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet.data(),
              .data_size_in = static_cast<__u32>(packet.size()), .repeat = 1);
  if (bpf_prog_test_run_opts(runner_.get(), &opts) != 0) {
    die("BPF_PROG_TEST_RUN");
  }
  return opts.retval;
}

}  // namespace differential
