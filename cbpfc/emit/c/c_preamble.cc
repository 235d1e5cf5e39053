// SPDX-License-Identifier: BSD-3-Clause
//
// What the emitted C functions have in common: access to the packet, once for BPF and once for any host.
//
// Under BPF a compiler stands between us and the verifier, and knows better than to keep what the
// verifier needs to see.  clang turns `x >= 65535`, with x from 16 bits, into `x == 65535`, of which the
// verifier learns nothing; it computes pointers before the comparison that makes them legal; at -O0 it
// keeps the bounded number in one place and adds another copy of it.  So what must stay together is one
// asm statement, and plain C is between those:
//
//     bound and pointer    base = off; if base > limit goto fail; base += data; ... fail: base = 0
//     pointer and end      end = base; end += bytes, then compared in C
//     length               length = data_end; length -= data, or clang adds to data_end first
//
// A pointer, once compared, may be copied and spilled: the verifier knows copies of pointers.
//
// An index that the compiler of filters knows to be small is masked instead of compared: the mask changes
// nothing, and the verifier need not have followed how the index came about.
//
// Other offsets get a 0 added that is hidden: the upper half of a 64-bit difference of pointers.  The
// verifier then has nothing to believe of the offset but the limit, also on branches that cannot be taken,
// where what it believes would contradict it; see optimizer/guard_code.cc.
//
// clang for BPF reads a word byte by byte unless it is told that the address is aligned, which it need not
// be: the instruction reads from any address.
//
// Tested by: cbpfc/tests/golden/c, verify/differential/c_test.cc.

#include "cbpfc/emit/c/emit_c.h"

namespace cbpfc {

const char* const kCPreamble = R"(#ifndef CBPFC_C
#define CBPFC_C
/*
 * How filters compiled by cbpfc reach the packet.  The macros are statements in a function that has the
 * variables data, data_end, bound, base and unknown_0, as far as they need them.
 *
 * CBPFC_NEED(p, n, fail)              executes fail unless n bytes lie between p and data_end
 * CBPFC_NEED_FAR(p, n, fail)          the same for an n that no packet reaches under BPF
 * CBPFC_BASE(offset, limit, n, fail)  base = data + offset; executes fail unless n bytes lie there, and
 *                                     under BPF if offset is more than limit
 * CBPFC_SMALL_BASE(x, mask, n, fail)  the same for an x that has no bits outside of mask
 * CBPFC_LOAD8(p), 16, 32, 64          the big-endian number at p
 * CBPFC_LENGTH(v)                     v = data_end - data
 * CBPFC_UNKNOWN_0                     unknown_0 = 0, so that the BPF verifier does not know it
 * CBPFC_FORGET                        what was loaded before is loaded again
 * CBPFC_HIDE(v)                       what is known of v is forgotten
 */
#define CBPFC_LOAD8(p) ((uint32_t)*(p))
#if defined(__bpf__)
typedef uint16_t cbpfc_u16 __attribute__((__may_alias__));
typedef uint32_t cbpfc_u32 __attribute__((__may_alias__));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define CBPFC_LOAD16(p) ((uint32_t)__builtin_bswap16(*(const cbpfc_u16 *)(const void *)(p)))
#define CBPFC_LOAD32(p) (__builtin_bswap32(*(const cbpfc_u32 *)(const void *)(p)))
#else
#define CBPFC_LOAD16(p) ((uint32_t)*(const cbpfc_u16 *)(const void *)(p))
#define CBPFC_LOAD32(p) ((uint32_t)*(const cbpfc_u32 *)(const void *)(p))
#endif
#define CBPFC_NEED(p, n, fail) \
  do { \
    __asm__("%0 = %1\n\t%0 += %2" : "=r"(bound) : "r"(p), "i"(n)); \
    if (bound > (uint64_t)data_end) fail; \
  } while (0)
#define CBPFC_NEED_FAR(p, n, fail) \
  do { \
    (void)(p); (void)data_end; (void)bound; \
    fail; \
  } while (0)
#define CBPFC_BASE(offset, limit, n, fail) \
  do { \
    __asm__("%0 = %1\n\t%0 ^= %2\n\tif %0 > %4 goto +2\n\t%0 += %3\n\tgoto +1\n\t%0 = 0" \
            : "=&r"(base) \
            : "r"(unknown_0), "r"((uint64_t)(offset)), "r"(data), "i"(limit)); \
    if (!base) fail; \
    CBPFC_NEED(base, n, fail); \
  } while (0)
#define CBPFC_SMALL_BASE(x, mask, n, fail) \
  do { \
    bound = (x); \
    __asm__("%0 &= %2\n\t%0 += %1" : "+&r"(bound) : "r"(data), "i"(mask)); \
    base = (const uint8_t *)bound; \
    CBPFC_NEED(base, n, fail); \
  } while (0)
#define CBPFC_LENGTH(v) \
  do { \
    __asm__("%0 = %2\n\t%0 -= %1" : "=&r"(bound) : "r"(data), "r"(data_end)); \
    (v) = (uint32_t)bound; \
  } while (0)
#define CBPFC_UNKNOWN_0 \
  __asm__("%0 = %3\n\t%0 -= %2\n\t%1 = %3\n\t%1 -= %2\n\t%0 ^= %1" \
          : "=&r"(unknown_0), "=&r"(bound) : "r"(data), "r"(data_end))
#define CBPFC_FORGET __asm__ __volatile__("" : : : "memory")
#define CBPFC_HIDE(v) __asm__ __volatile__("" : "+r"(v))
#else
#define CBPFC_LOAD16(p) ((uint32_t)(p)[0] << 8 | (p)[1])
#define CBPFC_LOAD32(p) (CBPFC_LOAD16(p) << 16 | CBPFC_LOAD16((p) + 2))
#define CBPFC_NEED(p, n, fail) \
  do { \
    bound = (uint64_t)(data_end - (p)); \
    if (bound < (n)) fail; \
  } while (0)
#define CBPFC_NEED_FAR(p, n, fail) CBPFC_NEED(p, n, fail)
#define CBPFC_BASE(offset, limit, n, fail) \
  do { \
    CBPFC_NEED(data, (uint64_t)(offset) + (n), fail); \
    base = data + (offset); \
    (void)base; (void)unknown_0; \
  } while (0)
#define CBPFC_SMALL_BASE(x, mask, n, fail) \
  do { \
    CBPFC_NEED(data, (x) + (uint64_t)(n), fail); \
    base = data + (x); \
    (void)base; \
  } while (0)
#define CBPFC_LENGTH(v) \
  do { \
    bound = (uint64_t)(data_end - data); \
    (v) = (uint32_t)bound; \
  } while (0)
#define CBPFC_UNKNOWN_0 \
  do { \
    bound = unknown_0 = 0u; \
    (void)bound; (void)unknown_0; \
  } while (0)
#define CBPFC_FORGET (void)0
#define CBPFC_HIDE(v) (void)0
#endif
#endif
)";

}  // namespace cbpfc
