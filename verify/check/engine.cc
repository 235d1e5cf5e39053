// SPDX-License-Identifier: BSD-3-Clause

#include "verify/check/engine.h"

#include <cbpfc/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>
#include <vector>

#include "base/text.h"
#include "verify/check/programs.h"
#include "verify/interpreter/ebpf_interpret.h"
#include "verify/interpreter/interpret.h"
#include "xdpcap/kernel/errors.h"
#include "xdpcap/kernel/program.h"
#include "xdpcap/kernel/test_run.h"

namespace check {

using cbpfc::Result;
using xdpcap::UniqueFd;

namespace {

/// The classic programs, one after the other until one matches.
class ClassicInterpreter final : public FilterEngine {
 public:
  ClassicInterpreter(const Subject& subject, const cbpfc::AncillaryFacts& facts)
      : subject_(&subject), facts_(facts) {}

  Result<std::uint32_t> run(std::span<const std::uint8_t> packet,
                            std::uint32_t wire_length_bytes) override {
    ++packets_;
    std::uint32_t number = 0;
    for (const Source& source : subject_->sources) {
      ++number;
      const std::uint32_t value =
          TRY(cbpfc::interpret(source.filter, packet, wire_length_bytes, facts_));
      if (value != 0) {
        return subject_->is_set ? number : value;
      }
    }
    return 0U;
  }

  std::uint64_t packets() const override { return packets_; }
  std::string describe() const override {
    return xdpcap::counted(packets_, "packet") + " by the interpreter";
  }

 private:
  const Subject* subject_;
  cbpfc::AncillaryFacts facts_;
  std::uint64_t packets_ = 0;
};

/// The answers that are allowed, and those of a test run where they are not in the packet.
cbpfc::AncillaryFacts facts_of(const cbpfc::AncillaryOptions& ancillary) {
  const cbpfc::ebpf::EntryState entry;
  cbpfc::AncillaryFacts facts{.from_frame = ancillary.from_frame};
  if (ancillary.context) {
    facts.ifindex = entry.ingress_ifindex;
    facts.rx_queue = entry.rx_queue_index;
  }
  if (ancillary.helpers) {
    facts.cpu = entry.processor_id;
    facts.random = entry.random;
  }
  return facts;
}

/// A fragment.
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

  std::uint64_t packets() const override { return packets_; }
  std::string describe() const override {
    return fmt::format(
        "{} by the interpreter of eBPF, {:.1f} instructions each",
        xdpcap::counted(packets_, "packet"),
        packets_ == 0 ? 0.0 : static_cast<double>(insns_) / static_cast<double>(packets_));
  }

 private:
  Fragment fragment_;
  cbpfc::EbpfOptions options_;
  std::uint64_t packets_ = 0;
  std::uint64_t insns_ = 0;
};

std::unique_ptr<FilterEngine> make_interpreter(const Subject& subject, const Options& options) {
  return std::make_unique<ClassicInterpreter>(subject, facts_of(options.code.ebpf.ancillary));
}

/// Whether code that takes what is there for the whole packet may be wrong about one of another length.
bool reads_length(const Subject& subject) {
  return std::ranges::any_of(
      subject.sources, [](const Source& source) { return cbpfc::reads_length(source.filter); });
}

/// What runs in place of the kernel, and why.
class InPlaceOfKernel final : public FilterEngine {
 public:
  InPlaceOfKernel(std::unique_ptr<FilterEngine> engine, std::string why)
      : engine_(std::move(engine)), why_(std::move(why)) {}

  Result<std::uint32_t> run(std::span<const std::uint8_t> packet,
                            std::uint32_t wire_length_bytes) override {
    return engine_->run(packet, wire_length_bytes);
  }
  std::uint64_t packets() const override { return engine_->packets(); }
  std::string describe() const override {
    return fmt::format("{}, none by the kernel: {}", engine_->describe(), why_);
  }

 private:
  std::unique_ptr<FilterEngine> engine_;
  std::string why_;
};

class KernelEngine final : public FilterEngine {
 public:
  explicit KernelEngine(UniqueFd program) : program_(std::move(program)) {}

  Result<std::uint32_t> run(std::span<const std::uint8_t> packet,
                            std::uint32_t /*wire_length_bytes*/) override {
    ++packets_;
    return TRY(xdpcap::test_run(program_.get(), packet)).value;
  }

  std::uint64_t packets() const override { return packets_; }
  std::string describe() const override {
    return xdpcap::counted(packets_, "packet") + " by the kernel";
  }

 private:
  UniqueFd program_;
  std::uint64_t packets_ = 0;
};

/// The packets that an engine can run, and how to call the others.
struct Limits {
  std::size_t least_bytes = 0;
  std::size_t most_bytes = std::numeric_limits<std::size_t>::max();
  bool wants_whole =
      false;  ///< those of which the length is another than that of the bytes are not
  std::string others;
};

/// An engine, and the interpreter for what is outside its limits.
class LimitedEngine final : public FilterEngine {
 public:
  LimitedEngine(std::unique_ptr<FilterEngine> engine, Limits limits,
                std::unique_ptr<FilterEngine> interpreter)
      : engine_(std::move(engine)), limits_(std::move(limits)), others_(std::move(interpreter)) {}

