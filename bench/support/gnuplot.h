// SPDX-License-Identifier: BSD-3-Clause

#pragma once

#include <cbpfc/result.h>

#include <string>

namespace bench {

/// The commands with which a picture of this size starts: PNG, or SVG if the name ends so.
std::string picture_start(const std::string& path, int width, int height);

/// Lets gnuplot run a script that draws to `path`.
/// Errors: Errc::NotFound without gnuplot; Errc::Io.
cbpfc::Result<void> run_gnuplot(const std::string& script, const std::string& path);

}  // namespace bench
