// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/command/output_name.h"

#include <cbpfc/pcap_filter.h>
#include <cbpfc/text.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/text.h"

namespace xdpcap {
namespace {

/// Whether `text` begins with a word that libpcap knows, a number, an address or an operator.
bool begins_like_expression(std::string_view text) {
  constexpr int kDltPflog = 117;
  const std::string_view trimmed = trim(text);
  const auto* const end = std::ranges::find_if_not(trimmed, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || std::string_view("-_.").contains(c);
  });
  const std::string_view word(trimmed.begin(), end);
  constexpr std::size_t kLongestName = 15;  // of an interface; libpcap has no word as long
  return word.size() <= kLongestName &&
         !cbpfc::compile_expression(fmt::format("ifname {}", word), {.dlt = kDltPflog});
}

bool is_expression(const std::string& text, const XdpcapOptions& options) {
  return cbpfc::compile_expression(text, {.dlt = options.link_type.dlt, .may_match_nothing = true})
      .has_value();
}

bool can_only_be_file(const std::string& output) {
  const std::filesystem::path path(output);
  std::error_code none;
  return output.ends_with(".pcap") || output.ends_with(".pcapng") ||
         std::filesystem::exists(path, none) ||
         (path.has_parent_path() && std::filesystem::exists(path.parent_path(), none));
}

/// As a word of a shell.
std::string quoted(const std::string& text) {
  constexpr std::string_view kPlain = "-_./:=,+@%";
  const bool is_plain = !text.empty() && std::ranges::all_of(text, [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || kPlain.contains(c);
  });
  if (is_plain) {
    return text;
  }
  std::string word = "'";
  for (const char c : text) {
    word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return word + "'";
}

std::string shortened(const std::string& text) {
  constexpr std::size_t kMostBytes = 160;
  return text.size() <= kMostBytes ? text : std::string(cut_text(text, kMostBytes)) + "...";
}

/// The command with another output and filter.  On a terminal, packets go into a file.
std::string command(const XdpcapOptions& options, std::string_view output,
                    const std::string& filter) {
  return fmt::format("xdpcap {} {}{}", quoted(options.hook_path), output,
                     filter.empty() ? "" : " " + quoted(shortened(filter)));
}

std::string_view usual_output() {
  return ::isatty(STDOUT_FILENO) == 1 ? "capture.pcap" : "-";
}

}  // namespace

Result<void> check_output_name(const XdpcapOptions& options) {
  const std::string& output = options.output;
  const std::string& filter = options.filter;
  if (trim(output).empty()) {
    return fail(Errc::InvalidArgument,
                fmt::format("<output> \"{}\" is blank; give the name of a file, or - for standard "
                            "output; probably meant: {}",
                            output, command(options, usual_output(), filter)));
  }
  if (options.is_to_stdout() || can_only_be_file(output) || !begins_like_expression(output)) {
    return {};
  }
  const bool is_program = cbpfc::parse_program(filter).has_value();
  const std::string whole = filter.empty() || is_program ? output : output + " " + filter;
  const bool is_whole_one = is_expression(whole, options);
  if (!is_whole_one && !is_expression(output, options)) {
    return {};
  }
  // A filter that makes sense only without the word before it was written for a file of that name.
  const bool has_filter_apart =
      options.filter_file || is_program ||
      (!filter.empty() && !is_whole_one && is_expression(filter, options));
  return fail(
      Errc::InvalidArgument,
      fmt::format("<output> \"{}\" reads as a filter;{} to write a file of that name, give {}",
                  shortened(output),
                  has_filter_apart ? std::string()
                                   : fmt::format(" probably meant: {};",
                                                 command(options, usual_output(), whole)),
                  quoted("./" + shortened(output))));
}

}  // namespace xdpcap