  Result<std::uint32_t> run(std::span<const std::uint8_t> packet,
                            std::uint32_t wire_length_bytes) override {
    const bool fits = packet.size() >= limits_.least_bytes && packet.size() <= limits_.most_bytes &&
                      (!limits_.wants_whole || packet.size() == wire_length_bytes);
    return (fits ? engine_ : others_)->run(packet, wire_length_bytes);
  }

  std::uint64_t packets() const override { return engine_->packets() + others_->packets(); }
  std::string describe() const override {
    const std::string mine = engine_->describe();
    return others_->packets() == 0
               ? mine
               : fmt::format("{}, {} ({})", mine, others_->describe(), limits_.others);
  }

 private:
  std::unique_ptr<FilterEngine> engine_;
  Limits limits_;
  std::unique_ptr<FilterEngine> others_;
};

Result<std::unique_ptr<FilterEngine>> make_kernel_engine(const Subject& subject,
                                                         const Options& options) {
  const std::vector<cbpfc::ebpf::Insn> insns = TRY(make_value_program(subject, options.code.ebpf));
  UniqueFd program = TRY(xdpcap::load_xdp_program({.name = "cbpfc_match", .insns = insns}));
  const std::size_t most_bytes = TRY(xdpcap::longest_linear_test_packet());
  Limits limits{.least_bytes = xdpcap::kLeastTestRunBytes,
                .most_bytes = most_bytes,
                .wants_whole = reads_length(subject),
                .others = fmt::format("shorter than {} bytes, longer than {}, or cut",
                                      xdpcap::kLeastTestRunBytes, most_bytes)};
  return std::make_unique<LimitedEngine>(std::make_unique<KernelEngine>(std::move(program)),
                                         std::move(limits), make_interpreter(subject, options));
}

/// Tells code that asks for a packet's length where that is, for packets of which only a part was captured: in a
/// register that the options leave free, if there is one.
cbpfc::EbpfOptions with_length(const cbpfc::EbpfOptions& wanted) {
  using cbpfc::ebpf::Reg;
  cbpfc::EbpfOptions options = wanted;
  for (const Reg reg : {Reg::R9, Reg::R8, Reg::R7, Reg::R6, Reg::R1, Reg::R0}) {
    const bool is_taken = reg == options.packet_start || reg == options.packet_end ||
                          reg == options.result || reg == options.ancillary.context ||
                          std::ranges::count(options.working, reg) != 0 ||
                          std::ranges::count(options.spare, reg) != 0;
    const bool survives = reg >= Reg::R6 || !(options.ancillary.helpers ||
                                              options.access == cbpfc::PacketAccess::Probe);
    if (!is_taken && survives) {
      options.packet_length = reg;
      return options;
    }
  }
  return options;
}

Result<std::unique_ptr<FilterEngine>> make_ebpf_engine(const Subject& subject,
                                                       const Options& options) {
  const bool asks_length = reads_length(subject);
  const cbpfc::EbpfOptions code = asks_length && !options.code.ebpf.packet_length
                                      ? with_length(options.code.ebpf)
                                      : options.code.ebpf;
  auto fragment = std::make_unique<FragmentInterpreter>(
      TRY(make_fragment(subject, code, options.code.branches)), code);
  return std::make_unique<LimitedEngine>(
      std::move(fragment),
      Limits{.wants_whole = asks_length && !code.packet_length, .others = "cut"},
      make_interpreter(subject, options));
}

}  // namespace

bool may_use_kernel() {
  return xdpcap::missing_capabilities(xdpcap::kProgramCapabilities,
                                      xdpcap::effective_capabilities())
      .empty();
}

Result<std::unique_ptr<FilterEngine>> make_engine(const Subject& subject, const Options& options) {
  switch (options.engine) {
    case Engine::Auto: {
      if (!may_use_kernel()) {
        return make_interpreter(subject, options);
      }
      // In a container, what the capabilities allow may be forbidden all the same.
      Result<std::unique_ptr<FilterEngine>> kernel = make_kernel_engine(subject, options);
      if (!kernel && kernel.error().sys_errno == EPERM) {
        return make_interpreter(subject, options);
      }
      // A filter that is too much for the kernel has an answer all the same.
      const bool is_too_much = !kernel && (kernel.error().code == cbpfc::Errc::VerifierRejected ||
                                           kernel.error().code == cbpfc::Errc::TooLarge);
      if (is_too_much) {
        return std::make_unique<InPlaceOfKernel>(make_interpreter(subject, options),
                                                 kernel.error().message);
      }
      return kernel;
    }
    case Engine::Kernel: return make_kernel_engine(subject, options);
    case Engine::Interpreter: return make_interpreter(subject, options);
    case Engine::Ebpf: return make_ebpf_engine(subject, options);
  }
  return make_interpreter(subject, options);
}

}  // namespace check
