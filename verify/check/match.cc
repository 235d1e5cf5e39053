// SPDX-License-Identifier: BSD-3-Clause

#include "verify/check/match.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "verify/check/engine.h"

namespace check {

using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::LinkType;
using cbpfc::Result;

namespace {

struct Counts {
  std::uint64_t packets = 0;
  std::uint64_t matches = 0;
  std::vector<std::uint64_t> by_filter;  ///< of a set

  /// Counts a packet with that value.
  void add(std::uint32_t value, bool is_set) {
    matches += value != 0 ? 1 : 0;
    if (is_set && value != 0) {
      ++by_filter[value - 1];
    }
  }
};

/// A filter for the packets of one kind, ready to run.
struct Runnable {
  PacketKind kind;
  Subject subject;
  std::unique_ptr<FilterEngine> engine;  ///< refers to `subject`
};

/// One for each kind of packets in the file.
class Runnables {
 public:
  explicit Runnables(const Options& options) : options_(options) {}

  /// Errors: those of reading and compiling the filter, and of the engine.
  Result<Runnable*> find(const CaptureReader& file, std::size_t kind) {
    const auto [entry, is_new] = by_kind_.try_emplace(kind);
    Runnable& one = entry->second;
    if (is_new) {
      one.kind = file.kind(kind);
      if (!options_.input.content) {
        TRY(command::read_content(options_.input));
      }
      const command::InputOptions input = TRY(input_for(options_, one.kind));
      Result<Subject> subject = command::read_subject(input);
      one.subject =
          TRY(kind == 0 ? std::move(subject)
                        : std::move(subject).with_context("packets of " + one.kind.link_type.name));
      one.engine = TRY(make_engine(one.subject, options_));
    }
    return &one;
  }

  const Subject& first() const { return by_kind_.begin()->second.subject; }
  /// Who ran what; by link type, if there are several.
  std::string describe() const {
    std::vector<std::string> parts;
    for (const auto& [number, one] : by_kind_) {
      if (by_kind_.size() == 1 || one.engine->packets() != 0) {
        parts.push_back((by_kind_.size() == 1 ? "" : one.kind.link_type.name + ": ") +
                        one.engine->describe());
      }
    }
    return fmt::format("{}", fmt::join(parts, "; "));
  }

 private:
  Options options_;
  std::map<std::size_t, Runnable> by_kind_;
};

std::string format_counts(const Counts& counts, const Runnables& filters) {
  std::string text = fmt::format("{}\nof {} packets match; ran {}\n", counts.matches,
                                 counts.packets, filters.describe());
  const Subject& subject = filters.first();
  if (subject.is_set) {
    for (std::size_t i = 0; i < subject.sources.size(); ++i) {
      fmt::format_to(std::back_inserter(text), "{:10}  {}: {}\n", counts.by_filter[i], i + 1,
                     subject.sources[i].text);
    }
  }
  return text;
}

/// Runs the filter over a packet, counts it, and gives it to the writer, if there is one.
Result<void> run_over(const CapturedPacket& packet, const Runnable& filter, Counts& counts,
                      std::optional<PacketWriter>& writer) {
  const std::uint32_t value = TRY(filter.engine->run(packet.bytes, packet.wire_length_bytes));
  counts.add(value, filter.subject.is_set);
  return writer ? writer->write(packet, value != 0) : Result<void>();
}

}  // namespace

Result<command::InputOptions> input_for(const Options& options, const PacketKind& kind) {
  const std::optional<LinkType>& asked = options.input.link_type;
  if (asked && asked->dlt != kind.link_type.dlt) {
    return fail(
        Errc::InvalidArgument,
        fmt::format("option --link-type: {} was asked for, but packets of {} start with {}; "
                    "leave the option out",
                    asked->name, *options.capture_file, kind.link_type.name));
  }
  constexpr int kEthernet = 1;
  if (options.code.ebpf.ancillary.from_frame && kind.link_type.dlt != kEthernet) {
    return fail(Errc::InvalidArgument,
                fmt::format("option --ancillary: frame is for Ethernet, but packets of {} start "
                            "with {}",
                            *options.capture_file, kind.link_type.name));
  }
  command::InputOptions input = options.input;
  input.link_type = kind.link_type;
  input.source = kind.source;
  return input;
}

Result<Outcome> match_file(const Options& options) {
  CaptureReader file = TRY(CaptureReader::open(*options.capture_file));
  Runnables filters(options);
  TRY(filters.find(file, 0));
  const bool is_to_stdout = options.matches_file == "-";
  if (is_to_stdout && ::isatty(STDOUT_FILENO) == 1) {
    return cbpfc::fail_option(Errc::InvalidArgument, "w",
                              "refusing to write packets to a terminal; name a file with -w, or "
                              "pipe them: cbpfc-check match ... -w - | tcpdump -r -");
  }
  std::optional<PacketWriter> writer;
  if (options.matches_file) {
    writer.emplace(TRY(PacketWriter::create(*options.matches_file, file)));
  }
  Counts counts{.by_filter = std::vector<std::uint64_t>(filters.first().sources.size())};
  Result<std::optional<CapturedPacket>> packet = file.next();
  for (; packet && *packet; packet = file.next()) {
    const std::string number = fmt::format("packet {}", file.packets());
    const Runnable* const filter = TRY(filters.find(file, (*packet)->kind).with_context(number));
    TRY(run_over(**packet, *filter, counts, writer).with_context(number));
  }
  if (writer) {
    TRY(writer->finish(packet ? file.rest() : std::span<const std::uint8_t>()));
  }
  counts.packets = file.packets();
  Outcome outcome{.text = is_to_stdout ? "" : format_counts(counts, filters)};
  if (!packet) {
    outcome.warning = std::move(packet).error();
    outcome.warning->message =
        fmt::format("warning: {}; the packets before it are counted{}", outcome.warning->message,
                    options.matches_file ? " and written" : "");
  }
  return outcome;
}

}  // namespace check
