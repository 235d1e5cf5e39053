// SPDX-License-Identifier: BSD-3-Clause

#include "tools/cbpfc_match.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <optional>
#include <vector>

#include "tools/cbpfc_engine.h"

namespace command {

using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::LinkType;
using cbpfc::Result;

namespace {

struct Counts {
  std::uint64_t packets = 0;
  std::uint64_t matches = 0;
  std::vector<std::uint64_t> by_filter;  ///< of a set
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

Result<LinkType> link_type_for(const Options& options, const PcapReader& file) {
  const std::optional<LinkType>& asked = options.input.link_type;
  if (asked && asked->dlt != file.link_type().dlt) {
    return fail(
        Errc::InvalidArgument,
        fmt::format("option --link-type: {} was asked for, but packets of {} start with {}; "
                    "leave the option out",
                    asked->name, *options.capture_file, file.link_type().name));
  }
  return file.link_type();
}

Result<std::string> match_file(PcapReader& file, const Subject& subject, const Options& options) {
  const std::unique_ptr<FilterEngine> engine = TRY(make_engine(subject, options));
  std::optional<PcapWriter> writer;
  if (options.matches_file) {
    writer.emplace(TRY(PcapWriter::create(*options.matches_file, file)));
  }
  Counts counts{.by_filter = std::vector<std::uint64_t>(subject.sources.size())};
  while (const std::optional<CapturedPacket> packet = TRY(file.next())) {
    ++counts.packets;
    const std::uint32_t value = TRY(engine->run(packet->bytes, packet->wire_length_bytes)
                                        .with_context(fmt::format("packet {}", counts.packets)));
    if (value == 0) {
      continue;
    }
    ++counts.matches;
    if (subject.is_set) {
      ++counts.by_filter[value - 1];
    }
    if (writer) {
      TRY(writer->write(*packet));
    }
  }
  if (writer) {
    TRY(writer->finish());
  }
  return format_counts(counts, subject, *engine);
}

}  // namespace command
