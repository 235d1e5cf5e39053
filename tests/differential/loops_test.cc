// SPDX-License-Identifier: BSD-3-Clause
//
// Programs with loops: fragments give the interpreter's answer, and that is libpcap's, for chains of
// headers as long as a packet, and for random loops.  Where a program never ends, a fragment does not
// match, soon.

#include <bpf/bpf.h>
#include <cbpfc/interpret.h>
#include <cbpfc/pcap_filter.h>
#include <cbpfc/text.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "cbpfc/machine.h"
#include "differential/chain_maker.h"
#include "differential/generator.h"
#include "differential/target_engine.h"
#include "support/thread_time.h"

namespace differential {
namespace {

using cbpfc::Filter;
using cbpfc::RawInsn;

constexpr std::size_t kMinTestRunBytes = 14;
constexpr std::size_t kMostTestRunBytes = 3000;  ///< what XDP test runs keep in one piece

/// Those that older kernels take first: what is skipped ends a test.
constexpr std::array kExpressions = {"ip protochain 51",
                                     "ip protochain 6",
                                     "ip6 protochain 6",
                                     "ip6 protochain 17",
                                     "protochain 6",
                                     "protochain 17 and not protochain 6",
                                     "not ip6 protochain 59 and greater 100",
                                     "vlan or ip6 protochain 6"};

Filter decode(const std::vector<RawInsn>& program) {
  return Filter::decode(program, cbpfc::Accept::Compiler).value();
}

Filter compile(const std::string& expression, bool optimize) {
  return decode(cbpfc::compile_expression(expression, {.optimize = optimize}).value());
}

/// Whether a program has the instruction of Linux 6.9 that hidden counters need, and the kernel has not.
bool needs_a_later_kernel(const std::vector<cbpfc::ebpf::Insn>& insns) {
  static const bool has_may_goto = [] {
    cbpfc::ebpf::Assembly code;
    code.add(cbpfc::ebpf::mov(cbpfc::ebpf::Reg::R0, 0));
    code.may_goto("out");
    code.label("out");
    code.add(cbpfc::ebpf::exit_insn());
    std::string log;
    return load_program(BPF_PROG_TYPE_XDP, code.assemble().value(), log).is_open();
  }();
  return !has_may_goto &&
         std::ranges::any_of(insns, [](const auto& insn) { return insn.opcode == 0xe5; });
}

struct Case {
  const char* name;
  Target target;
  std::uint32_t buffer_size_bytes;
};

class Loops : public testing::TestWithParam<Case> {
 protected:
  Loops() : engine_(runner_, GetParam().target, GetParam().buffer_size_bytes) {}

  bool is_direct() const { return GetParam().target == Target::Labels; }
  std::size_t most_bytes() const {
    return is_direct() ? kMostTestRunBytes : GetParam().buffer_size_bytes;
  }

  void load(const Filter& filter) {
    const auto insns = engine_.program(filter);
    ASSERT_TRUE(insns) << insns.error().message << "\n" << listing(filter);
    if (needs_a_later_kernel(*insns)) {
      GTEST_SKIP() << "may_goto, which long loops need, is in Linux from 6.9 on";
    }
    const std::string log = runner_.load(*insns);
    ASSERT_TRUE(log.empty()) << log.substr(0, 3000) << "\n"
                             << log.substr(log.size() - std::min<std::size_t>(log.size(), 500))
                             << listing(filter);
  }

  /// Runs as much of the packet as the target takes.
  void expect_agreement(const Filter& filter, std::span<const std::uint8_t> packet,
                        bool with_libpcap = true) {
    packet = packet.first(std::min(packet.size(), most_bytes()));
    if (is_direct() && packet.size() < kMinTestRunBytes) {
      return;
    }
    const auto length = static_cast<std::uint32_t>(packet.size());
    const std::optional<std::uint32_t> value =
        cbpfc::run_to_end({.packet = packet, .wire_length_bytes = length}, filter)
            .value_or(std::nullopt);
    ++(!value ? endless_ : *value != 0 ? matches_ : misses_);
    const std::uint32_t expected = value.value_or(0);
    ASSERT_EQ(engine_.run(packet), is_direct() ? std::min(expected, 1U) : expected)
        << listing(filter) << "\npacket of " << packet.size() << " bytes";
    if (value && with_libpcap) {  // where there is no value libpcap never comes back
      ASSERT_EQ(run_libpcap(filter.encode(), packet), expected) << listing(filter);
    }
  }

