// SPDX-License-Identifier: BSD-3-Clause
//
// Expressions to classic programs through libpcap, with four things libpcap leaves out.
//
// Where a fault is.  libpcap says "syntax error" and no more.  But its scanner refuses the
// malformed Ethernet address "1:2:::3:" by name the moment it reads it, and an error already set
// stays.  So
//
//     tcp 1:2:::3:          "bogus ethernet address"    libpcap understood "tcp"
//     tcp pport 1:2:::3:    "syntax error"              it stumbled before: over "pport"
//
// tells how far it came, and a binary search over the words finds the first it does not take.  When
// it takes all of them, the end comes too early.  A name in libpcap's message ("unknown host
// 'foo'") is looked up in the expression instead, which saves asking name servers again.
//
// Scratch slots that are read unset.  The slots the kernel would complain about are found by its
// own rule and set to 0 at the start; no other program is touched.
//
// Loads that the kernel takes for others, because libpcap adds numbers without looking at what they are.
//
//     inbound, radiotap:  ldh [x + -4092]   =>   ldh [-4092]
//     isis, BACnet:       ldb [-2]          =>   ret #0
//
// An ancillary load keeps its meaning only as an absolute one; where the link-layer header has a variable length, libpcap
// adds that (X) to this offset, too, so that "inbound" and "not inbound" both never match.  Where a link type has no
// network header, libpcap's offset of it is -1: outside every packet for libpcap's interpreter, which ends with 0.
//
// Expressions that can match nothing.  libpcap's optimiser finds them; we look for a way to a match
// (graph/matches_nothing.cc), and where IPv6 is the cause say how to write it.
//
// Limits: kMostWords words for libpcap at a time; what is cut into parts (pcap_list.h) may have any number.  libpcap
// recurses once a term and overruns an 8 MiB stack between 6,000 and 8,000 terms of "host".
// Sources: libpcap 1.10.3 scanner.l, grammar.y, gencode.c pcap_compile(), gen_inbound(), gen_ifindex(), gen_load_absoffsetrel(), OFFSET_NOT_SET; Linux v6.18 net/core/filter.c
// check_load_and_stores().
// Tested by: pcap_filter_test.cc.

#include <cbpfc/pcap_filter.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>

#include "cbpfc/classic/classic_opcodes.h"
#include "cbpfc/classic/scratch_flow.h"
#include "cbpfc/expression/pcap_handle.h"
#include "cbpfc/expression/pcap_list.h"
#include "cbpfc/graph/matches_nothing.h"

