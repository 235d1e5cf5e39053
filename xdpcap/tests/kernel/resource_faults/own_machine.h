// SPDX-License-Identifier: BSD-3-Clause

#pragma once

#include <cstdlib>

namespace xdpcap::test {

/// Whether nobody else uses this machine, so that a test may set its clock and unload its drivers.
inline bool is_own_machine() {
  return std::getenv("XDPCAP_OWN_MACHINE") != nullptr;  // NOLINT(concurrency-mt-unsafe)
}

inline constexpr const char* kNotOwnMachine =
    "done in virtual machines only: sudo verify/machines/run, or set XDPCAP_OWN_MACHINE where it may disturb";

}  // namespace xdpcap::test
