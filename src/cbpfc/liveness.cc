// SPDX-License-Identifier: BSD-3-Clause

#include "liveness.h"

#include <ranges>

namespace cbpfc {
namespace {

Places read_at_exit(const Exit& exit) {
  Places places;
  if (const auto* branch = std::get_if<Branch>(&exit)) {
    places.set(place_of(Register::A));
    places.set(place_of(Register::X), branch->operand.is_x);
  } else if (std::holds_alternative<ReturnA>(exit)) {
    places.set(place_of(Register::A));
  }
  return places;
}

}  // namespace

Places read_by(const Step& step) {
  Places places;
  places.set(place_of(Register::A), reads(step, Register::A));
  places.set(place_of(Register::X), reads(step, Register::X));
  if (const auto* load = std::get_if<LoadScratch>(&step)) {
    places.set(load->slot);
  }
  return places;
}

Places written_by(const Step& step) {
  Places places;
  places.set(place_of(Register::A), writes(step, Register::A));
  places.set(place_of(Register::X), writes(step, Register::X));
  if (const auto* store = std::get_if<StoreScratch>(&step)) {
    places.set(store->slot);
  }
  return places;
}

Places live_at_exit(const Block& block, const std::vector<Places>& live_at_entry) {
  Places live = read_at_exit(block.exit);
  for (const BlockId next : successors(block.exit)) {
    live |= live_at_entry[next];
  }
  return live;
}

Places live_before(const Step& step, const Places& live_after) {
  return (live_after & ~written_by(step)) | read_by(step);
}

std::vector<Places> live_at_entry(const Cfg& cfg) {
  std::vector<Places> entry(cfg.blocks.size());
  for (BlockId id = cfg.blocks.size(); id-- > 0;) {
    const Block& block = cfg.blocks[id];
    if (block.reachable) {
      entry[id] = live_at_exit(block, entry);
      for (const Step& step : std::views::reverse(block.steps)) {
        entry[id] = live_before(step, entry[id]);
      }
    }
  }
  return entry;
}

}  // namespace cbpfc
