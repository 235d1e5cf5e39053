// SPDX-License-Identifier: BSD-3-Clause

#include "bench/support/gnuplot.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <cstdio>

namespace bench {

using cbpfc::Errc;
using cbpfc::Result;

std::string picture_start(const std::string& path, int width, int height) {
  return fmt::format("set terminal {} size {},{} font 'DejaVu Sans,10'\nset output '{}'\n",
                     path.ends_with(".svg") ? "svg" : "pngcairo", width, height, path);
}

Result<void> run_gnuplot(const std::string& script, const std::string& path) {
  FILE* pipe = ::popen("gnuplot 2>&1 >/dev/null", "w");
  if (pipe == nullptr) {
    return cbpfc::fail(Errc::Io,
                       fmt::format("draw {}: a process for gnuplot cannot be started", path));
  }
  const bool is_written = std::fwrite(script.data(), 1, script.size(), pipe) == script.size();
  const int status = ::pclose(pipe);
  constexpr int kNotFound = 127;
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNotFound) {
    return cbpfc::fail(Errc::NotFound,
                       fmt::format("draw {}: gnuplot is not there; install gnuplot-nox", path));
  }
  if (!is_written || status != 0) {
    return cbpfc::fail(Errc::Io, fmt::format("draw {}: gnuplot failed; its words are above", path));
  }
  return {};
}

}  // namespace bench
