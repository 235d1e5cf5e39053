// SPDX-License-Identifier: BSD-3-Clause

#pragma once

#include <cstdlib>

namespace xdpcap::test {

/// How often something is done at random moments: so often as a rule, XDPCAP_FAULTS_ROUNDS times if that is set.
inline int rounds_of(int usual) {
  const char* const given = std::getenv("XDPCAP_FAULTS_ROUNDS");  // NOLINT(concurrency-mt-unsafe)
  return given != nullptr ? std::atoi(given) : usual;
}

}  // namespace xdpcap::test
