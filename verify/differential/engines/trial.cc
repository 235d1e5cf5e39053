// SPDX-License-Identifier: BSD-3-Clause

#include "verify/differential/engines/trial.h"

#include <cbpfc/text.h>
#include <fmt/format.h>

#include <functional>

#include "verify/differential/generators/shrink.h"

namespace differential {
namespace {

using Run = std::function<std::string(const cbpfc::Filter&, const std::vector<Packet>&)>;

/// What failed, without the values: who, and whether it gave a wrong answer or none.
std::string kind_of(const std::string& failure) {
  return failure.substr(0, std::min(failure.find(" says"), failure.find(": ")));
}

/// Without the middle of a verifier's log.
std::string shortened(const std::string& text) {
  constexpr std::size_t kMostHead = 200;
  constexpr std::size_t kMostTail = 1500;
  return text.size() <= kMostHead + kMostTail
             ? text
             : text.substr(0, kMostHead) + "\n...\n" + text.substr(text.size() - kMostTail);
}

std::string program_text(const cbpfc::Filter& filter) {
  constexpr std::size_t kMostListed = 200;
  const std::vector<cbpfc::RawInsn> raw = filter.encode();
  std::string text = cbpfc::print_program(raw, cbpfc::TextForm::OneLine) + "\n";
  if (raw.size() <= kMostListed) {
    text += cbpfc::print_program(raw, cbpfc::TextForm::Listing);
  }
  return text;
}

std::string report(const cbpfc::Filter& filter, const std::vector<Packet>& packets,
                   const std::string& failure, const Run& run) {
  const std::string kind = kind_of(failure);
  std::vector<Packet> left = packets;
  const auto fails_alike = [&](const cbpfc::Filter& candidate) {
    return kind_of(run(candidate, left)) == kind;
  };
  cbpfc::Filter small = shrink(filter, fails_alike);
  for (const Packet& packet : packets) {
    if (kind_of(run(small, {packet})) == kind) {
      left = {shrink(packet, [&](const Packet& p) { return kind_of(run(small, {p})) == kind; })};
      small = shrink(small, fails_alike);
      break;
    }
  }
  return fmt::format("{}\nshrunk: {}\n{}the program as generated: {}\n", shortened(failure),
                     shortened(run(small, left)), program_text(small),
                     cbpfc::print_program(filter.encode(), cbpfc::TextForm::OneLine));
}

std::string try_with(const cbpfc::Filter& filter, const std::vector<Packet>& packets,
                     const Run& run) {
  const std::string failure = run(filter, packets);
  return failure.empty() ? failure : report(filter, packets, failure, run);
}

}  // namespace

std::string try_program(Engines& engines, const cbpfc::Filter& filter,
                        const std::vector<Packet>& packets, std::size_t kernel_step) {
  return try_with(filter, packets, [&](const cbpfc::Filter& f, const std::vector<Packet>& some) {
    std::string failure = engines.load(f);
    for (std::size_t i = 0; i < some.size() && failure.empty(); ++i) {
      failure = i % kernel_step == 0 ? engines.run(some[i]) : engines.cheap().run(some[i]);
    }
    return failure;
  });
}

std::string try_program(CheapEngines& engines, const cbpfc::Filter& filter,
                        const std::vector<Packet>& packets) {
  return try_with(filter, packets, [&](const cbpfc::Filter& f, const std::vector<Packet>& some) {
    std::string failure = engines.load(f);
    for (std::size_t i = 0; i < some.size() && failure.empty(); ++i) {
      failure = engines.run(some[i]);
    }
    return failure;
  });
}

}  // namespace differential