  static std::string listing(const Filter& filter) {
    return cbpfc::print_program(filter.encode(), cbpfc::TextForm::Listing);
  }

  XdpRunner runner_;
  TargetEngine engine_;
  int matches_ = 0;
  int misses_ = 0;
  int endless_ = 0;
};

INSTANTIATE_TEST_SUITE_P(All, Loops,
                         testing::Values(Case{"Direct", Target::Labels, 2000},
                                         Case{"MapBufferOf200", Target::MapBuffer, 200},
                                         Case{"MapBufferOf2000", Target::MapBuffer, 2000},
                                         Case{"LargestMapBuffer", Target::MapBuffer, 65535},
                                         Case{"StackBuffer", Target::StackBuffer, 128},
                                         Case{"Probe", Target::Probe, 65535}),
                         [](const auto& instance) { return instance.param.name; });

TEST_P(Loops, ChainsOfHeaders) {
  ChainMaker chains(1);
  for (const char* expression : kExpressions) {
    SCOPED_TRACE(expression);
    for (const bool optimize : {true, false}) {
      const Filter filter = compile(expression, optimize);
      load(filter);
      if (IsSkipped()) {
        continue;
      }
      for (int n = 0; n < 400 && !HasFatalFailure(); ++n) {
        expect_agreement(filter, chains.packet(n % 4 == 0 ? most_bytes() : 120));
      }
      ASSERT_FALSE(HasFatalFailure());
    }
  }
  EXPECT_GT(matches_, 100);
  EXPECT_GT(misses_, 100);
  EXPECT_TRUE(endless_ > 10 || IsSkipped());
}

TEST_P(Loops, ChainsCutAtEveryLength) {
  const Filter filter = compile("ip6 protochain 6", true);
  load(filter);
  if (IsSkipped()) {
    return;
  }
  for (const Packet& chain : {longest_chain(120, 6), longest_way(120, 6), endless_chain(120)}) {
    for (std::size_t length = 0; length <= chain.size() && !HasFatalFailure(); ++length) {
      expect_agreement(filter, std::span(chain).first(length));
    }
  }
}

TEST_P(Loops, TheLongestChains) {
  const Filter filter = compile("ip6 protochain 6", true);
  load(filter);
  if (IsSkipped()) {
    return;
  }
  for (const std::size_t length : {std::size_t{9000}, std::size_t{20000}, most_bytes()}) {
    if (length > most_bytes()) {
      continue;
    }
    for (const std::uint8_t protocol : {std::uint8_t{6}, std::uint8_t{17}}) {
      matches_ = 0;
      expect_agreement(filter, longest_chain(length, protocol));
      expect_agreement(filter, longest_way(length, protocol));
      ASSERT_FALSE(HasFatalFailure());
      EXPECT_EQ(matches_, protocol == 6 ? 2 : 0) << length;
    }
  }
}

TEST_P(Loops, EndlessProgramsEndSoon) {
  for (const char* expression : {"ip6 protochain 6", "protochain 6"}) {
    const Filter filter = compile(expression, true);
    load(filter);
    if (IsSkipped()) {
      return;
    }
    const Packet packet = endless_chain(most_bytes());
    const double start_s = ::test::thread_seconds();
    expect_agreement(filter, packet);
    // Tens of microseconds; the verifier's own limit alone would take tens of milliseconds.
    EXPECT_LT(::test::thread_seconds() - start_s, 0.05);
  }
  EXPECT_EQ(endless_, 2);
}

/// A loop of random instructions: some way around it, or out of it, at random.
std::vector<RawInsn> random_loop(Generator& generator, std::mt19937_64& random) {
  std::vector<RawInsn> program = {{.code = 0x30, .k = static_cast<std::uint32_t>(random() % 20)},
                                  {.code = 0x07}};
  const std::size_t head = program.size();
  const auto add_some = [&](std::size_t most) {
    for (const RawInsn& insn : generator.program().encode()) {
      const bool jumps = (insn.code & 7) >= 5 && (insn.code & 7) <= 6;
      const bool uses_scratch = insn.code == 0x60 || insn.code == 0x61;
      if (!jumps && !uses_scratch && most > 0) {
        program.push_back(insn);
        --most;
      }
    }
  };
  add_some(random() % 4);
  program.push_back({.code = 0x50, .k = static_cast<std::uint32_t>(random() % 8)});
  add_some(random() % 4);
  constexpr std::array<std::uint16_t, 4> kConditions = {0x15, 0x25, 0x35, 0x45};
  const bool leaves_early = random() % 2 == 0;
  // Out of the loop, over what follows in it.
  program.push_back({.code = kConditions[random() % 4],
                     .jt = static_cast<std::uint8_t>(leaves_early ? 4 : 0),
                     .jf = static_cast<std::uint8_t>(leaves_early ? 0 : 4),
                     .k = static_cast<std::uint32_t>(random() % 6)});
  // A += X or X + constant, so that it gets somewhere.
  program.push_back(random() % 2 == 0 ? RawInsn{.code = 0x0c} : RawInsn{.code = 0x87});
  program.push_back({.code = 0x04, .k = static_cast<std::uint32_t>(random() % 9)});
  program.push_back({.code = 0x07});
  program.push_back({.code = 0x05, .k = static_cast<std::uint32_t>(head - program.size() - 1)});
  program.push_back({.code = 0x87});
  program.push_back({.code = 0x0c});
  program.push_back({.code = 0x04, .k = 1});
  program.push_back({.code = 0x16});
  return program;
}

TEST_P(Loops, RandomLoopsAgreeOrAreRefused) {
  Generator generator(7, Profile::Address);
  std::mt19937_64 random(8);
  int accepted = 0;
  constexpr int kPrograms = 100;
  for (int n = 0; n < kPrograms; ++n) {
    const Filter filter = decode(random_loop(generator, random));
    if (const auto insns = engine_.program(filter); !insns) {
      ASSERT_NE(insns.error().message.find("the loop that begins here"), std::string::npos)
          << insns.error().message;
      continue;
    }
    ++accepted;
    load(filter);
    if (IsSkipped()) {
      continue;
    }
    for (int i = 0; i < 8 && !HasFatalFailure(); ++i) {
      Packet packet = generator.packet();
      if (i % 4 == 0) {
        packet.resize(std::min<std::size_t>(most_bytes(), 2900));
      }
      // libpcap differs on purpose where offsets leave 32 bits.
      expect_agreement(filter, packet, false);
    }
    ASSERT_FALSE(HasFatalFailure()) << "program " << n;
  }
  EXPECT_GT(accepted, kPrograms / 4);
  EXPECT_TRUE(matches_ > accepted / 4 || IsSkipped());
}

/// Reports what an XDP program on the loopback makes of packets.
class LoopbackTap {
 public:
  LoopbackTap() {
    LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
    map_.reset(bpf_map_create(BPF_MAP_TYPE_ARRAY, "report", 4, sizeof(Report), 1, &opts));
    void* memory =
        ::mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED, map_.get(), 0);
    if (!map_.is_open() || memory == MAP_FAILED) {
      std::perror("map of a report");
      std::exit(1);
    }
    report_ = static_cast<volatile Report*>(memory);
    socket_.reset(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    ifreq up = {};
    std::strcpy(up.ifr_name, "lo");
    up.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
    if (!socket_.is_open() || ::ioctl(socket_.get(), SIOCSIFFLAGS, &up) != 0) {
      std::perror("loopback up, which needs root");
      std::exit(1);
    }
  }
  LoopbackTap(const LoopbackTap&) = delete;
  LoopbackTap& operator=(const LoopbackTap&) = delete;
  ~LoopbackTap() { ::munmap(const_cast<Report*>(report_), sizeof(Report)); }

