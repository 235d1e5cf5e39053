// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/ring/record_reader.h"

#include "xdpcap/ring/perf_reader.h"
#include "xdpcap/ring/ring_reader.h"
#include "xdpcap/ring/shared_ring_reader.h"

namespace xdpcap {

Result<RecordReaders> make_readers(const RingSet& rings) {
  RecordReaders readers;
  const SharedRingLayout layout = shared_ring_layout(rings.ring_bytes());
  for (std::size_t cpu = 0; cpu < rings.shared_rings(); ++cpu) {
    SharedRingReader reader =
        TRY(SharedRingReader::map(rings.map_fd(), static_cast<std::uint32_t>(cpu), layout));
    if (cpu == 0) {
      TRY(reader.take_bell(rings.bell_fd()));
    }
    readers.push_back(std::make_unique<SharedRingReader>(std::move(reader)));
  }
  for (const UniqueFd& ring : rings.rings()) {
    readers.push_back(
        std::make_unique<RingReader>(TRY(RingReader::map(ring.get(), rings.ring_bytes()))));
  }
  for (const PerfBuffer& buffer : rings.perf_buffers()) {
    readers.push_back(std::make_unique<PerfReader>(memory_of(buffer)));
  }
  return readers;
}

}  // namespace xdpcap
