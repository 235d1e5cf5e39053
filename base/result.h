// SPDX-License-Identifier: BSD-3-Clause
//
// The compiler's Result and Error, which this program's own functions return as well.

#pragma once

#include <cbpfc/result.h>

namespace xdpcap {

using cbpfc::Errc;
using cbpfc::Error;
using cbpfc::fail;
using cbpfc::Result;

}  // namespace xdpcap
