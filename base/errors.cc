// SPDX-License-Identifier: BSD-3-Clause

#include "base/errors.h"

#include <fmt/core.h>

#include <system_error>

namespace xdpcap {

std::string errno_text(int error_number) {
  return std::generic_category().message(error_number);
}

std::string counted(std::uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

}  // namespace xdpcap
