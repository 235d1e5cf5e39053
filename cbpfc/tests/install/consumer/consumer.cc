// SPDX-License-Identifier: BSD-3-Clause
//
// A program of somebody who embeds a filter into an XDP program of their own.

#include <cbpfc/compile.h>
#include <cbpfc/pcap_filter.h>

#include <cstdio>

namespace {

cbpfc::Result<std::size_t> fragment_size(const char* expression) {
  const auto program = TRY(cbpfc::compile_expression(expression));
  const cbpfc::Filter filter = TRY(cbpfc::Filter::decode(program));
  return TRY(cbpfc::compile_ebpf(filter, {})).size();
}

}  // namespace

int main() {
  const auto size = fragment_size("ip and udp port 53");
  if (!size) {
    std::fprintf(stderr, "%s\n", size.error().message.c_str());
    return 1;
  }
  std::printf("%zu instructions\n", *size);
  return 0;
}