  /// A program with the fragment of `filter`, which reports its value and drops the packet.
  std::vector<cbpfc::ebpf::Insn> program(const Filter& filter) const {
    using namespace cbpfc::
        ebpf;  // NOLINT(google-build-using-namespace): an assembler reads better bare
    const cbpfc::EbpfOptions options{.packet_start = Reg::R6,
                                     .packet_end = Reg::R7,
                                     .result = Reg::R8,
                                     .working = {Reg::R2, Reg::R3, Reg::R4, Reg::R5}};
    Assembly code;
    code.add(load(Width::Word, Reg::R6, Reg::R1, 0));
    code.add(load(Width::Word, Reg::R7, Reg::R1, 4));
    code.append(cbpfc::compile_ebpf(filter, options).value());
    code.label("result");
    code.add(alu(Alu::Sub, Reg::R7, Reg::R6));
    code.add(store(Width::Word, Reg::R10, -4, 0));
    code.add_map_fd(Reg::R1, map_.get());
    code.add(mov(Reg::R2, Reg::R10));
    code.add(alu(Alu::Add, Reg::R2, -4));
    code.add(call(BPF_FUNC_map_lookup_elem));
    code.jump_if(Cmp::Equal, Reg::R0, 0, "out");
    code.add(store(Width::Word, Reg::R0, 0, Reg::R8));
    code.add(store(Width::Word, Reg::R0, 4, Reg::R7));
    code.label("out");
    code.add(mov(Reg::R0, XDP_DROP));
    code.add(exit_insn());
    return code.assemble().value();
  }

