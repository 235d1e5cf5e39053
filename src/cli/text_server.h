// SPDX-License-Identifier: BSD-3-Clause
//
// Gives a text to whoever connects to a Unix socket: `curl --unix-socket PATH http://localhost/metrics`.
//
// A thread of its own accepts one client after the other; each has a second to ask and a second to read.  A request
// that starts with GET is answered as HTTP/1.1, anything else, or silence, with the bare text.
//
// Source: RFC 9112.
// Tested by: tests/unit/cli/text_server_test.cc.

#pragma once

#include <cbpfc/result.h>

#include <memory>
#include <string>

namespace xdpcap::cli {

class TextServer {
 public:
  /// Listens at `path`, which is made, or taken over from a server that has died.
  /// Errors: Errc::Busy when somebody listens there, or it is no socket; InvalidArgument when the path is too long;
  /// Errc::Io.
  static cbpfc::Result<TextServer> listen(const std::string& path);

  TextServer(TextServer&&) noexcept;
  TextServer& operator=(TextServer&&) = delete;
  TextServer(const TextServer&) = delete;
  TextServer& operator=(const TextServer&) = delete;
  ~TextServer();  ///< takes the socket away

  /// What clients get from now on.  Thread-safe.
  void set_text(std::string text);

 private:
  class Service;
  explicit TextServer(std::unique_ptr<Service> service);
  std::unique_ptr<Service> service_;
};

}  // namespace xdpcap::cli
