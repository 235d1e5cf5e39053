// SPDX-License-Identifier: BSD-3-Clause
//
// Copies of a function in a row are the same computation N times, and clang would do it once.  An empty
// asm statement between them, through which the packet's pointers go, takes from clang the
// knowledge that they are the same; it costs no instruction:
//
//     asm volatile("" : "+r"(data), "+r"(data_end) : : "memory");
//     if (filter(data, data_end)) asm volatile("%0 += 1" : "+r"(matches));
//
// The addition is an asm statement, too, so that a match is one instruction more, as it is for the fragments,
// and not a selection that clang makes of what happens to be in registers.

#include "bench/programs/clang_programs.h"

#include <cbpfc/compile_c.h>
#include <fmt/format.h>

#include <algorithm>

namespace bench {
namespace {

using cbpfc::Errc;
using cbpfc::Result;

/// In front of the filter: types, and the prototype that makes it inline everywhere.
constexpr std::string_view kPrologue = R"(
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
typedef signed int int32_t;
typedef signed long long int64_t;

struct xdp_md { uint32_t data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex; };
enum { XDP_DROP = 1, XDP_PASS = 2 };

static inline __attribute__((always_inline))
uint32_t filter(const uint8_t *data, const uint8_t *data_end);
)";

/// `empty` is what is left of `minimal` without its filter.
constexpr std::string_view kCommon = R"(
#define PROGRAM(name) __attribute__((section("xdp/" #name), used)) int name(struct xdp_md *ctx)
#define PACKET \
  const uint8_t *data = (const uint8_t *)(long)ctx->data; \
  const uint8_t *data_end = (const uint8_t *)(long)ctx->data_end
#define FORGET asm volatile("" : "+r"(data), "+r"(data_end) : : "memory")
#define COUNT_MATCH asm volatile("%0 += 1" : "+r"(matches))
#define COPY FORGET; if (filter(data, data_end)) COUNT_MATCH

PROGRAM(minimal) { PACKET; return filter(data, data_end) ? XDP_DROP : XDP_PASS; }
PROGRAM(empty) { PACKET; FORGET; return XDP_DROP; }
)";

/// The loop of programs.h.  The placeholder becomes the table's address when the program is loaded.
constexpr std::string_view kVarying = R"(
struct key_table {{ uint64_t random; uint64_t keys[{keys}]; }};

static inline __attribute__((always_inline)) int vary(struct xdp_md *ctx, int with_filter) {{
  struct key_table *table;
  asm volatile("%0 = {placeholder:#x} ll" : "=r"(table));
  uint64_t random = table->random;
  uint64_t matches = 0;
#pragma clang loop unroll(disable)
  for (int i = 0; i < {loops}; ++i) {{
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    PACKET;
    if (data + {bytes} > data_end) break;
    *(uint64_t *)(data + {offset}) = table->keys[random & {mask}];
    FORGET;
    if (with_filter && filter(data, data_end)) COUNT_MATCH;
  }}
  table->random = random;
  return matches;
}}
PROGRAM(varying) {{ return vary(ctx, 1); }}
PROGRAM(varying_base) {{ return vary(ctx, 0); }}
)";

std::string copies(std::string_view name, int count) {
  std::string text = fmt::format("PROGRAM({}) {{ PACKET; uint64_t matches = 0;\n", name);
  for (int i = 0; i < count; ++i) {
    text += "  COPY;\n";
  }
  return text + "  return matches; }\n";
}

/// Takes a function's instructions out of what clang made.
Result<Program> take(std::vector<Clang::Function>& functions, std::string_view name) {
  const auto found = std::ranges::find(functions, name, &Clang::Function::name);
  if (found == functions.end()) {
    return cbpfc::fail(Errc::InvalidProgram,
                       fmt::format("clang's object file has no function {}", name));
  }
  return std::move(found->insns);
}

}  // namespace

Result<std::string> clang_source(const cbpfc::Filter& filter, const ProgramsWanted& wanted) {
  std::string source(kPrologue);
  source += TRY(cbpfc::compile_c(filter, {.function_name = "filter", .optimize = false}));
  source += kCommon;
  if (wanted.copies > 0) {
    source += copies("one", 1) + copies("many", wanted.copies);
  }
  if (wanted.varying) {
    source += fmt::format(
        kVarying, fmt::arg("keys", kKeys), fmt::arg("mask", kKeys - 1),
        fmt::arg("placeholder", kTablePlaceholder), fmt::arg("loops", wanted.varying->loops),
        fmt::arg("bytes", kVaryingPacketBytes), fmt::arg("offset", wanted.varying->key_offset));
  }
  return source;
}

Result<Programs> clang_programs(const Clang& clang, const cbpfc::Filter& filter,
                                const ProgramsWanted& wanted) {
  const std::string source = TRY(clang_source(filter, wanted));
  auto functions = TRY(clang.compile(source));
  Programs programs;
  programs.minimal = TRY(take(functions, "minimal"));
  programs.emitted_insns = programs.minimal.size() - TRY(take(functions, "empty")).size();
  if (wanted.copies > 0) {
    programs.one = TRY(take(functions, "one"));
    programs.many = TRY(take(functions, "many"));
  }
  if (wanted.varying) {
    programs.varying = TRY(take(functions, "varying"));
    programs.varying_base = TRY(take(functions, "varying_base"));
  }
  return programs;
}

}  // namespace bench
