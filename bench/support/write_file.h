// SPDX-License-Identifier: BSD-3-Clause

#pragma once

#include <cbpfc/result.h>

#include <string>

namespace bench {

/// Makes `text` a file's contents.
/// Errors: Errc::Io.
cbpfc::Result<void> write_file(const std::string& path, const std::string& text);

}  // namespace bench
