// SPDX-License-Identifier: BSD-3-Clause
//
// What a capture and its guardian say to each other: a kind and text, as one packet of a Unix socket.  No descriptors.
//
// Source: unix(7).
// Tested by: tests/unit/guard/message_test.cc.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "kernel/result.h"
#include "kernel/unique_fd.h"

namespace xdpcap {

enum class MessageKind : char {
  // To the guardian:
  Enter = 1,  ///< fill the slots
  Leave,      ///< take the capture out of the hook
  Explain,    ///< say why nothing has been captured
  Filter,     ///< filter by the program in Post::filter_fd from now on; its text
  // To the capture:
  Done,    ///< what was asked for; to begin with: there is a place on the hook; text: for the user
  Failed,  ///< what was asked for has failed; text: an error (error_text())
  Filtered,  ///< Filter is done; text: that of the filter
  Refused,   ///< Filter has failed; text: an error
  Notice,    ///< a sentence for the user
  Missed,    ///< the same; packets are not seen from here on
  End,       ///< end, as another process has asked for; text: a sentence
  Broken,    ///< end: the capture cannot go on; text: an error
};

struct Message {
  MessageKind kind = MessageKind::Notice;
  std::string text;
};

inline constexpr std::size_t kMostMessageBytes = 65536;

/// A pair of sockets for messages, which do not block and are closed on exec.
Result<std::pair<UniqueFd, UniqueFd>> make_message_sockets();

/// Sends one; where the kernel has no memory, tries again for ten milliseconds.  Of a text that is too long the end is kept.
/// Errors: Io.
Result<void> send_message(int socket_fd, MessageKind kind, const std::string& text = {});

/// Receives one; nullopt when the other end is closed.
/// Errors: Busy when none came in time; Io.
Result<std::optional<Message>> receive_message(int socket_fd, std::chrono::milliseconds most);

/// An error as text, and back.
std::string error_text(const Error& error);
Error error_of(const std::string& text);

}  // namespace xdpcap
