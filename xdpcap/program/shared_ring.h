// SPDX-License-Identifier: BSD-3-Clause
//
// A ring of our own in memory that capture programs and user space share: Transport::Shared.
//
//     value of an array that can be mapped (BPF_F_MMAPABLE), one for each CPU:
//
//     page 0      producer: where the next record goes      written by capture programs
//                 busy                                          "
//                 consumer: up to where space was given back   written by the reader
//     then        8 bytes nobody uses, so that a packet's bytes, behind a header of 24, lie at a multiple of 32
//                 the ring's bytes: records, each a multiple of 32 long
//                 slack, for the end of a record that starts near the end of the ring
//
// Positions only grow; modulo the ring's size they are places.  Only one program runs on a CPU at a time, so there is
// one producer and one consumer, and no lock: a record is filled, and then the producer's position moved over it.
// What the reader finds before that position is complete.  Places after the ring's end are never a record's start:
// the record behind one that goes over the end starts at the next multiple of the ring's size.
//
//     place   0        96       192                    8160      8192 = the ring's size
//     record  |  first |  second |         ...          | last, ends in the slack at 8256
//     position of the next: 8192, place 0
//
// A program that finds `busy` set has interrupted another on its CPU, which XDP programs do not do; if one ever did, its
// packet would be lost, and counted.  Kernels with PREEMPT_RT may switch between two in the middle, which `busy` does not
// withstand: there this transport is taken only if asked for.
//
// Cost: none of the helpers of a BPF ring buffer, whose lock, checks and wake-up are a quarter of what a small packet
// costs there (docs/performance.md).
// Limits: Linux 5.18 (bpf_xdp_load_bytes) on little-endian machines; rings up to 256 MiB, on kernels before
// 6.0 up to 2 MiB: where a ring is larger, size classes are taken.
// Source: Linux v6.18 kernel/bpf/arraymap.c array_map_alloc(), array_map_mmap().
// Tested by: xdpcap/tests/kernel/hook/transport_test.cc, xdpcap/tests/ring/shared_ring_reader_test.cc.

#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "xdpcap/program/abi.h"

namespace xdpcap {

/// The start of a CPU's value.
struct SharedRingControl {
  std::uint64_t producer;
  std::uint64_t busy;
  alignas(64) std::uint64_t consumer;
};
static_assert(offsetof(SharedRingControl, consumer) == 64);

inline constexpr std::uint64_t kSharedRecordAlignment = 32;

/// Where things lie in a CPU's value.
struct SharedRingLayout {
  std::uint64_t data_offset_bytes = 0;
  std::uint64_t ring_bytes = 0;
  std::uint64_t value_bytes = 0;  ///< whole pages
};

/// The verifier follows no offset of half a gigabyte.
inline constexpr std::uint64_t kMostSharedRingBytes = std::uint64_t{256} << 20;

/// Bytes of the ring that a record takes.
constexpr std::uint64_t shared_record_bytes(std::uint64_t captured_bytes) {
  return (sizeof(abi::RecordHeader) + captured_bytes + kSharedRecordAlignment - 1) /
         kSharedRecordAlignment * kSharedRecordAlignment;
}

/// Units: `ring_bytes` is a power of two of whole pages.
inline SharedRingLayout shared_ring_layout(std::uint64_t ring_bytes) {
  const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t data_offset_bytes = page_bytes + 8;
  const std::uint64_t end_bytes =
      data_offset_bytes + ring_bytes + shared_record_bytes(abi::kMaxCapturedBytes);
  return {.data_offset_bytes = data_offset_bytes,
          .ring_bytes = ring_bytes,
          .value_bytes = (end_bytes + page_bytes - 1) / page_bytes * page_bytes};
}

/// The position behind a record at `position` of `record_bytes`.
constexpr std::uint64_t position_behind(std::uint64_t position, std::uint64_t record_bytes,
                                        std::uint64_t ring_bytes) {
  const std::uint64_t place = position & (ring_bytes - 1);
  return position - place + (place + record_bytes < ring_bytes ? place + record_bytes : ring_bytes);
}

}  // namespace xdpcap
