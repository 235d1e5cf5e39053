// SPDX-License-Identifier: BSD-3-Clause

#include "tools/cbpfc_engine.h"

#include <cbpfc/compile.h>
#include <cbpfc/ebpf_interpret.h>
#include <cbpfc/interpret.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "kernel/capabilities.h"
#include "kernel/program.h"
#include "kernel/test_run.h"
#include "tools/cbpfc_code.h"

namespace command {

using cbpfc::Result;
using xdpcap::UniqueFd;

namespace {

std::string count(std::uint64_t packets) {
  return fmt::format("{} packet{}", packets, packets == 1 ? "" : "s");
}

/// The classic programs, one after the other until one matches.
class ClassicInterpreter final : public FilterEngine {
 public:
  explicit ClassicInterpreter(const Subject& subject) : subject_(&subject) {}

  Result<std::uint32_t> run(std::span<const std::uint8_t> packet,
                            std::uint32_t wire_length_bytes) override {
    ++packets_;
    std::uint32_t number = 0;
    for (const Source& source : subject_->sources) {
      ++number;
      const std::uint32_t value = TRY(cbpfc::interpret(source.filter, packet, wire_length_bytes));
      if (value != 0) {
        return subject_->is_set ? number : value;
      }
    }
    return 0U;
  }

  std::uint64_t packets() const { return packets_; }
  std::string describe() const override { return count(packets_) + " by the interpreter"; }

 private:
  const Subject* subject_;
  std::uint64_t packets_ = 0;
};

/// The fragment the command line describes.
class FragmentInterpreter final : public FilterEngine {
 public:
  FragmentInterpreter(Fragment fragment, cbpfc::EbpfOptions options)
      : fragment_(std::move(fragment)), options_(std::move(options)) {
    if (fragment_.branches) {  // a match ends here, a miss behind it
      fragment_.insns.push_back(cbpfc::ebpf::exit_insn());
    }
  }

  Result<std::uint32_t> run(std::span<const std::uint8_t> packet,
                            std::uint32_t wire_length_bytes) override {
    ++packets_;
    cbpfc::ebpf::EntryState entry = cbpfc::ebpf::entry_state(options_, wire_length_bytes);
    const std::size_t match_at = fragment_.insns.size() - 1;
    if (fragment_.branches) {
      entry.stops = {match_at};
    }
    const cbpfc::ebpf::Execution run = TRY(cbpfc::ebpf::interpret(fragment_.insns, packet, entry));
    insns_ += run.insns;
    if (fragment_.branches) {
      return run.stopped_at == match_at ? 1U : 0U;
    }
    return static_cast<std::uint32_t>(run.registers[static_cast<std::size_t>(options_.result)]);
  }

  std::string describe() const override {
    return fmt::format(
        "{} by the interpreter of eBPF, {:.1f} instructions each", count(packets_),
        packets_ == 0 ? 0.0 : static_cast<double>(insns_) / static_cast<double>(packets_));
  }

 private:
  Fragment fragment_;
  cbpfc::EbpfOptions options_;
  std::uint64_t packets_ = 0;
  std::uint64_t insns_ = 0;
};

class KernelEngine final : public FilterEngine {
 public:
  KernelEngine(UniqueFd program, std::size_t longest_bytes, const Subject& subject)
      : program_(std::move(program)),
        longest_bytes_(longest_bytes),
        others_(subject),
        reads_length_(std::ranges::any_of(subject.sources, [](const Source& source) {
          return cbpfc::reads_length(source.filter);
        })) {}

  Result<std::uint32_t> run(std::span<const std::uint8_t> packet,
                            std::uint32_t wire_length_bytes) override {
    const bool is_cut = packet.size() < wire_length_bytes;
    if (packet.size() < xdpcap::kLeastTestRunBytes || packet.size() > longest_bytes_ ||
        (reads_length_ && is_cut)) {
      return others_.run(packet, wire_length_bytes);
    }
    ++packets_;
    return TRY(xdpcap::test_run(program_.get(), packet)).value;
  }

  std::string describe() const override {
    const std::string mine = count(packets_) + " by the kernel";
    return others_.packets() == 0
               ? mine
               : fmt::format(
                     "{}, {} (shorter than {} bytes, longer than {}, "
                     "or cut)",
                     mine, others_.describe(), xdpcap::kLeastTestRunBytes, longest_bytes_);
  }

 private:
  UniqueFd program_;
  std::size_t longest_bytes_;
  ClassicInterpreter others_;
  bool reads_length_;
  std::uint64_t packets_ = 0;
};

Result<std::unique_ptr<FilterEngine>> make_kernel_engine(const Subject& subject,
                                                         const Options& options) {
  const std::vector<cbpfc::ebpf::Insn> insns = TRY(make_value_program(subject, options.ebpf));
  UniqueFd program = TRY(xdpcap::load_xdp_program({.name = "cbpfc_match", .insns = insns}));
  const std::size_t longest_bytes = TRY(xdpcap::longest_linear_test_packet());
  return std::make_unique<KernelEngine>(std::move(program), longest_bytes, subject);
}

}  // namespace

bool may_use_kernel() {
  return xdpcap::missing_capabilities(xdpcap::kProgramCapabilities,
                                      xdpcap::effective_capabilities())
      .empty();
}

Result<std::unique_ptr<FilterEngine>> make_engine(const Subject& subject, const Options& options) {
  const auto interpreter = [&] { return std::make_unique<ClassicInterpreter>(subject); };
  switch (options.engine) {
    case Engine::Auto: {
      if (!may_use_kernel()) {
        return interpreter();
      }
      // In a container, what the capabilities allow may be forbidden all the same.
      Result<std::unique_ptr<FilterEngine>> kernel = make_kernel_engine(subject, options);
      const bool is_forbidden = !kernel && kernel.error().sys_errno == EPERM;
      return is_forbidden ? Result<std::unique_ptr<FilterEngine>>(interpreter())
                          : std::move(kernel);
    }
    case Engine::Kernel: return make_kernel_engine(subject, options);
    case Engine::Interpreter: return interpreter();
    case Engine::Ebpf:
      return std::make_unique<FragmentInterpreter>(
          TRY(make_fragment(subject, options.ebpf, options.branches)), options.ebpf);
  }
  return interpreter();
}

}  // namespace command
