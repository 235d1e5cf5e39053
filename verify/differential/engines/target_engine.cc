// SPDX-License-Identifier: BSD-3-Clause

#include "verify/differential/engines/target_engine.h"

#include <bpf/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "base/testing/die.h"

namespace differential {
namespace {

using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace): an assembler reads better
                              // bare

using xdpcap::test::die;

constexpr std::int16_t kKeySlot = -72;  ///< below the scratch slots

/// Registers for a buffer or a probe read; what is left survives helper calls.
cbpfc::EbpfOptions with_registers(cbpfc::EbpfOptions options) {
  options.packet_start = Reg::R6;
  options.packet_end = Reg::R7;
  options.working = {Reg::R8, Reg::R9, Reg::R1, Reg::R2};
  options.result = Reg::R0;
  return options;
}

}  // namespace

TargetEngine::TargetEngine(const XdpRunner& runner, Target target, std::uint32_t buffer_size_bytes)
    : runner_(runner), target_(target), buffer_size_bytes_(buffer_size_bytes) {
  const std::uint32_t value_bytes = sizeof(State) + buffer_size_bytes;
  LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
  map_.reset(bpf_map_create(BPF_MAP_TYPE_ARRAY, "packet", 4, value_bytes, 1, &opts));
  if (!map_.is_open()) {
    die("BPF_MAP_CREATE");
  }
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  mapped_bytes_ = (value_bytes + page - 1) / page * page;
  void* memory = ::mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, map_.get(), 0);
  if (memory == MAP_FAILED) {
    die("mmap of a map");
  }
  state_ = static_cast<State*>(memory);
}

TargetEngine::~TargetEngine() {
  ::munmap(state_, mapped_bytes_);
}

/// R0 = the map's value, packet_start and packet_end as the target wants them.
void TargetEngine::find_packet(Assembly& code, cbpfc::EbpfOptions& options) const {
  code.add(store(Width::Word, Reg::R10, kKeySlot, 0));
  code.add_map_fd(Reg::R1, map_.get());
  code.add(mov(Reg::R2, Reg::R10));
  code.add(alu(Alu::Add, Reg::R2, kKeySlot));
  code.add(call(BPF_FUNC_map_lookup_elem));
  code.jump_if(Cmp::Equal, Reg::R0, 0, "out");
  code.add(load(Width::Double, options.packet_end, Reg::R0, offsetof(State, length)));
  code.add(mov(options.packet_start, Reg::R0));
  code.add(alu(Alu::Add, options.packet_start, sizeof(State)));
  if (target_ == Target::Probe) {  // through memory a pointer becomes a number
    code.add(store(Width::Double, Reg::R0, offsetof(State, address), options.packet_start));
    code.add(load(Width::Double, options.packet_start, Reg::R0, offsetof(State, address)));
    options.access = cbpfc::PacketAccess::Probe;
  } else {
    options.access = cbpfc::PacketAccess::Buffer;
    options.buffer_size_bytes = buffer_size_bytes_;
  }
}

/// packet_start = the stack, with a copy of the buffer.
void TargetEngine::copy_to_stack(Assembly& code, cbpfc::EbpfOptions& options) const {
  const int bottom = kKeySlot - 8 - static_cast<int>((buffer_size_bytes_ + 7) / 8 * 8);
  code.add(mov(Reg::R1, Reg::R10));
  code.add(alu(Alu::Add, Reg::R1, bottom));
  code.add(mov32(Reg::R2, buffer_size_bytes_));
  code.add(mov(Reg::R3, options.packet_start));
  code.add(call(BPF_FUNC_probe_read_kernel));
  code.add(mov(options.packet_start, Reg::R10));
  code.add(alu(Alu::Add, options.packet_start, bottom));
  options.buffer_on_stack = true;
}

cbpfc::Result<std::vector<Insn>> TargetEngine::program(const cbpfc::Filter& filter,
                                                       const cbpfc::EbpfOptions& base) const {
  cbpfc::EbpfOptions options = base;
  Assembly code;
  if (target_ == Target::Labels) {
    code.add(load(Width::Word, options.packet_start, Reg::R1, 0));
    code.add(load(Width::Word, options.packet_end, Reg::R1, 4));
    options.match_label = "match";
    options.no_match_label = "out";
    code.append(TRY(cbpfc::compile_ebpf(filter, options)));
    code.label("match");
    code.add(mov(Reg::R0, 1));
    code.add(exit_insn());
    code.label("out");
    code.add(mov(Reg::R0, 0));
  } else {
    options = with_registers(options);
    find_packet(code, options);
    if (target_ == Target::StackBuffer) {
      copy_to_stack(code, options);
    }
    code.append(TRY(cbpfc::compile_ebpf(filter, options)));
    code.label(options.result_label);
    code.label("out");
  }
  code.add(exit_insn());
  return code.assemble();
}

std::uint32_t TargetEngine::run(std::span<const std::uint8_t> packet) {
  if (target_ == Target::Labels) {
    return runner_.run(packet);
  }
  state_->length = packet.size();
  // Bytes behind the packet that are not the packet's, to be missed.
  auto* buffer = reinterpret_cast<std::uint8_t*>(state_ + 1);
  std::fill(std::ranges::copy(packet, buffer).out, buffer + buffer_size_bytes_, std::uint8_t{0xa5});
  static constexpr std::array<std::uint8_t, 14> kDummy = {};
  return runner_.run(kDummy);
}

}  // namespace differential
