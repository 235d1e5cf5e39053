// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/bpf_fixture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cbpfc/ebpf.h>
#include <fmt/core.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/if_link.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xdpcap/kernel/map.h>
#include <xdpcap/kernel/program.h>
#include <xdpcap/ring/record_reader.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/testing/becomes_true.h"
#include "base/testing/die.h"

namespace xdpcap::test {
namespace {

using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace): an assembler reads better
                              // bare

constexpr std::int32_t kTailCall = 12;
constexpr std::int32_t kRedirect = 23;

UniqueFd or_die(Result<UniqueFd> fd) {
  if (!fd.has_value()) {
    std::fprintf(stderr, "%s\n%s\n", fd.error().message.c_str(), fd.error().detail.c_str());
    std::exit(1);
  }
  return std::move(*fd);
}

UniqueFd load_or_die(const Assembly& code, const Variant& variant, const std::string& name) {
  const std::vector<Insn> insns = code.assemble().value();
  return or_die(load_xdp_program({.name = name,
                                  .insns = insns,
                                  .expected_attach_type = variant.expected_attach_type,
                                  .multi_buffer = variant.multi_buffer}));
}

/// `line` is "field:\tnumber"?
bool read_field(const std::string& line, std::string_view field, std::uint32_t& number) {
  if (!line.starts_with(field)) {
    return false;
  }
  const char* first = line.data() + field.size();
  return std::from_chars(first, line.data() + line.size(), number).ec == std::errc();
}

std::uint64_t swap_effective_capabilities(std::uint64_t effective) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) {
    die("capget");
  }
  const std::uint64_t previous = std::uint64_t{data[1].effective} << 32 | data[0].effective;
  data[0].effective = static_cast<std::uint32_t>(effective) & data[0].permitted;
  data[1].effective = static_cast<std::uint32_t>(effective >> 32) & data[1].permitted;
  if (::syscall(SYS_capset, &header, data.data()) != 0) {
    die("capset");
  }
  return previous;
}

}  // namespace

void require_root() {
  if (::geteuid() != 0) {
    std::fprintf(stderr, "this test loads BPF programs and must run as root\n");
    std::exit(1);
  }
}

BpfDirectory::BpfDirectory() : path_("/tmp/xdpcap-test-XXXXXX") {
  require_root();
  if (::mkdtemp(path_.data()) == nullptr) {
    die("mkdtemp");
  }
  if (::mount("bpf", path_.c_str(), "bpf", 0, nullptr) != 0) {
    die("mount a BPF file system on " + path_);
  }
}

BpfDirectory::~BpfDirectory() {
  ::umount2(path_.c_str(), MNT_DETACH);
  ::rmdir(path_.c_str());
}

std::string BpfDirectory::pin(int fd, const std::string& name) const {
  const std::string path = path_ + "/" + name;
  if (bpf_obj_pin(fd, path.c_str()) != 0) {
    die("pin " + path);
  }
  return path;
}

UniqueFd make_hook(std::uint32_t slots) {
  UniqueFd fd(bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "test_hook", 4, 4, slots, nullptr));
  if (!fd.is_open()) {
    die("create a program array");
  }
  return fd;
}

UniqueFd make_map(std::uint32_t type, std::uint32_t key_bytes, std::uint32_t value_bytes,
                  std::uint32_t entries) {
  UniqueFd fd(bpf_map_create(static_cast<bpf_map_type>(type), "test_map", key_bytes, value_bytes,
                             entries, nullptr));
  if (!fd.is_open()) {
    die("create " + map_type_name(type));
  }
  return fd;
}

UniqueFd load_target(int hook_fd, const Verdict& verdict, const Variant& variant) {
  Assembly code;
  code.add(mov(Reg::R7, static_cast<std::int32_t>(verdict.action)));
  if (verdict.from_offset >= 0) {
    code.add(load(Width::Word, Reg::R2, Reg::R1, 0));
    code.add(load(Width::Word, Reg::R3, Reg::R1, 4));
    code.add(mov(Reg::R4, Reg::R2));
    code.add(alu(Alu::Add, Reg::R4, verdict.from_offset + 1));
    code.jump_if(Cmp::Greater, Reg::R4, Reg::R3, "call");
    code.add(load(Width::Byte, Reg::R7, Reg::R2, static_cast<std::int16_t>(verdict.from_offset)));
  }
  code.label("call");
  code.add_map_fd(Reg::R2, hook_fd);
  code.add(mov(Reg::R3, Reg::R7));
  code.add(call(kTailCall));
  code.add(mov(Reg::R0, Reg::R7));
  code.add(exit_insn());
  return load_or_die(code, variant, "test_target");
}

