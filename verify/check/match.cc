// SPDX-License-Identifier: BSD-3-Clause

#include "verify/check/match.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdint>
#include <iterator>
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

std::string format_counts(const Counts& counts, const Subject& subject,
                          const FilterEngine& engine) {
  std::string text = fmt::format("{}\nof {} packets match; ran {}\n", counts.matches,
                                 counts.packets, engine.describe());
  if (subject.is_set) {
    for (std::size_t i = 0; i < subject.sources.size(); ++i) {
      fmt::format_to(std::back_inserter(text), "{:10}  {}: {}\n", counts.by_filter[i], i + 1,
                     subject.sources[i].text);
    }
  }
  return text;
}

}  // namespace

Result<command::InputOptions> input_for(const Options& options, const PcapReader& file) {
  const std::optional<LinkType>& asked = options.input.link_type;
  if (asked && asked->dlt != file.link_type().dlt) {
    return fail(
        Errc::InvalidArgument,
        fmt::format("option --link-type: {} was asked for, but packets of {} start with {}; "
                    "leave the option out",
                    asked->name, *options.capture_file, file.link_type().name));
  }
  constexpr int kEthernet = 1;
  if (options.code.ebpf.ancillary.from_frame && file.link_type().dlt != kEthernet) {
    return fail(Errc::InvalidArgument,
                fmt::format("option --ancillary: frame is for Ethernet, but packets of {} start "
                            "with {}",
                            *options.capture_file, file.link_type().name));
  }
  command::InputOptions input = options.input;
  input.link_type = file.link_type();
  input.source = file.source();
  return input;
}

Result<Outcome> match_file(const Options& options) {
  PcapReader file = TRY(PcapReader::open(*options.capture_file));
  const command::InputOptions input = TRY(input_for(options, file));
  const Subject subject = TRY(command::read_subject(input));
  const bool is_to_stdout = options.matches_file == "-";
  if (is_to_stdout && ::isatty(STDOUT_FILENO) == 1) {
    return cbpfc::fail_option(Errc::InvalidArgument, "w",
                              "refusing to write packets to a terminal; name a file with -w, or "
                              "pipe them: cbpfc-check match ... -w - | tcpdump -r -");
  }
  const std::unique_ptr<FilterEngine> engine = TRY(make_engine(subject, options));
  std::optional<PacketWriter> writer;
  if (options.matches_file) {
    writer.emplace(TRY(PacketWriter::create(*options.matches_file, file)));
  }
  Counts counts{.by_filter = std::vector<std::uint64_t>(subject.sources.size())};
  Result<std::optional<CapturedPacket>> packet = file.next();
  for (; packet && *packet; packet = file.next()) {
    const std::uint32_t value = TRY(engine->run((*packet)->bytes, (*packet)->wire_length_bytes)
                                        .with_context(fmt::format("packet {}", file.packets())));
    counts.add(value, subject.is_set);
    if (writer) {
      TRY(writer->write(**packet, value != 0));
    }
  }
  if (writer) {
    TRY(writer->finish(packet ? file.rest() : std::span<const std::uint8_t>()));
  }
  counts.packets = file.packets();
  Outcome outcome{.text = is_to_stdout ? "" : format_counts(counts, subject, *engine)};
  if (!packet) {
    outcome.warning = std::move(packet).error();
    outcome.warning->message =
        fmt::format("warning: {}; the packets before it are counted{}", outcome.warning->message,
                    options.matches_file ? " and written" : "");
  }
  return outcome;
}

}  // namespace check
