// SPDX-License-Identifier: BSD-3-Clause

#include "verify/differential/engines/ebpf_engine.h"

#include <cbpfc/compile.h>
#include <linux/bpf.h>

#include <vector>

namespace differential {
namespace {

using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace): an assembler reads better
                              // bare

/// The packet's two pointers, where the fragment wants them; R2 and R3 at first.
void add_prologue(Assembly& program, const cbpfc::EbpfOptions& options, bool skip) {
  program.add(load(Width::Word, Reg::R2, Reg::R1, 0));
  program.add(load(Width::Word, Reg::R3, Reg::R1, 4));
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
cbpfc::Result<std::vector<Insn>> wrap(const Compile& compile, const Configuration& configuration,
                                      bool skip) {
  constexpr std::uint32_t kMostSkipped = 15;
  const Fragment fragment = TRY(compile(configuration, skip ? kMostSkipped : 0));
  Assembly program;
  add_prologue(program, fragment.options, skip);
  program.append(fragment.code);
  program.add(mov32(Reg::R0, fragment.options.result));
  program.label("out");
  program.add(exit_insn());
  return program.assemble();
}

}  // namespace

std::string EbpfEngine::load(const cbpfc::Filter& filter) {
  return load([&filter](const Configuration& configuration, std::uint32_t offset) {
    return compile_fragment(filter, configuration, offset);
  });
}

std::string EbpfEngine::load(Compile compile) {
  compile_ = std::move(compile);
  plain_.reset();
  skip_.reset();
  return load(embedded_);
}

std::string EbpfEngine::load(bool skip) {
  const auto insns = wrap(compile_, configuration_, skip);
  if (!insns) {
    return insns.error().message;
  }
  xdpcap::UniqueFd& program = skip ? skip_ : plain_;
  std::string log;
  program = load_program(BPF_PROG_TYPE_XDP, *insns, log);
  return log;
}

std::string EbpfEngine::run(std::span<const std::uint8_t> packet, std::uint32_t& value) {
  const bool skip = embedded_ || packet.size() < kMinTestRunBytes;
  if (skip && !skip_.is_open()) {
    if (std::string error = load(true); !error.empty()) {
      return error;
    }
  }
  std::vector<std::uint8_t> frame;
  if (skip) {
    frame.resize(packet.size() < kMinTestRunBytes ? kMinTestRunBytes - packet.size()
                                                  : kMinTestRunBytes);
    frame.insert(frame.end(), packet.begin(), packet.end());
    frame[0] = static_cast<std::uint8_t>(frame.size() - packet.size());
    packet = frame;
  }
  runner_->select(skip ? skip_ : plain_);
  value = runner_->run(packet);
  return {};
}

}  // namespace differential
