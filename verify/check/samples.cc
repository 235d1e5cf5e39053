// SPDX-License-Identifier: BSD-3-Clause

#include "verify/check/samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <utility>

#include "verify/check/engine.h"
#include "verify/check/programs.h"
#include "verify/interpreter/ebpf_interpret.h"
#include "verify/interpreter/interpret.h"
#include "verify/prove/prove.h"

namespace check {

namespace ebpf = cbpfc::ebpf;
namespace prove = cbpfc::prove;

using cbpfc::Result;

namespace {

/// What an Ethernet frame has at least, without its checksum.
constexpr std::size_t kLeastFrameBytes = 60;
/// Tried first: packets that are longer than a frame can be are made up only where they must.
constexpr std::uint32_t kMostFrameBytes = 1514;
constexpr auto kPatience = std::chrono::seconds(5);
/// Filters of a set for which packets are made up.
constexpr std::size_t kMostFilters = 8;
/// Packets of each kind taken of a file.
constexpr std::size_t kMostTaken = 32;

std::optional<std::vector<std::uint8_t>> find_match(prove::Prover& prover,
                                                    const cbpfc::Filter& filter) {
  const std::array never = {ebpf::mov(ebpf::Reg::R4, 0)};
  const prove::Claim claim{.programs = {filter.encode()},
                           .meaning = prove::Meaning::Match,
                           .insns = never,
                           .result = ebpf::Reg::R4};
  for (const std::uint32_t most_bytes : {kMostFrameBytes, cbpfc::kMaxPacketOffset}) {
    const prove::Proof proof =
        prover.prove(claim, {.max_packet_bytes = most_bytes, .timeout = kPatience});
    if (proof.verdict == prove::Verdict::Different) {
      return proof.counterexample->packet;
    }
  }
  return std::nullopt;
}

/// Runs the fragment and says what came out, and how long it took.
class Runner {
 public:
  static Result<Runner> create(const Subject& subject, const cbpfc::EbpfOptions& code) {
    const cbpfc::EbpfOptions options = own_options(code);
    return Runner(TRY(make_fragment(subject, options, false)), options);
  }

  struct Outcome {
    bool matches = false;
    std::uint64_t insns = 0;
  };
  std::optional<Outcome> run(std::span<const std::uint8_t> packet) const {
    const auto run =
        ebpf::interpret(fragment_.insns, packet,
                        ebpf::entry_state(options_, static_cast<std::uint32_t>(packet.size())));
    if (!run) {
      return std::nullopt;
    }
    const auto value =
        static_cast<std::uint32_t>(run->registers[static_cast<std::size_t>(options_.result)]);
    return Outcome{.matches = value != 0, .insns = run->insns};
  }

 private:
  Runner(Fragment fragment, cbpfc::EbpfOptions options)
      : fragment_(std::move(fragment)), options_(std::move(options)) {}

  Fragment fragment_;
  cbpfc::EbpfOptions options_;
};

/// The packet with zeros up to the least length of a frame, if that changes nothing.
std::vector<std::uint8_t> padded(const Runner& runner, std::vector<std::uint8_t> packet) {
  if (packet.size() >= kLeastFrameBytes) {
    return packet;
  }
  std::vector<std::uint8_t> longer = packet;
  longer.resize(kLeastFrameBytes);
  const auto outcome = runner.run(longer);
  return outcome && outcome->matches ? longer : packet;
}

/// Of the packets that differ from a matching one in one byte, the miss that takes longest.
std::optional<std::vector<std::uint8_t>> find_near_miss(const Runner& runner,
                                                        const std::vector<std::uint8_t>& match) {
  std::optional<std::vector<std::uint8_t>> best;
  std::uint64_t most_insns = 0;
  const std::size_t looked_at = std::min<std::size_t>(match.size(), 256);
  for (std::size_t i = 0; i < looked_at; ++i) {
    for (const unsigned change : {0x01U, 0x80U, 0xffU}) {
      std::vector<std::uint8_t> packet = match;
      packet[i] = static_cast<std::uint8_t>(packet[i] ^ change);
      const auto outcome = runner.run(packet);
      if (outcome && !outcome->matches && outcome->insns > most_insns) {
        most_insns = outcome->insns;
        best = std::move(packet);
      }
    }
  }
  return best;
}

void add(std::vector<Sample>& samples, std::vector<std::uint8_t> bytes) {
  const auto size = static_cast<std::uint32_t>(bytes.size());
  samples.push_back({.bytes = std::move(bytes), .wire_length_bytes = size});
}

}  // namespace

Result<Samples> make_up_samples(const Subject& subject, const cbpfc::EbpfOptions& code) {
  const Runner runner = TRY(Runner::create(subject, code));
  prove::Prover prover;
  Samples samples;
  const std::size_t filters = subject.sources.size();
  const std::size_t chosen = std::min(filters, kMostFilters);
  for (std::size_t i = 0; i < chosen; ++i) {
    const auto match = find_match(prover, subject.sources[i * filters / chosen].filter);
    if (!match) {
      continue;
    }
    std::vector<std::uint8_t> packet = padded(runner, *match);
    if (auto miss = find_near_miss(runner, packet)) {
      add(samples.missing, std::move(*miss));
    }
    add(samples.matching, std::move(packet));
  }
  std::vector<std::uint8_t> zeros(kLeastFrameBytes);
  if (const auto outcome = runner.run(zeros)) {
    std::vector<Sample>& kind = outcome->matches ? samples.matching : samples.missing;
    if (kind.empty()) {
      add(kind, std::move(zeros));
    }
  }
  samples.origin = fmt::format("{} that match and {} that miss late, made up",
                               samples.matching.size(), samples.missing.size());
  return samples;
}

Result<Samples> take_samples(CaptureReader& file, const Subject& subject,
                             const cbpfc::EbpfOptions& code) {
  Options interpreted;
  interpreted.code.ebpf = code;
  interpreted.engine = Engine::Interpreter;
  const auto engine = TRY(make_engine(subject, interpreted));
  Samples samples;
  std::string end;
  while (samples.matching.size() < kMostTaken || samples.missing.size() < kMostTaken) {
    const Result<std::optional<CapturedPacket>> next = file.next();
    if (!next && file.packets() == 0) {
      return std::unexpected(next.error());
    }
    if (!next) {
      end = ", as far as it goes: " + next.error().message;
    }
    if (!next || !*next) {
      break;
    }
    const CapturedPacket& packet = **next;
    if (packet.kind != 0) {
      continue;  // the filter is compiled for those of the first interface
    }
    const std::uint32_t value = TRY(engine->run(packet.bytes, packet.wire_length_bytes));
    std::vector<Sample>& kind = value != 0 ? samples.matching : samples.missing;
    if (kind.size() < kMostTaken) {
      kind.push_back({.bytes = {packet.bytes.begin(), packet.bytes.end()},
                      .wire_length_bytes = packet.wire_length_bytes});
    }
  }
  samples.origin =
      fmt::format("the first {} that match and {} that do not, from the capture file{}",
                  samples.matching.size(), samples.missing.size(), end);
  return samples;
}

}  // namespace check
