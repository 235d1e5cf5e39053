// SPDX-License-Identifier: BSD-3-Clause
//
// The results for people (tables, a picture) and for programs (CSV).

#pragma once

#include <cbpfc/result.h>

#include <string>

#include "bench/compiler/results.h"

namespace bench {

/// The tables, and the figures to reach.
std::string table_text(const Results& results);

/// One line for each filter, contender and packet, and for each list and contender.
std::string csv_text(const Results& results);

/// Draws bars for each group of filters and each list, as PNG, or SVG if the name ends so.
/// Errors: Errc::NotFound without gnuplot; Errc::Io.
cbpfc::Result<void> draw_picture(const Results& results, const std::string& path);

}  // namespace bench
