// SPDX-License-Identifier: BSD-3-Clause
//
// Errors as values.  What can fail for a reason outside the code returns Result<T>; nothing throws.
//
//     Result<Filter> load(std::string_view path) {
//       std::string text = TRY(read_file(path));
//       return Filter::parse(text).with_context("filter file " + std::string(path));
//     }
//
// A message reads from the outside in, "attempt: object: reason", and ends with what to do when
// there is something to do.  Context is added once a layer, where a name becomes known.
//
// libstdc++ 12's std::expected is not [[nodiscard]] and has no monadic operations, hence the class.

#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace cbpfc {

/// What a caller may decide on; everything else about an error is for people.
enum class Errc {
  InvalidArgument,   ///< a value the caller gave is out of its range
  Syntax,            ///< text that does not parse
  InvalidProgram,    ///< a classic program the kernel would refuse
  Unsupported,       ///< valid, but neither we nor this kernel can do it
  TooLarge,          ///< valid, but longer than the kernel takes
  NotFound,          ///< a named thing does not exist
  Permission,        ///< a capability or file permission is missing
  Busy,              ///< another process holds the thing
  VerifierRejected,  ///< the kernel verifier refused a program; `detail` is its log
  Kernel,            ///< any other refusal of the kernel
  Io,                ///< reading or writing a file failed
};

struct Error {
  Errc code = Errc::InvalidArgument;
  std::string message;  ///< one line, outermost context first, no full stop
  std::string detail;   ///< long text shown on request (a verifier log); may be empty
  int sys_errno = 0;    ///< the errno that caused it; 0 if none did
  /// The option of the called function that this is about, as its struct names it ("packet_end"): with InvalidArgument
  /// the one that is wrong, otherwise the one that would help.  Empty: none.  `message` does not name it, because a
  /// program that offers it may call it otherwise.
  std::string option = {};
  /// With Syntax: the place of the fault in the text, in bytes; nullopt: the text as a whole is at fault.
  std::optional<std::size_t> offset = {};
};

/// A value or an Error; a dropped one is a compiler warning.
template <typename T = void>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;

  /// The same result; a failure's message gains "`context`: " in front.
  Result with_context(const std::string& context) && {
    if (!this->has_value()) {
      this->error().message = context + ": " + this->error().message;
    }
    return std::move(*this);
  }
};

/// The failing side of any Result.
[[nodiscard]] inline std::unexpected<Error> fail(Errc code, std::string message, int sys_errno = 0,
                                                 std::string detail = {}) {
  return std::unexpected(Error{.code = code,
                               .message = std::move(message),
                               .detail = std::move(detail),
                               .sys_errno = sys_errno});
}

/// The same about an option.
[[nodiscard]] inline std::unexpected<Error> fail_option(Errc code, std::string option,
                                                        std::string message) {
  return std::unexpected(Error{.code = code,
                               .message = std::move(message),
                               .detail = {},
                               .sys_errno = 0,
                               .option = std::move(option)});
}

}  // namespace cbpfc

/// The value of a Result, or an early return of its error from the enclosing function.
// NOLINTBEGIN(bugprone-macro-parentheses)
#define TRY(expression)                                      \
  __extension__({                                            \
    auto&& try_result = (expression);                        \
    if (!try_result.has_value()) {                           \
      return std::unexpected(std::move(try_result).error()); \
    }                                                        \
    std::move(try_result).value();                           \
  })
// NOLINTEND(bugprone-macro-parentheses)
