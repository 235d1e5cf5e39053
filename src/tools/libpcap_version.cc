// SPDX-License-Identifier: BSD-3-Clause

#include "tools/libpcap_version.h"

#include <pcap/pcap.h>

namespace xdpcap {

std::string_view libpcap_version() {
  return ::pcap_lib_version();
}

}  // namespace xdpcap
