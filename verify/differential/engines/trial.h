// SPDX-License-Identifier: BSD-3-Clause
//
// One program and its packets through engines, and what is said when they disagree: the program as
// small as it still fails.

#pragma once

#include <cbpfc/cbpf.h>

#include <string>
#include <vector>

#include "verify/differential/engines/all_engines.h"

namespace differential {

/// Runs `packets` in the engines without kernel, and every `kernel_step`th in all of them.
/// Returns a report with the shrunk program and packet, empty when all agree.
std::string try_program(Engines& engines, const cbpfc::Filter& filter,
                        const std::vector<Packet>& packets, std::size_t kernel_step = 1);

/// The same in the engines without kernel.
std::string try_program(CheapEngines& engines, const cbpfc::Filter& filter,
                        const std::vector<Packet>& packets);

}  // namespace differential
