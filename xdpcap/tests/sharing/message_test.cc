// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/sharing/message.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>

namespace xdpcap {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAtOnce(0);
constexpr std::size_t kMostTextBytes = 65534;

/// Two ends.
struct Sockets {
  std::pair<UniqueFd, UniqueFd> ends = make_message_sockets().value();
  int left() const { return ends.first.get(); }
  int right() const { return ends.second.get(); }
  void close_left() { ends.first.reset(); }
  // One message that has come.
  Message receive() const {
    Result<std::optional<Message>> message = receive_message(right(), kAtOnce);
    EXPECT_TRUE(message && *message);
    return message && *message ? *std::move(*message) : Message{};
  }
};

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

TEST(Message, TextArrivesAsItWasSent) {
  const Sockets sockets;
  for (const std::string& text :
       {std::string(), std::string("a"), std::string("two\nlines\x01\xff"), std::string("a\0b", 3),
        std::string(kMostTextBytes, 'x')}) {
    ASSERT_TRUE(send_message(sockets.left(), MessageKind::Notice, text));
    const Message message = sockets.receive();
    EXPECT_EQ(message.kind, MessageKind::Notice);
    EXPECT_EQ(message.text.value(), text);
  }
}

TEST(Message, MessagesStayApartAndInOrder) {
  const Sockets sockets;
  const auto kinds = {MessageKind::Enter, MessageKind::Leave, MessageKind::End};
  for (const MessageKind kind : kinds) {
    ASSERT_TRUE(send_message(sockets.left(), kind, "one"));
  }
  for (const MessageKind kind : kinds) {
    EXPECT_EQ(sockets.receive().kind, kind);
  }
  EXPECT_EQ(receive_message(sockets.right(), kAtOnce).error().code, Errc::Busy);
}

TEST(Message, OfALongTextTheBeginningIsKept) {
  const Sockets sockets;
  ASSERT_TRUE(send_message(sockets.left(), MessageKind::Notice,
                           "begin" + std::string(kMostTextBytes, 'x') + "end"));
  const std::string text = sockets.receive().text.value();
  EXPECT_EQ(text.size(), kMostTextBytes);
  EXPECT_TRUE(text.starts_with("begin"));
}

TEST(Message, TheOtherEndIsClosed) {
  Sockets sockets;
  ASSERT_TRUE(send_message(sockets.left(), MessageKind::Leave));
  sockets.close_left();
  EXPECT_EQ(sockets.receive().kind, MessageKind::Leave) << "what it had said is read first";
  for (int i = 0; i < 2; ++i) {
    const auto message = receive_message(sockets.right(), kAtOnce);
    ASSERT_TRUE(message);
    EXPECT_FALSE(*message);
  }
  // No SIGPIPE.
  const Result<void> sent = send_message(sockets.right(), MessageKind::Done);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, Errc::Io);
}

// What was not read is lost with the reader, and its end still an end.
TEST(Message, TheOtherEndIsClosedWithMessagesUnread) {
  Sockets sockets;
  ASSERT_TRUE(send_message(sockets.right(), MessageKind::Notice, "unread"));
  sockets.close_left();
  const auto message = receive_message(sockets.right(), kAtOnce);
  ASSERT_TRUE(message);
  EXPECT_FALSE(*message);
}

TEST(Message, SendingNeverWaitsForAReader) {
  const Sockets sockets;
  Result<void> sent;
  for (int count = 0; sent && count < 100'000; ++count) {
    sent = send_message(sockets.left(), MessageKind::Notice, std::string(10'000, 'x'));
  }
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, Errc::Io);
  EXPECT_EQ(sent.error().sys_errno, EAGAIN);
}

TEST(Message, WaitsAsLongAsItIsTold) {
  const Sockets sockets;
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(receive_message(sockets.right(), milliseconds(60)).error().code, Errc::Busy);
  EXPECT_GE(std::chrono::steady_clock::now() - before, milliseconds(55));
}

TEST(Message, Garbage) {
  const Sockets sockets;
  for (const std::string& bytes :
       {std::string(1, '\0'), std::string("\xff"), std::string("\x07\0\0a", 4),
        std::string("\x07\x01"), std::string("\x07\x01\n"), std::string("\x07\xff words"),
        std::string(kMostTextBytes, '\0'), std::string(kMostTextBytes + 100, 'x')}) {
    ASSERT_EQ(::send(sockets.left(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
    const Message message = sockets.receive();
    EXPECT_EQ(static_cast<char>(message.kind), bytes[0]);
  }
}

// A process that was taken over may send some.
TEST(Message, DescriptorsAreNotTaken) {
  constexpr std::size_t kMany = 5;
  const Sockets sockets;
  const std::size_t before = open_descriptors();
  const std::array<int, kMany> many{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMany * sizeof(int))> control{};
  char body = 1;
  iovec vector{.iov_base = &body, .iov_len = 1};
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  cmsghdr* const part = CMSG_FIRSTHDR(&header);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof(many));
  std::memcpy(CMSG_DATA(part), many.data(), sizeof(many));
  ASSERT_EQ(::sendmsg(sockets.left(), &header, 0), 1);
  EXPECT_EQ(sockets.receive().kind, MessageKind::Enter);
  EXPECT_EQ(open_descriptors(), before);
  ASSERT_TRUE(send_message(sockets.left(), MessageKind::Leave));
  EXPECT_EQ(sockets.receive().kind, MessageKind::Leave) << "the next one is whole";
}

TEST(Message, SocketsCloseOnExec) {
  const Sockets sockets;
  EXPECT_EQ(::fcntl(sockets.left(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(::fcntl(sockets.right(), F_GETFD), FD_CLOEXEC);
}

TEST(Message, ErrorsArriveAsTheyWereSent) {
  const Sockets sockets;
  for (const Error& error :
       {Error{.code = Errc::VerifierRejected, .message = "refused", .detail = "a log\nof two\n"},
        Error{.code = Errc::Busy, .message = "", .detail = ""},
        Error{.code = Errc::InvalidArgument, .message = "m", .detail = ""},
        Error{.code = Errc::Io, .message = "", .detail = "d"}}) {
    ASSERT_TRUE(send_message(sockets.left(), MessageKind::End, std::unexpected(error)));
    const Message message = sockets.receive();
    EXPECT_EQ(message.kind, MessageKind::End);
    ASSERT_FALSE(message.text);
    EXPECT_EQ(message.text.error().code, error.code);
    EXPECT_EQ(message.text.error().message, error.message);
    EXPECT_EQ(message.text.error().detail, error.detail);
  }
}

TEST(Message, OfALongLogTheEndIsKept) {
  const Sockets sockets;
  const std::string log = fmt::format("{:x>1000000}the reason", "");
  ASSERT_TRUE(send_message(sockets.left(), MessageKind::Done,
                           fail(Errc::VerifierRejected, "load", 0, log)));
  const Message message = sockets.receive();
  ASSERT_FALSE(message.text);
  EXPECT_EQ(message.text.error().message, "load");
  EXPECT_TRUE(message.text.error().detail.ends_with("the reason"));
}

}  // namespace
}  // namespace xdpcap
