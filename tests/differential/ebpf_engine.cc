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

/// The packet's two pointers, where the fragment wants them; R2 and R3 at first.
void add_prologue(Assembly& program, const cbpfc::EbpfOptions& options, bool skip) {
  program.add(load(Width::Word, Reg::R2, Reg::R1, 0));
  program.add(load(Width::Word, Reg::R3, Reg::R1, 4));
  if (!options.match_label.empty()) {
    // The verifier refuses code that nothing reaches, and some filters never match, some always: let
    // queues that are not there seem to reach both.
    program.add(load(Width::Word, Reg::R0, Reg::R1, 16));
    program.jump_if(Cmp::Equal, Reg::R0, 1001, options.match_label);
    program.jump_if(Cmp::Equal, Reg::R0, 1002, options.no_match_label);
  }
  if (skip) {
    program.add(mov(Reg::R0, 0));
    program.add(mov(Reg::R5, Reg::R2));
    program.add(alu(Alu::Add, Reg::R5, static_cast<int>(kMinTestRunBytes)));
    program.jump_if(Cmp::Greater, Reg::R5, Reg::R3, "out");
    program.add(load(Width::Byte, Reg::R4, Reg::R2, 0));
    program.add(alu(Alu::And, Reg::R4, 15));
    program.add(alu(Alu::Add, Reg::R2, Reg::R4));
  }
  if (options.packet_end != Reg::R3) {
    program.add(mov(options.packet_end, Reg::R3));
  }
  if (options.packet_start != Reg::R2) {
    program.add(mov(options.packet_start, Reg::R2));
  }
  if (options.packet_length) {
    program.add(mov(*options.packet_length, options.packet_end));
    program.add(alu(Alu::Sub, *options.packet_length, options.packet_start));
  }
}

/// The whole program around a fragment: packet pointers in, value out as the XDP action.
cbpfc::Result<std::vector<Insn>> wrap(const cbpfc::Filter& filter,
                                      const Configuration& configuration, bool skip) {
  constexpr std::uint32_t kMostSkipped = 15;
  const Fragment fragment = TRY(compile_fragment(filter, configuration, skip ? kMostSkipped : 0));
  Assembly program;
  add_prologue(program, fragment.options, skip);
  program.append(fragment.code);
  program.add(mov32(Reg::R0, fragment.options.result));
  program.label("out");
  program.add(exit_insn());
  return program.assemble();
}

}  // namespace

Runner::Runner() {
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
  // The queue is 0, which the verifier does not know: a constant slot becomes a direct jump that every
  // change of the slot patches on all processors.
  runner.add(load(Width::Word, Reg::R3, Reg::R1, 16));
  runner.add(call(BPF_FUNC_tail_call));
  runner.add(mov(Reg::R0, 0));
  runner.add(exit_insn());
  std::string log;
  program_ = load_xdp(runner.assemble().value(), &log);
  if (!program_.is_open()) {
    die(log.c_str());
  }
  LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_SKB_MODE);
  link_.reset(
      bpf_link_create(program_.get(), static_cast<int>(::if_nametoindex("lo")), BPF_XDP, &opts));
  if (!link_.is_open()) {
    die("BPF_LINK_CREATE");
  }
}

std::uint32_t Runner::run(const xdpcap::UniqueFd& program, std::span<const std::uint8_t> frame) {
  const int slot = 0;
  const int fd = program.get();
  if (bpf_map_update_elem(array_.get(), &slot, &fd, BPF_ANY) != 0) {
    die("BPF_MAP_UPDATE_ELEM");
  }
  LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame.data(),
              .data_size_in = static_cast<__u32>(frame.size()), .repeat = 1);
  if (bpf_prog_test_run_opts(program_.get(), &opts) != 0) {
    die("BPF_PROG_TEST_RUN");
  }
  return opts.retval;
}

std::string EbpfEngine::load(const cbpfc::Filter& filter) {
  filter_ = &filter;
  plain_.reset();
  skip_.reset();
  return load(false);
}

std::string EbpfEngine::load(bool skip) {
  const auto insns = wrap(*filter_, configuration_, skip);
  if (!insns) {
    return insns.error().message;
  }
  xdpcap::UniqueFd& program = skip ? skip_ : plain_;
  program = load_xdp(*insns, nullptr);
  if (!program.is_open()) {
    std::string words;
    load_xdp(*insns, &words);
    return "verifier: " + words;
  }
  return {};
}

std::string EbpfEngine::run(std::span<const std::uint8_t> packet, std::uint32_t& value) {
  const bool skip = packet.size() < kMinTestRunBytes;
  if (skip && !skip_.is_open()) {
    if (std::string error = load(true); !error.empty()) {
      return error;
    }
  }
  std::array<std::uint8_t, kMinTestRunBytes> frame = {};
  if (skip) {
    frame[0] = static_cast<std::uint8_t>(frame.size() - packet.size());
    std::ranges::copy(packet, frame.end() - static_cast<std::ptrdiff_t>(packet.size()));
    packet = frame;
  }
  value = runner_->run(skip ? skip_ : plain_, packet);
  return {};
}

}  // namespace differential