UniqueFd load_returning(std::uint32_t action, const Variant& variant, const std::string& name) {
  Assembly code;
  code.add(mov(Reg::R0, static_cast<std::int32_t>(action)));
  code.add(exit_insn());
  return load_or_die(code, variant, name);
}

bool has_multi_buffer() {
  static const bool has = [] {
    Assembly code;
    code.add(mov(Reg::R0, 0));
    code.add(exit_insn());
    const std::vector<Insn> insns = code.assemble().value();
    return load_xdp_program({.name = "test_frags",
                             .insns = insns,
                             .expected_attach_type = kAttachTypeXdp,
                             .multi_buffer = true})
        .has_value();
  }();
  return has;
}

UniqueFd load_socket_filter(int map_fd) {
  Assembly code;
  code.add_map_fd(Reg::R1, map_fd);
  code.add(mov(Reg::R0, 0));
  code.add(exit_insn());
  const std::vector<Insn> insns = code.assemble().value();
  UniqueFd fd(bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "test_filter", "Dual BSD/GPL",
                            reinterpret_cast<const bpf_insn*>(insns.data()), insns.size(),
                            nullptr));
  if (!fd.is_open()) {
    die("load a socket filter");
  }
  return fd;
}

UniqueFd load_redirect(std::uint32_t ifindex) {
  Assembly code;
  code.add(mov(Reg::R1, static_cast<std::int32_t>(ifindex)));
  code.add(mov(Reg::R2, 0));
  code.add(call(kRedirect));
  code.add(exit_insn());
  return load_or_die(code, {.expected_attach_type = kAttachTypeXdp, .multi_buffer = false},
                     "test_redirect");
}

RunResult test_run(int program_fd, std::span<const std::uint8_t> packet,
                   const RunOptions& options) {
  constexpr std::size_t kGrowthBytes = 256;
  std::vector<std::uint8_t> out(packet.size() + kGrowthBytes);
  xdp_md context{};
  context.data_end = static_cast<std::uint32_t>(packet.size());
  context.ingress_ifindex = options.ifindex;
  context.rx_queue_index = options.rx_queue;
  bpf_test_run_opts run{};
  run.sz = sizeof(run);
  run.data_in = packet.data();
  run.data_size_in = static_cast<std::uint32_t>(packet.size());
  run.data_out = out.data();
  run.data_size_out = static_cast<std::uint32_t>(out.size());
  run.repeat = static_cast<int>(options.repeat);
  if (options.ifindex != 0) {
    run.ctx_in = &context;
    run.ctx_size_in = sizeof(context);
  }
  if (bpf_prog_test_run_opts(program_fd, &run) != 0) {
    die(fmt::format("BPF_PROG_TEST_RUN with {} bytes", packet.size()));
  }
  out.resize(run.data_size_out);
  return {.action = run.retval, .packet = out, .duration = std::chrono::nanoseconds(run.duration)};
}

void send_live_frames(int program_fd, std::span<const std::uint8_t> packet, std::uint32_t count,
                      std::uint32_t ifindex) {
  xdp_md context{};
  context.data_end = static_cast<std::uint32_t>(packet.size());
  context.ingress_ifindex = ifindex;
  bpf_test_run_opts run{};
  run.sz = sizeof(run);
  run.data_in = packet.data();
  run.data_size_in = static_cast<std::uint32_t>(packet.size());
  run.ctx_in = &context;
  run.ctx_size_in = sizeof(context);
  run.repeat = static_cast<int>(count);
  run.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
  if (bpf_prog_test_run_opts(program_fd, &run) != 0) {
    die("BPF_PROG_TEST_RUN with live frames");
  }
}

UniqueFd attach_xdp(int program_fd, std::uint32_t ifindex, bool native) {
  bpf_link_create_opts options{};
  options.sz = sizeof(options);
  options.flags = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
  UniqueFd link(bpf_link_create(program_fd, static_cast<int>(ifindex), BPF_XDP, &options));
  if (!link.is_open()) {
    die(fmt::format("attach XDP program to interface {}", ifindex));
  }
  return link;
}

