// SPDX-License-Identifier: BSD-3-Clause
//
// What a capture and its guardian say to each other: a kind, and a text or an error, as one packet of a Unix socket.  No descriptors.
//
// Source: unix(7).
// Tested by: xdpcap/tests/sharing/message_test.cc.

#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"

namespace xdpcap {

enum class MessageKind : char {
  // To the guardian:
  Enter = 1,  ///< fill the slots
  Leave,      ///< take the capture out of the hook
  Explain,    ///< say why nothing has been captured
  Filter,  ///< filter by the program in GuardianOptions::filter_fd from now on; text: to be said when that is done
  // To the capture:
  Done,  ///< what was asked for, at the start a place on the hook, with a text for the user; or why it failed
  Notice,  ///< a sentence for the user; an error: why the filter stays as it was
  Missed,  ///< a sentence for the user: packets are not seen from here on
  End,     ///< end, as another process has asked for; an error: because the capture cannot go on
};

struct Message {
  MessageKind kind = MessageKind::Notice;
  Result<std::string> text;
};

/// A pair of sockets for messages, which do not block and are closed on exec.
Result<std::pair<UniqueFd, UniqueFd>> make_message_sockets();

/// Sends one; where the kernel has no memory, tries again for ten milliseconds.  Of a detail that is too long the end is kept.
/// Errors: Io.
Result<void> send_message(int socket_fd, MessageKind kind, const Result<std::string>& text = {});

/// Receives one; nullopt when the other end is closed.
/// Errors: Busy when none came in time; Io.
Result<std::optional<Message>> receive_message(int socket_fd, std::chrono::milliseconds most);

}  // namespace xdpcap
