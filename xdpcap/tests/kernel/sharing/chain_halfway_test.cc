// SPDX-License-Identifier: BSD-3-Clause
//
// Each state between two steps of entering, replacing and leaving, in which a process may have been killed, made by hand.

#include <sys/mman.h>

#include <optional>

#include "xdpcap/kernel/map.h"
#include "xdpcap/sharing/chain.h"
#include "xdpcap/tests/kernel/sharing/chain_rig.h"

namespace xdpcap {
namespace {

using test::ForeignProgram;
using test::kPassSlot;
using test::received;
using Rig = test::ChainRig;

class ChainHalfwayTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { test::require_root(); }
};

/// The parts of a capture of XDPPass, changed one by one.
struct Parts {
  explicit Parts(const Rig& hook_rig, const Chain& one)
      : rig(hook_rig),
        chain(one),
        memory(map_pages(one.state_fd(), chain::kStateBytes, PROT_READ | PROT_WRITE, 0).value()) {}

  void bit(std::uint32_t position, bool is_set) const {
    std::uint32_t& bits = static_cast<chain::ChainState*>(memory.get())->entered[kPassSlot];
    bits = is_set ? bits | 1U << position : bits & ~(1U << position);
  }
  void bit(bool is_set) const { bit(chain.position(), is_set); }
  bool is_front() const {
    return program_in_slot(rig.map.get(), kPassSlot).value() ==
           program_in_slot(chain.programs_fd(), place(chain.position())).value();
  }
  // Filters by another program; the one before.
  UniqueFd replace(HookCapture& capture) const {
    UniqueFd old = chain.open_program_of(chain.position(), Action::Pass).value();
    EXPECT_TRUE(capture.replace_filter(test::constant_filter(0)));
    return old;
  }
  void no_array(std::uint32_t position) const {
    ASSERT_TRUE(remove_program(chain.programs_fd(), place(position)));
  }
  void no_array() const { no_array(chain.position()); }
  std::string pin_name() const { return fmt::format("{}/{}", chain.position(), kPassSlot); }
  void pin(int fd) const { ASSERT_TRUE(chain.directory().pin(pin_name(), fd)); }
  void no_pin() const { chain.directory().remove_pin(pin_name()); }
  void no_foreign_pin() const {
    chain.directory().remove_pin(fmt::format("foreign-{}", kPassSlot));
  }
  void slot(int fd) const { ASSERT_TRUE(put_program(rig.map.get(), kPassSlot, fd)); }
  // Holds the program that would be there without this capture, if any.
  void slot_without_this_one() const {
    for (std::uint32_t position = 0; position <= chain::kForeignPosition; ++position) {
      const Result<UniqueFd> program = chain.open_program_of(position, Action::Pass);
      if (position != chain.position() && program) {
        slot(program->get());
        return;
      }
    }
    ASSERT_TRUE(remove_program(rig.map.get(), kPassSlot));
  }
  static std::uint32_t place(std::uint32_t position) {
    return chain::program_key(Action::Pass, position);
  }

