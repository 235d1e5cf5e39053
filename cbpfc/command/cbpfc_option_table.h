// SPDX-License-Identifier: BSD-3-Clause
//
// The rows of cbpfc's option table, in the groups that -help shows.

#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "cbpfc/command/cbpfc_options.h"

namespace command {

/// As written, before it is known what goes with what.
struct Written {
  Options options;
  std::set<std::string, std::less<>> names;  ///< of the options that were given
  bool wants_explain = false;
  bool wants_prove = false;
  bool wants_passes = false;
  bool wants_help = false;
  bool wants_version = false;

  bool has(std::string_view name) const { return names.contains(name); }
};

struct OptionGroup {
  std::string title;
  std::vector<xdpcap::cli::Option> rows;
};

/// Setters keep references to `written`.
std::vector<OptionGroup> option_groups(Written& written);

}  // namespace command
