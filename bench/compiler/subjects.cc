// SPDX-License-Identifier: BSD-3-Clause

#include "bench/compiler/subjects.h"

#include <cbpfc/compile.h>
#include <fmt/format.h>

#include "bench/compiler/counts.h"
#include "bench/programs/clang_programs.h"
#include "bench/programs/filter_list.h"
#include "bench/support/stopwatch.h"

namespace bench {
namespace {

using cbpfc::Errc;
using cbpfc::Result;

/// Copies of a filter in one program: fewer of a long one, which would not fit into the processor's
/// instruction cache.
constexpr int kCopies = 16;
constexpr int kCopiesOfLong = 4;
constexpr std::size_t kLongInsns = 200;

/// clang takes minutes for more, and no figure needs it.
constexpr std::size_t kMostClassicInsnsForClang = 20'000;

/// Keys of a list's table over which executed instructions are averaged.
constexpr std::size_t kCountedKeys = 256;

Result<std::uint64_t> count_checked(const Program& minimal, const Packet& packet, bool must_match) {
  const Executed executed = TRY(count_executed(minimal, packet));
  if (executed.matches != must_match) {
    return cbpfc::fail(
        Errc::InvalidProgram,
        fmt::format("the compiled filter {} a packet that the classic program {}",
                    executed.matches ? "matches" : "misses", must_match ? "matches" : "misses"));
  }
  return executed.insns;
}

Result<void> count_filter(const Programs& programs, const PerPacket<Packet>& packets,
                          Score& score) {
  score.emitted_insns = programs.emitted_insns;
  for (const PacketKind kind : kPacketKinds) {
    score.executed_insns[kind] =
        TRY(count_checked(programs.minimal, packets[kind], kind == PacketKind::Match));
  }
  return {};
}

/// Processor time that compile_ebpf() takes, the least of some.
double compile_us(const cbpfc::Filter& filter) {
  constexpr int kTries = 20;
  const cbpfc::EbpfOptions options{
      .spare = {cbpfc::ebpf::Reg::R0, cbpfc::ebpf::Reg::R1, cbpfc::ebpf::Reg::R8}};
  double least_ms = 0;
  for (int i = 0; i < kTries; ++i) {
    Stopwatch stopwatch;
    const bool is_compiled = cbpfc::compile_ebpf(filter, options).has_value();
    const double took_ms = stopwatch.lap_ms();
    least_ms = is_compiled && (i == 0 || took_ms < least_ms) ? took_ms : least_ms;
  }
  return 1000 * least_ms;
}

Result<void> count_list(const Programs& programs, const ListSubject& subject, ListScore& score) {
  score.emitted_insns = programs.emitted_insns;
  std::uint64_t sum = 0;
  for (std::size_t key = 0; key < kCountedKeys; ++key) {
    sum += TRY(
        count_checked(programs.minimal, packet_with_key(subject.list, key), subject.matching[key]));
  }
  score.executed_insns = static_cast<double>(sum) / kCountedKeys;
  return {};
}

}  // namespace

Result<Programs> Builder::build(Contender contender, const cbpfc::Filter& filter,
                                const ProgramsWanted& wanted) const {
  switch (contender) {
    case Contender::Plain: return fragment_programs(filter, false, wanted);
    case Contender::Optimized:
    case Contender::AfterLibpcap: return fragment_programs(filter, true, wanted);
    case Contender::Clang: break;
  }
  if (clang_ == nullptr) {
    return cbpfc::fail(Errc::NotFound, "there is no clang");
  }
  if (filter.insns().size() > kMostClassicInsnsForClang) {
    return cbpfc::fail(Errc::Unsupported,
                       fmt::format("clang is given at most {} classic instructions, for more it "
                                   "takes minutes, and this filter has {}",
                                   kMostClassicInsnsForClang, filter.insns().size()));
  }
  return clang_programs(*clang_, filter, wanted);
}

Result<FilterSubject> make_filter_subject(const std::string& expression, const Builder& builder,
                                          const SubjectOptions& options) {
  const cbpfc::Filter filter = TRY(classic_filter(expression, options.libpcap_optimiser));
  const cbpfc::Filter unoptimised = TRY(classic_filter(expression));
  FilterSubject subject{.row = {.expression = expression,
                                .group = std::string(group_of(expression)),
                                .classic_insns = filter.insns().size()},
                        .packets = TRY(longest_packets(filter))};
  const Programs plain = TRY(builder.build(Contender::Plain, filter, {}));
  subject.row.compile_us = compile_us(unoptimised);
  subject.row.copies = plain.emitted_insns < kLongInsns ? kCopies : kCopiesOfLong;
  for (const Contender contender : kContenders) {
    Score& score = subject.row.scores[contender];
    auto programs =
        builder.build(contender, contender == Contender::Optimized ? unoptimised : filter,
                      {.copies = options.for_timing ? subject.row.copies : 0});
    const Result<void> counted = programs ? count_filter(*programs, subject.packets, score)
                                          : Result<void>(std::unexpected(programs.error()));
    if (counted) {
      subject.programs[contender] = *std::move(programs);
    } else {
      score.failure = counted.error().message;
    }
  }
  return subject;
}

Result<ListSubject> make_list_subject(const List& list, const Builder& builder,
                                      const SubjectOptions& options) {
  Stopwatch stopwatch;
  const cbpfc::Filter filter = TRY(classic_filter(list.expression, !list.is_raw));
  const double front_end_ms = stopwatch.lap_ms();
  ListSubject subject{.row = {.name = list.name(),
                              .kind = list.kind,
                              .terms = list.terms,
                              .classic_insns = filter.insns().size()},
                      .list = list,
                      .filter = filter,
                      .front_end_ms = front_end_ms,
                      .matching = TRY(matching_keys(list, filter))};
  const auto varying = options.for_timing ? std::optional(list.varying) : std::nullopt;
  const cbpfc::Filter unoptimised = list.is_raw ? filter : TRY(classic_filter(list.expression));
  for (const Contender contender : kContenders) {
    ListScore& score = subject.row.scores[contender];
    if (contender == Contender::AfterLibpcap && list.is_raw) {
      score.failure = "libpcap's optimiser would take seconds";
      continue;
    }
    auto programs = builder.build(
        contender, contender == Contender::Optimized ? unoptimised : filter, {.varying = varying});
    const Result<void> counted = programs ? count_list(*programs, subject, score)
                                          : Result<void>(std::unexpected(programs.error()));
    if (counted) {
      subject.programs[contender] = *std::move(programs);
    } else {
      score.failure = counted.error().message;
    }
  }
  return subject;
}

}  // namespace bench