  /// Sends a packet over the loopback; gives the value for it.
  std::uint32_t run(const Packet& packet) {
    report_->length = 0;
    sockaddr_ll lo = {};
    lo.sll_family = AF_PACKET;
    lo.sll_ifindex = static_cast<int>(::if_nametoindex("lo"));
    EXPECT_EQ(::sendto(socket_.get(), packet.data(), packet.size(), 0,
                       reinterpret_cast<const sockaddr*>(&lo), sizeof(lo)),
              static_cast<ssize_t>(packet.size()));
    for (int i = 0; i < 2000 && report_->length == 0; ++i) {
      ::poll(nullptr, 0, 1);
    }
    EXPECT_EQ(report_->length, packet.size()) << "the program saw another packet, or none";
    return report_->value;
  }

 private:
  struct Report {
    std::uint32_t value;
    std::uint32_t length;
  };
  xdpcap::UniqueFd map_;
  xdpcap::UniqueFd socket_;
  volatile Report* report_ = nullptr;
};

/// Direct access to packets as long as there are any.
TEST(LoopsOnLoopback, TheLongestPackets) {
  XdpRunner runner;
  LoopbackTap tap;
  const Filter filter = compile("ip6 protochain 6", true);
  if (needs_a_later_kernel(tap.program(filter))) {
    GTEST_SKIP() << "may_goto, which long loops need, is in Linux from 6.9 on";
  }
  ASSERT_EQ(runner.load(tap.program(filter)), "");
  for (const std::size_t length : {std::size_t{9000}, std::size_t{40000}, std::size_t{65535}}) {
    for (const Packet& packet :
         {longest_chain(length, 6), longest_chain(length, 17), longest_way(length, 6),
          longest_way(length, 17), longest_way(length, 51), endless_chain(length)}) {
      const auto value = cbpfc::interpret(filter, packet, static_cast<std::uint32_t>(length));
      EXPECT_EQ(tap.run(packet), value.value_or(0)) << length;
    }
    EXPECT_NE(tap.run(longest_way(length, 6)), 0U);
  }
}

}  // namespace
}  // namespace differential
