// SPDX-License-Identifier: BSD-3-Clause
//
// What a capture and its guardian say to each other: a kind, text fields, and descriptors, as one packet of a Unix socket.
//
//     kind (1 byte) | field 0x00 field 0x00 ...                       descriptors as SCM_RIGHTS
//
// Source: unix(7), cmsg(3).
// Tested by: tests/unit/guard/message_test.cc.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernel/result.h"
#include "kernel/unique_fd.h"

namespace xdpcap {

enum class MessageKind : std::uint8_t {
  Start = 1,  ///< to the guardian: whom to guard, with the descriptors of chain and hook
  Programs,   ///< to the guardian: ExplanationParts; fields: the actions of the programs, by number
  Explain,    ///< to the guardian: say why nothing has been captured
  Leave,      ///< to the guardian: take the capture out of the hook
  Ready,      ///< to the capture: Start is done
  Left,       ///< to the capture: Leave is done; a field: what went wrong
  Notice,     ///< to the capture: a sentence for the user
  End,        ///< to the capture: end; fields: why, and whether that is a failure ("1")
  Parts,      ///< to whoever asks: the descriptors of a chain
};

struct Message {
  MessageKind kind = MessageKind::Notice;
  std::vector<std::string> fields;
  std::vector<UniqueFd> descriptors;
};

inline constexpr std::size_t kMostMessageBytes = 16384;
inline constexpr std::size_t kMostMessageDescriptors = 64;

/// A pair of sockets for messages, closed on exec.
Result<std::pair<UniqueFd, UniqueFd>> make_message_sockets();

/// Sends one; never waits.  Fields must have no zero byte, and are cut to fit.
/// Errors: Io.
Result<void> send_message(int socket_fd, MessageKind kind,
                          const std::vector<std::string>& fields = {},
                          const std::vector<int>& descriptors = {});

/// Receives one; nullopt when the other end is closed.
/// Errors: Busy when none came in time; InvalidArgument when it is none; Io.
Result<std::optional<Message>> receive_message(int socket_fd, std::chrono::milliseconds most);

}  // namespace xdpcap
