// SPDX-License-Identifier: BSD-3-Clause
//
// A network namespace of a test's own, with a veth pair.
//
//     NetNamespace net;                       // unshared, bound to /run/netns/NAME
//     net.run("ip link set xc0 mtu 9000");    // a shell command inside; `nsenter --net=` does the
//     same
//     {
//       auto inside = net.enter();            // this thread, until the end of the block
//       ...
//     }
//
// The pair is xc0 and xc1, both up, with no addresses, so that no packet travels that the test did
// not send.  Everything is gone with the object.  Needs root and iproute2; every failure aborts the
// test program with a message.

#pragma once

#include <base/unique_fd.h>

#include <cstdint>
#include <string>

namespace xdpcap::test {

struct NetOptions {
  std::uint32_t mtu = 1500;
  std::uint32_t queues = 1;  ///< receive and transmit queues of each end
};

class NetNamespace {
 public:
  /// While it exists, the thread that made it is in the namespace.
  class Inside {
   public:
    explicit Inside(int namespace_fd);
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    ~Inside();

   private:
    UniqueFd previous_;
  };

  explicit NetNamespace(const NetOptions& options = {});
  NetNamespace(const NetNamespace&) = delete;
  NetNamespace& operator=(const NetNamespace&) = delete;
  ~NetNamespace();

  [[nodiscard]] Inside enter() const { return Inside(fd_.get()); }
  /// Runs a shell command in the namespace; its failure aborts.
  void run(const std::string& command) const;

  const std::string& name() const { return name_; }
  std::string path() const { return "/run/netns/" + name_; }      ///< for nsenter --net=
  std::uint32_t left_ifindex() const { return left_ifindex_; }    ///< xc0
  std::uint32_t right_ifindex() const { return right_ifindex_; }  ///< xc1

 private:
  std::string name_;
  UniqueFd fd_;
  std::uint32_t left_ifindex_ = 0;
  std::uint32_t right_ifindex_ = 0;
};

/// Runs a shell command; its failure aborts the test program.
void run_command(const std::string& command);

}  // namespace xdpcap::test