std::vector<std::vector<std::uint8_t>> drain_rings(const RingSet& rings) {
  std::vector<std::vector<std::uint8_t>> all;
  Result<RecordReaders> readers = make_readers(rings);
  if (!readers) {
    die(readers.error().message);
  }
  for (const std::unique_ptr<RecordReader>& reader : *readers) {
    std::vector<RingRecord> records;
    reader->collect(records, ~std::size_t{0}, ~std::size_t{0});
    for (const RingRecord& record : records) {
      all.emplace_back(record.bytes.begin(), record.bytes.end());
    }
    reader->release(reader->position());
  }
  return all;
}

std::vector<std::uint8_t> make_packet(std::size_t size) {
  std::vector<std::uint8_t> packet(size);
  for (std::size_t i = 0; i < size; ++i) {
    packet[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
  }
  // Locally administered addresses and the EtherType for experiments: nobody answers.
  constexpr std::array<std::uint8_t, 14> kEthernet = {2, 0, 0, 0, 0, 1,    2,
                                                      0, 0, 0, 0, 2, 0x88, 0xb5};
  std::copy_n(kEthernet.begin(), std::min(size, kEthernet.size()), packet.begin());
  return packet;
}

cbpfc::Filter constant_filter(std::uint32_t value) {
  constexpr std::uint16_t kReturnConstant = 0x06;
  const std::array<cbpfc::RawInsn, 1> raw = {{{.code = kReturnConstant, .k = value}}};
  return cbpfc::Filter::decode(raw).value();
}

cbpfc::Filter byte_filter(std::uint32_t offset, std::uint32_t value) {
  constexpr std::uint16_t kLoadByteAbsolute = 0x30;
  constexpr std::uint16_t kJumpIfEqual = 0x15;
  constexpr std::uint16_t kReturnConstant = 0x06;
  const std::array<cbpfc::RawInsn, 4> raw = {{{.code = kLoadByteAbsolute, .k = offset},
                                              {.code = kJumpIfEqual, .jt = 0, .jf = 1, .k = value},
                                              {.code = kReturnConstant, .k = 0xffffffff},
                                              {.code = kReturnConstant, .k = 0}}};
  return cbpfc::Filter::decode(raw).value();
}

BpfObjects all_bpf_objects() {
  BpfObjects objects;
  for (std::uint32_t id = 0; bpf_prog_get_next_id(id, &id) == 0;) {
    objects.programs.insert(id);
  }
  for (std::uint32_t id = 0; bpf_map_get_next_id(id, &id) == 0;) {
    objects.maps.insert(id);
  }
  return objects;
}

BpfObjects own_bpf_objects() {
  BpfObjects objects;
  for (const auto& [fd, target] : open_descriptors()) {
    std::ifstream file(fmt::format("/proc/self/fdinfo/{}", fd));
    std::uint32_t id = 0;
    for (std::string line; std::getline(file, line);) {
      if (read_field(line, "prog_id:\t", id)) {
        objects.programs.insert(id);
      } else if (read_field(line, "map_id:\t", id)) {
        objects.maps.insert(id);
      }
    }
  }
  return objects;
}

BpfObjects still_there(const BpfObjects& objects) {
  BpfObjects left;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5) * patience();
  do {
    const BpfObjects all = all_bpf_objects();
    left = {};
    std::ranges::set_intersection(objects.programs, all.programs,
                                  std::inserter(left.programs, left.programs.end()));
    std::ranges::set_intersection(objects.maps, all.maps,
                                  std::inserter(left.maps, left.maps.end()));
    if (left.empty()) {
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  } while (std::chrono::steady_clock::now() < deadline);
  return left;
}

std::map<int, std::string> open_descriptors() {
  namespace fs = std::filesystem;
  std::map<int, std::string> descriptors;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = fs::read_symlink(entry.path(), gone).string();
    // The descriptor that lists the directory is itself in the list.
    if (!gone && !target.ends_with("/fd")) {
      descriptors[std::stoi(entry.path().filename().string())] = target;
    }
  }
  return descriptors;
}

ReducedCapabilities::ReducedCapabilities(std::uint64_t kept)
    : effective_(swap_effective_capabilities(kept)) {}

ReducedCapabilities::~ReducedCapabilities() {
  swap_effective_capabilities(effective_);
}

}  // namespace xdpcap::test
