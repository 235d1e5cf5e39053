// SPDX-License-Identifier: BSD-3-Clause

#include "fragment.h"

#include <fmt/format.h>

#include <utility>

namespace cbpfc {

ebpf::Cmp inverse(ebpf::Cmp condition) {
  switch (condition) {
    case ebpf::Cmp::Equal: return ebpf::Cmp::NotEqual;
    case ebpf::Cmp::NotEqual: return ebpf::Cmp::Equal;
    case ebpf::Cmp::Greater: return ebpf::Cmp::LessEqual;
    case ebpf::Cmp::LessEqual: return ebpf::Cmp::Greater;
    case ebpf::Cmp::Less: return ebpf::Cmp::GreaterEqual;
    case ebpf::Cmp::GreaterEqual: return ebpf::Cmp::Less;
    case ebpf::Cmp::Any: break;
  }
  std::unreachable();
}

template <typename JumpIf>
void Fragment::leave(ebpf::Cmp condition, const JumpIf& jump_if) {
  if (!jumps_to_go_on_) {
    jump_if(condition, no_match());
    return;
  }
  const std::string go_on = fmt::format("{}_on_{}", options.label_prefix, labels_++);
  jump_if(inverse(condition), go_on);
  code.jump(no_match());
  code.label(go_on);
}

void Fragment::leave_if(ebpf::Cmp condition, ebpf::Reg left, ebpf::Reg right) {
  leave(condition, [&](ebpf::Cmp holds, const std::string& target) {
    code.jump_if(holds, left, right, target);
  });
}

void Fragment::leave_if(ebpf::Cmp condition, ebpf::Reg left, std::int32_t right) {
  leave(condition, [&](ebpf::Cmp holds, const std::string& target) {
    code.jump_if(holds, left, right, target);
  });
}

void Fragment::leave_if32(ebpf::Cmp condition, ebpf::Reg left, std::uint32_t right) {
  leave(condition, [&](ebpf::Cmp holds, const std::string& target) {
    code.jump_if32(holds, left, right, target);
  });
}

void Fragment::copy_unseen(ebpf::Reg dst, ebpf::Reg src, std::uint32_t addend) {
  code.add(ebpf::mov32(dst, addend));
  code.add(ebpf::alu32(ebpf::Alu::Add, dst, src));
}

}  // namespace cbpfc