namespace cbpfc {
namespace {

constexpr std::size_t kMostWords = 8192;
/// What libpcap is told to return on a match; replaced by what the caller wants.
constexpr int kSnapshotLength = 262144;
constexpr std::string_view kUnreadable = "1:2:::3:";
constexpr std::string_view kRejectsAll = "expression rejects all packets";

/// A program, or libpcap's words.
using Compiled = std::expected<std::vector<RawInsn>, std::string>;

/// What libpcap compiles for: it looks at whether the packets come from a file, and in which byte order.
PcapHandle open_source(const ExpressionOptions& options) {
  if (options.source == PacketSource::Live) {
    return PcapHandle(pcap_open_dead(options.dlt, kSnapshotLength));
  }
  const std::optional<std::uint16_t> linktype = linktype_of(options.dlt);
  return linktype ? open_empty_file(*linktype, options.source == PacketSource::SwappedFile)
                  : nullptr;
}

Compiled compile(const std::string& expression, const ExpressionOptions& options) {
  const PcapHandle handle = open_source(options);
  if (!handle) {
    return std::unexpected(options.source == PacketSource::Live
                               ? "out of memory"
                               : "libpcap reads no files of this link type");
  }
  const bpf_u_int32 netmask = options.source == PacketSource::Live ? PCAP_NETMASK_UNKNOWN : 0;
  bpf_program program = {};
  if (pcap_compile(handle.get(), &program, expression.c_str(), 0, netmask) != 0) {
    constexpr std::string_view kPreamble = "can't parse filter expression: ";
    const std::string_view words = pcap_geterr(handle.get());
    return std::unexpected(
        std::string(words.starts_with(kPreamble) ? words.substr(kPreamble.size()) : words));
  }
  std::vector<RawInsn> insns;
  insns.reserve(program.bf_len);
  for (const bpf_insn& insn : std::span(program.bf_insns, program.bf_len)) {
    insns.push_back({.code = insn.code, .jt = insn.jt, .jf = insn.jf, .k = insn.k});
  }
  pcap_freecode(&program);
  return insns;
}

/// Whether `word` is a keyword of the linked libpcap.  Tried as the name of an interface: libpcap refuses its keywords
/// there, and does not look the name up.
bool is_libpcap_keyword(std::string_view word) {
  constexpr int kDltPflog = 117;
  return !compile(fmt::format("ifname {}", word), {.dlt = kDltPflog});
}

/// Words as large as needed not to cut an address ("::1", "1:2:3:4:5:6", "10.0.0.1") or a name in
/// two.
std::vector<Word> split(std::string_view expression) {
  constexpr std::string_view kSpace = " \t\r\n\f\v";
  constexpr std::string_view kOperators = "!()[]<>=&|+*/%^,";
  constexpr std::string_view kEndOfWord = " \t\r\n\f\v!()[]<>=&|+*/%^,";
  std::vector<Word> words;
  std::size_t start = expression.find_first_not_of(kSpace);
  while (start != std::string_view::npos) {
    std::size_t end = start + 1;
    const char first = expression[start];
    if (!kOperators.contains(first)) {
      end = std::min(expression.find_first_of(kEndOfWord, start), expression.size());
    } else if (end < expression.size()) {
      const char second = expression[end];
      const bool doubled = second == first && std::string_view("<>&|=").contains(first);
      const bool with_equals = second == '=' && std::string_view("<>!").contains(first);
      end += doubled || with_equals ? 1 : 0;
    }
    words.push_back({.start = start, .end = end});
    start = expression.find_first_not_of(kSpace, end);
  }
  return words;
}

/// Where libpcap stopped.
struct Place {
  std::size_t offset;
  std::string word;  ///< empty: the end
};

std::optional<Place> place_of_quoted(std::string_view expression, const std::vector<Word>& words,
                                     std::string_view error) {
  const std::size_t open = error.find('\'');
  const std::size_t close = error.rfind('\'');
  if (open == close) {
    return std::nullopt;
  }
  const std::string_view name = error.substr(open + 1, close - open - 1);
  std::optional<Place> place;
  for (const Word& word : words) {
    if (expression.substr(word.start, word.end - word.start) == name) {
      if (place) {
        return std::nullopt;
      }
      place = Place{.offset = word.start, .word = std::string(name)};
    }
  }
  return place;
}

/// Finds the first word libpcap does not take; nullopt for faults that have no place.
std::optional<Place> find_place(std::string_view expression, const std::vector<Word>& words,
                                const ExpressionOptions& options, std::string_view error) {
  if (error == "out of memory" || words.empty()) {
    return std::nullopt;
  }
  if (const std::size_t own = expression.find(kUnreadable); own != std::string_view::npos) {
    return Place{.offset = own, .word = std::string(kUnreadable)};
  }
  if (auto place = place_of_quoted(expression, words, error)) {
    return place;
  }
  const auto takes = [&](std::size_t count) {
    const std::size_t end = count == 0 ? 0 : words[count - 1].end;
    const Compiled tried =
        compile(std::string(expression.substr(0, end)).append(" ").append(kUnreadable), options);
    return !tried && tried.error().starts_with("bogus ethernet address") &&
           tried.error().ends_with(kUnreadable);
  };
  if (!takes(0)) {  // the link type is at fault, or this libpcap words it differently
    return std::nullopt;
  }
  std::size_t taken = 0;
  std::size_t refused = words.size() + 1;
  while (refused - taken > 1) {
    const std::size_t middle = taken + (refused - taken) / 2;
    (middle <= words.size() && takes(middle) ? taken : refused) = middle;
  }
  if (refused > words.size() && error == "syntax error") {
    return Place{.offset = words.back().end, .word = ""};
  }
  const Word& word = words[std::min(refused, words.size()) - 1];
  return Place{.offset = word.start,
               .word = std::string(expression.substr(word.start, word.end - word.start))};
}

/// A stretch of the expression around a place, on one line and without control characters.
struct Excerpt {
  std::string text;
  std::size_t caret;  ///< the place's offset in `text`
};

Excerpt excerpt(std::string_view expression, std::size_t place, std::size_t longest) {
  constexpr std::string_view kCut = "...";
  const std::size_t before = place > longest / 2 ? place - longest / 2 : 0;
  const std::size_t start = expression.size() <= longest ? 0 : before;
  const std::string_view kept = expression.substr(start, longest);
  Excerpt result{.text = std::string(start > 0 ? kCut : ""), .caret = 0};
  result.caret = result.text.size() + place - start;
  for (const char c : kept) {
    const bool is_space = c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
    result.text += is_space ? ' ' : (c < ' ' || c > '~') ? '?' : c;
  }
  result.text += start + kept.size() < expression.size() ? kCut : "";
  return result;
}

/// What libpcap says, without the parts of the expression in it.
std::string_view reason_alone(std::string_view error) {
  // Of those that begin alike, the longer first.
  constexpr std::array<std::string_view, 19> kReasons = {
      "syntax error",          "unknown port in range",  "unknown port",
      "illegal port number",   "unknown host",           "unknown ether host",
      "unknown network",       "unknown protocol",       "unknown ip proto",
      "unknown ether proto",   "bogus ethernet address", "malformed decnet address",
      "invalid ip6 address",   "invalid IPv4 address",   "mask length must be",
      "illegal token",         "illegal char",           "out of memory",
      "libpcap reads no files"};
  const auto* const reason = std::ranges::find_if(
      kReasons, [&](std::string_view known) { return error.starts_with(known); });
  return reason == kReasons.end() ? "libpcap does not take it" : *reason;
}

/// The error `reason`, without quotes as `unquoted`.
std::unexpected<Error> fail_for(std::string_view expression, const std::optional<Place>& place,
                                std::string_view reason, std::string_view unquoted,
                                const ExpressionOptions& options) {
  constexpr std::size_t kLongestInMessage = 60;
  constexpr std::size_t kLongestInDetail = 76;
  constexpr std::size_t kLongestWord = 30;
  const std::size_t offset = place ? place->offset : 0;
  const bool is_at_end = place && place->word.empty();
  std::string message(unquoted);
  std::string detail;
  if (options.quotes) {
    message = fmt::format("expression \"{}\": {}",
                          excerpt(expression, offset, kLongestInMessage).text, reason);
  }
  if (options.quotes && place) {
    const Excerpt shown = excerpt(expression, offset, kLongestInDetail);
    detail = fmt::format("  {}\n  {:>{}}", shown.text, "^", shown.caret + 1);
    message += fmt::format(" at column {}", offset + 1);
    message +=
        is_at_end ? "" : fmt::format(", at \"{}\"", excerpt(place->word, 0, kLongestWord).text);
  }
  message += is_at_end ? ", at the end" : "";
  std::unexpected<Error> failure = fail(Errc::Syntax, std::move(message), 0, std::move(detail));
  if (place) {
    failure.error().offset = offset;
  }
  return failure;
}

/// Of a fault that we have found ourselves; `reason` has nothing of the expression.
std::unexpected<Error> fail_for(std::string_view expression, const std::optional<Place>& place,
                                std::string_view reason, const ExpressionOptions& options) {
  return fail_for(expression, place, reason, reason, options);
}

/// Stores 0 to the slots in `unset` before anything else; A is 0 afterwards, as it was.
void clear_slots(std::vector<RawInsn>& program, std::uint16_t unset) {
  std::vector<RawInsn> prologue;
  for (std::uint8_t slot = 0; slot < kScratchSlots; ++slot) {
    if ((unset & (1U << slot)) != 0) {
      if (prologue.empty()) {
        prologue.push_back({.code = opcode::kLd | opcode::kImm});
      }
      prologue.push_back({.code = opcode::kSt, .k = slot});
    }
  }
  program.insert(program.begin(), prologue.begin(), prologue.end());
}

/// Whether a word takes part in a term: brackets cost libpcap nothing.
bool counts(std::string_view expression, const Word& word) {
  return expression[word.start] != '(' && expression[word.start] != ')';
}

/// Refuses what would make libpcap overrun its stack.
Result<void> check_length(std::string_view expression, const std::vector<Word>& words,
                          const ExpressionOptions& options) {
  const auto counted = static_cast<std::size_t>(
      std::ranges::count_if(words, [&](const Word& word) { return counts(expression, word); }));
  if (counted > kMostWords) {
    return fail_for(
        expression, std::nullopt,
        fmt::format("{} words, libpcap can handle about {}: shorten \"host a or host b\" to "
                    "\"host (a or b)\", use networks, or give a program instead",
                    counted, kMostWords),
        options);
  }
  return {};
}

using Programs = std::vector<std::vector<RawInsn>>;

Result<Programs> compile_parts(std::string_view expression, const std::vector<ListPart>& parts,
                               const ExpressionOptions& options) {
  Programs programs;
  for (const ListPart& part : parts) {
    const std::vector<Word> words = split(part.text);
    TRY(check_length(part.text, words, options));
    Compiled program = compile(part.text, options);
    if (!program) {
      auto place = find_place(part.text, words, options, program.error());
      if (place) {
        place->offset = part.place(place->offset);
      }
      return fail_for(expression, place, program.error(), reason_alone(program.error()), options);
    }
    programs.push_back(*std::move(program));
  }
  return programs;
}

/// The program of all parts: where one ends it goes on at another, or the whole does end.
std::vector<RawInsn> join(const std::vector<ListPart>& parts, const Programs& programs) {
  std::vector<std::size_t> starts = {0};
  for (const auto& program : programs) {
    starts.push_back(starts.back() + program.size());
  }
  std::vector<RawInsn> whole;
  whole.reserve(starts.back());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    for (RawInsn insn : programs[i]) {
      if (insn.code == opcode::kRet) {
        const std::size_t next = insn.k != 0 ? parts[i].on_match : parts[i].on_miss;
        if (next == ListPart::kMatch || next == ListPart::kNoMatch) {
          insn.k = next == ListPart::kMatch ? kSnapshotLength : 0;
        } else {
          insn = {.code = opcode::kJmp | opcode::kJa,
                  .k = static_cast<std::uint32_t>(starts[next] - whole.size() - 1)};
        }
      }
      whole.push_back(insn);
    }
  }
  return whole;
}

/// Replaces loads that the kernel takes for others.
void settle_loads(std::vector<RawInsn>& program) {
  for (RawInsn& insn : program) {
    if ((insn.code & opcode::kClassMask) != opcode::kLd) {
      continue;
    }
    const int mode = insn.code & opcode::kModeMask;
    const bool is_ancillary = is_ancillary_load(insn.k);
    if (mode == opcode::kInd && is_ancillary) {
      insn.code =
          static_cast<std::uint16_t>(opcode::kLd | opcode::kAbs | (insn.code & opcode::kSizeMask));
    } else if (mode == opcode::kAbs && insn.k >= kAncillaryOffset && !is_ancillary) {
      insn = {.code = opcode::kRet};
    }
  }
}

/// A program that the kernel takes, but for its length and loops, and that returns what the caller wants.
void settle(std::vector<RawInsn>& program, std::uint32_t match_value) {
  settle_loads(program);  // of the whole: what ends there does not go on at another part
  for (RawInsn& insn : program) {
    if (insn.code == opcode::kRet && insn.k != 0) {
      insn.k = match_value;
    }
  }
  std::uint16_t unset = 0;
  for (const UnsetRead& read : unset_scratch_reads(program)) {
    unset |= static_cast<std::uint16_t>(1U << read.slot);
  }
  clear_slots(program, unset);
}

bool matches_nothing(const std::vector<RawInsn>& program) {
  const auto filter = Filter::decode(program, Accept::Compiler);
  return filter && optimizer::matches_nothing(*filter);
}

/// What to write for IPv6 instead, if an expression matches nothing because some of it looks into IPv4 alone: the same
/// with fields of the transport header taken from behind a header of 40 bytes.
std::string ipv6_advice(std::string_view expression, const std::vector<Word>& words,
                        const ExpressionOptions& options) {
  constexpr std::size_t kLongest = 1000;
  constexpr std::array<std::pair<std::string_view, int>, 3> kProtocols = {
      {{"tcp", 6}, {"udp", 17}, {"icmp", 58}}};
  const std::pair<std::string_view, int>* protocol = nullptr;
  std::string form;
  std::size_t copied = 0;
  for (std::size_t i = 0; i + 3 < words.size() && expression.size() <= kLongest; ++i) {
    const std::string_view word = expression.substr(words[i].start, words[i].end - words[i].start);
    const auto* const found =
        std::ranges::find(kProtocols, word, &std::pair<std::string_view, int>::first);
    // What is more than a number between the brackets may not be added to 40 without brackets of its own.
    const bool is_number =
        expression[words[i + 1].start] == '[' && expression[words[i + 3].start] == ']';
    if (found != kProtocols.end() && is_number) {
      protocol = protocol != nullptr ? protocol : found;
      form.append(expression.substr(copied, words[i].start - copied)).append("ip6[40 + ");
      copied = words[i + 1].end;
    }
  }
  if (protocol == nullptr) {
    return {};
  }
  form = fmt::format("ip6[6] = {} and ({}{})", protocol->second, form, expression.substr(copied));
  Compiled program = compile(form, options);
  if (!program) {
    return {};
  }
  settle(*program, options.match_value);
  return matches_nothing(*program)
             ? std::string()
             : fmt::format(": {}[...] looks into IPv4 only, for IPv6 write \"{}\"", protocol->first,
                           form);
}

}  // namespace

Result<std::vector<RawInsn>> compile_expression(std::string_view expression,
                                                const ExpressionOptions& options) {
  constexpr std::size_t kMostTermsOfPart = 40;
  if (options.match_value == 0) {
    return fail(Errc::InvalidArgument,
                "compile an expression: match value 0 would mean \"no match\"");
  }
  if (const std::size_t nul = expression.find('\0'); nul != std::string_view::npos) {
    return fail_for(expression, Place{.offset = nul, .word = std::string(1, '\0')}, "NUL character",
                    options);
  }
  const std::vector<Word> words = split(expression);
  const std::vector<ListPart> parts =
      list_parts(expression, words, kMostTermsOfPart, is_libpcap_keyword);
  const Programs programs = TRY(compile_parts(expression, parts, options));
  std::vector<RawInsn> program = join(parts, programs);
  settle(program, options.match_value);
  if (!options.may_match_nothing && matches_nothing(program)) {
    const std::string advice =
        options.quotes ? ipv6_advice(expression, words, options) : std::string();
    return fail_for(expression, std::nullopt, std::string(kRejectsAll) + advice, options);
  }
  return program;
}

}  // namespace cbpfc