  const Rig& rig;
  const Chain& chain;
  Mapping memory;
};

struct Halfway {
  const char* what;
  void (*make)(const Parts& parts, HookCapture& capture);
};

void before_slot(const Parts& parts) {
  if (parts.is_front()) {
    parts.slot_without_this_one();
  }
}

const Halfway kHalfway[] = {
    {"in the slot", [](const Parts&, HookCapture&) {}},
    {"entering: in the chain, not in the slot",
     [](const Parts& parts, HookCapture&) { before_slot(parts); }},
    {"entering: in its place, and pinned; or leaving: out of the slot",
     [](const Parts& parts, HookCapture&) {
       before_slot(parts);
       parts.bit(false);
     }},
    {"entering: in its place, not pinned",
     [](const Parts& parts, HookCapture&) {
       before_slot(parts);
       parts.bit(false);
       parts.no_pin();
     }},
    {"entering: it has a place, no more; or leaving: only the place is left",
     [](const Parts& parts, HookCapture&) {
       before_slot(parts);
       parts.bit(false);
       parts.no_pin();
       parts.no_array();
     }},
    {"leaving: out of the chain, still in the slot",
     [](const Parts& parts, HookCapture&) { parts.bit(false); }},
    {"leaving: out of its place, still pinned",
     [](const Parts& parts, HookCapture&) {
       before_slot(parts);
       parts.bit(false);
       parts.no_array();
     }},
    {"replacing: the new one in its place, the old one in the slot and pinned",
     [](const Parts& parts, HookCapture& capture) {
       const UniqueFd old = parts.replace(capture);
       parts.pin(old.get());
       if (parts.is_front()) {
         parts.slot(old.get());
       }
     }},
    {"replacing: the new one in its place and the slot, the old one pinned",
     [](const Parts& parts, HookCapture& capture) { parts.pin(parts.replace(capture).get()); }},
    {"replacing: the new one in its place and the slot, none pinned",
     [](const Parts& parts, HookCapture& capture) {
       static_cast<void>(parts.replace(capture));
       parts.no_pin();
     }},
};

/// Who else is there.
struct Company {
  const char* what;
  bool has_front;    ///< a living capture that is called before the dead one
  bool has_behind;   ///< one that is called after it
  bool has_foreign;  ///< another tool's program
};
constexpr Company kCompany[] = {{"alone", false, false, false},
                                {"a foreign program", false, false, true},
                                {"one behind", false, true, false},
                                {"one in front", true, false, false},
                                {"all of them", true, true, true}};

/// One case: whoever lives sees each packet once before and after the dead one is taken out.
class HalfwayCase {
 public:
  HalfwayCase(const Company& company, const Halfway& halfway) : foreign_(rig_) {
    if (company.has_foreign) {
      foreign_.put();
    }
    has_foreign_ = company.has_foreign;
    if (company.has_behind) {
      living_.push_back(rig_.capture({Action::Pass}).value());
    }
    std::optional<HookCapture> keeps_place;  // behind the one in front
    if (company.has_front) {
      keeps_place.emplace(rig_.capture({Action::Pass}).value());
      living_.push_back(rig_.capture({Action::Pass}).value());
    }
    keeps_place.reset();
    rig_.die_capturing({Action::Pass}, [&](HookCapture& capture) {
      EXPECT_EQ(capture.chain()->position() + 1, company.has_behind ? 7U : 8U);
      halfway.make(Parts(rig_, *capture.chain()), capture);
    });
  }
  void check() {
    send("before");
    if (living_.empty()) {
      std::vector<std::string> notes;
      static_cast<void>(Chain::join(rig_.hook, {.actions = {Action::Drop}}, notes).value());
    } else {
      EXPECT_FALSE(living_.front().chain()->remove_dead().empty());
      EXPECT_EQ(rig_.chain().members().size(), living_.size());
    }
    send("after");
    living_.clear();
    const std::optional<std::uint32_t> holder = rig_.hook.holder(Action::Pass).value();
    EXPECT_EQ(holder, has_foreign_ ? std::optional(foreign_.id) : std::nullopt);
    EXPECT_FALSE(std::filesystem::exists(ChainDirectory::path_for(rig_.hook.path())));
  }

 private:
  void send(const char* when) {
    rig_.send();
    ++packets_;
    for (const HookCapture& one : living_) {
      EXPECT_EQ(received(one), packets_) << when;
    }
    if (has_foreign_) {
      EXPECT_EQ(foreign_.received(), packets_) << when;
    }
  }
  Rig rig_;
  ForeignProgram foreign_;
  bool has_foreign_ = false;
  std::vector<HookCapture> living_;
  std::uint64_t packets_ = 0;
};

TEST_F(ChainHalfwayTest, LeavesFromEveryHalfwayState) {
  for (const Company& company : kCompany) {
    for (const Halfway& halfway : kHalfway) {
      SCOPED_TRACE(fmt::format("{}; {}", company.what, halfway.what));
      HalfwayCase(company, halfway).check();
    }
  }
}

// The steps about the foreign program, of the first that enters and of the last that leaves.
TEST_F(ChainHalfwayTest, TheForeignProgramIsInItsSlotFromEveryHalfwayState) {
  const Halfway cases[] = {
      {"entering: it is called last, and still in the slot",
       [](const Parts& parts, HookCapture&) {
         parts.slot_without_this_one();
         parts.bit(false);
         parts.no_pin();
         parts.no_array();
       }},
      {"leaving: in the slot, not called last any more",
       [](const Parts& parts, HookCapture&) {
         parts.slot_without_this_one();
         parts.bit(false);
         parts.bit(chain::kForeignPosition, false);
       }},
      {"leaving: in the slot, not in its place",
       [](const Parts& parts, HookCapture&) {
         parts.slot_without_this_one();
         parts.bit(false);
         parts.bit(chain::kForeignPosition, false);
         parts.no_array(chain::kForeignPosition);
       }},
      {"leaving: in the slot, not pinned",
       [](const Parts& parts, HookCapture&) {
         parts.slot_without_this_one();
         parts.bit(false);
         parts.bit(chain::kForeignPosition, false);
         parts.no_array(chain::kForeignPosition);
         parts.no_foreign_pin();
       }},
  };
  for (const Halfway& halfway : cases) {
    SCOPED_TRACE(halfway.what);
    HalfwayCase({.what = "", .has_front = false, .has_behind = false, .has_foreign = true}, halfway)
        .check();
  }
}

}  // namespace
}  // namespace xdpcap
