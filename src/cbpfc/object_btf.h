// SPDX-License-Identifier: BSD-3-Clause

#pragma once

#include <cbpfc/object.h>

#include "little_endian.h"

namespace cbpfc {

/// The two sections that tell the kernel of a function.
struct ObjectBtf {
  Bytes types;      ///< .BTF
  Bytes extension;  ///< .BTF.ext
};

/// Describes the only function of `.text`, at its start.
ObjectBtf describe_function(const ObjectOptions& options);

}  // namespace cbpfc
