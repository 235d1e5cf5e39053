// SPDX-License-Identifier: BSD-3-Clause

#include "capture/record_reader.h"

#include "capture/perf_reader.h"
#include "capture/ring_reader.h"

namespace xdpcap {

Result<RecordReaders> make_readers(const RingSet& rings) {
  RecordReaders readers;
  for (const UniqueFd& ring : rings.rings()) {
    readers.push_back(
        std::make_unique<RingReader>(TRY(RingReader::map(ring.get(), rings.ring_bytes()))));
  }
  for (const PerfBuffer& buffer : rings.perf_buffers()) {
    readers.push_back(std::make_unique<PerfReader>(PerfMemory{
        .control = buffer.control(), .data = buffer.data(), .data_bytes = buffer.data_bytes()}));
  }
  return readers;
}

}  // namespace xdpcap
