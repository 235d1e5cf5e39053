// SPDX-License-Identifier: BSD-3-Clause

#include "verify/check/phases.h"

#include <cbpfc/inspect.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "cbpfc/command/explain.h"

namespace check {

using cbpfc::Errc;
using cbpfc::GraphView;
using cbpfc::Result;

Result<Outcome> show_phases(const Options& options) {
  const Subject subject = TRY(command::read_subject(options.input));
  if (subject.is_set) {
    return cbpfc::fail(Errc::Unsupported,
                       "a set of filters is not shown phase by phase; look at one of them");
  }
  const std::vector<GraphView> views =
      TRY(cbpfc::inspect_phases(subject.sources.front().filter, options.code.ebpf));
  if (!options.phase) {
    std::string text = command::describe_phases(views, options.code.ebpf) + "\n";
    for (const cbpfc::PhaseDescription& phase : cbpfc::optimizer_phases()) {
      fmt::format_to(std::back_inserter(text), "  {:<20} {}\n", phase.name, phase.summary);
    }
    return Outcome{.text = std::move(text)};
  }
  const auto view = std::ranges::find(views, *options.phase, &GraphView::phase);
  if (view == views.end()) {
    std::vector<std::string> names;
    std::ranges::transform(views, std::back_inserter(names), &GraphView::phase);
    return cbpfc::fail_option(Errc::InvalidArgument, "after",
                              fmt::format("option --after: there is no phase \"{}\", only {}",
                                          *options.phase, fmt::join(names, ", ")));
  }
  return Outcome{.text = options.wants_dot ? view->dot : view->text};
}

}  // namespace check
