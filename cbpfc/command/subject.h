// SPDX-License-Identifier: BSD-3-Clause
//
// The filter, or the set of filters, that cbpfc works on: from the command line, a file or standard
// input, as expressions or programs.
//
// Comments in files: filter_text.h.
//
// Tested by: cbpfc/tests/command/subject_test.cc.

#pragma once

#include <cbpfc/cbpf.h>

#include <string>
#include <string_view>
#include <vector>

#include "cbpfc/command/filter_options.h"

namespace command {

struct Source {
  std::string text;  ///< the expression, or "program of N instructions"
  std::vector<cbpfc::RawInsn> program;
  cbpfc::Filter filter;
};

struct Subject {
  std::vector<Source> sources;  ///< at least one
  bool is_set = false;

  std::vector<cbpfc::Filter> filters() const;
  /// All of it in a few words.
  std::string describe() const;
};

/// Reads the file or standard input, if the filter is there, into `content`.
/// Errors: Errc::NotFound, Permission, Io, TooLarge.
cbpfc::Result<void> read_content(InputOptions& input);

/// Reads and compiles what is asked for.
/// Errors: Errc::Io for files; Errc::Syntax, InvalidProgram for text, naming the file and, for a
/// set, the line.
cbpfc::Result<Subject> read_subject(const InputOptions& input);

/// An expression or a program to a filter.  No comments.  In a set an expression may match nothing.
/// Errors: Errc::Syntax, InvalidProgram.
cbpfc::Result<Source> compile_source(std::string_view text, const cbpfc::LinkType& link_type,
                                     cbpfc::PacketSource source = cbpfc::PacketSource::Live,
                                     bool may_match_nothing = false);

}  // namespace command
