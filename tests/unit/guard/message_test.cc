// SPDX-License-Identifier: BSD-3-Clause

#include "guard/message.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <iterator>

namespace xdpcap {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr milliseconds kAtOnce(0);

/// Two ends.
struct Sockets {
  std::pair<UniqueFd, UniqueFd> ends = make_message_sockets().value();
  int left() const { return ends.first.get(); }
  int right() const { return ends.second.get(); }
  void close_left() { ends.first.reset(); }
};

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

void send_raw(int fd, std::string_view bytes) {
  ASSERT_EQ(::send(fd, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
}

TEST(Message, FieldsArriveAsTheyWereSent) {
  const Sockets sockets;
  const std::vector<std::vector<std::string>> cases = {
      {},       {""},           {"a"},
      {"", ""}, {"a", "", "b"}, {"two words", "\n\x01\xff", std::string(5000, 'x')}};
  for (const std::vector<std::string>& fields : cases) {
    ASSERT_TRUE(send_message(sockets.left(), MessageKind::Notice, fields));
    const auto message = receive_message(sockets.right(), kAtOnce);
    ASSERT_TRUE(message && *message);
    EXPECT_EQ((*message)->kind, MessageKind::Notice);
    EXPECT_EQ((*message)->fields, fields);
    EXPECT_THAT((*message)->descriptors, IsEmpty());
  }
}

TEST(Message, MessagesStayApartAndInOrder) {
  const Sockets sockets;
  for (const MessageKind kind : {MessageKind::Start, MessageKind::Leave, MessageKind::End}) {
    ASSERT_TRUE(send_message(sockets.left(), kind, {"one"}));
  }
  for (const MessageKind kind : {MessageKind::Start, MessageKind::Leave, MessageKind::End}) {
    const auto message = receive_message(sockets.right(), kAtOnce);
    ASSERT_TRUE(message && *message);
    EXPECT_EQ((*message)->kind, kind);
  }
  EXPECT_EQ(receive_message(sockets.right(), kAtOnce).error().code, Errc::Busy);
}

TEST(Message, DescriptorsArriveInOrderAndCloseOnExec) {
  const Sockets sockets;
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  ASSERT_TRUE(send_message(sockets.left(), MessageKind::Parts, {}, {pipe[0], pipe[1]}));
  ::close(pipe[0]);
  ::close(pipe[1]);
  const auto message = receive_message(sockets.right(), kAtOnce);
  ASSERT_TRUE(message && *message);
  const std::vector<UniqueFd>& got = (*message)->descriptors;
  ASSERT_EQ(got.size(), 2U);
  for (const UniqueFd& fd : got) {
    EXPECT_EQ(::fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
  }
  ASSERT_EQ(::write(got[1].get(), "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(::read(got[0].get(), &byte, 1), 1);
}

TEST(Message, AsManyDescriptorsAsThereIsRoomFor) {
  const Sockets sockets;
  const std::vector<int> many(kMostMessageDescriptors + 1, STDIN_FILENO);
  ASSERT_TRUE(send_message(sockets.left(), MessageKind::Parts, {}, many));
  const auto message = receive_message(sockets.right(), kAtOnce);
  ASSERT_TRUE(message && *message);
  EXPECT_EQ((*message)->descriptors.size(), kMostMessageDescriptors);
}

TEST(Message, LongFieldsAreCut) {
  const Sockets sockets;
  const std::string text(kMostMessageBytes, 'x');
  ASSERT_TRUE(send_message(sockets.left(), MessageKind::Notice, {"first", text, "last"}));
  const auto message = receive_message(sockets.right(), kAtOnce);
  ASSERT_TRUE(message && *message);
  const std::size_t room = kMostMessageBytes - sizeof("first") - 2;
  EXPECT_THAT((*message)->fields, ElementsAre("first", std::string(room, 'x')));
}

TEST(Message, TheOtherEndIsClosed) {
  Sockets sockets;
  ASSERT_TRUE(send_message(sockets.left(), MessageKind::Leave));
  sockets.close_left();
  EXPECT_TRUE(*receive_message(sockets.right(), kAtOnce)) << "what it had said is read first";
  for (int i = 0; i < 2; ++i) {
    const auto message = receive_message(sockets.right(), kAtOnce);
    ASSERT_TRUE(message);
    EXPECT_FALSE(*message);
  }
  // No SIGPIPE.
  const Result<void> sent = send_message(sockets.right(), MessageKind::Left);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, Errc::Io);
}

TEST(Message, NobodyWaitsForAReader) {
  const Sockets sockets;
  Result<void> sent;
  int count = 0;
  for (; sent && count < 100'000; ++count) {
    sent = send_message(sockets.left(), MessageKind::Notice, {std::string(10'000, 'x')});
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
  const struct {
    std::string bytes;
    std::uint8_t kind;
    std::vector<std::string> fields;
  } cases[] = {
      {std::string(1, '\0'), 0, {}},
      {"\xff", 255, {}},
      {"\x07no end", 7, {"no end"}},
      {std::string("\x07\0\0a", 4), 7, {"", "", "a"}},
      {std::string(kMostMessageBytes, '\0'), 0,
       std::vector<std::string>(kMostMessageBytes - 1, std::string())},
  };
  for (const auto& one : cases) {
    send_raw(sockets.left(), one.bytes);
    const auto message = receive_message(sockets.right(), kAtOnce);
    ASSERT_TRUE(message && *message);
    EXPECT_EQ(static_cast<std::uint8_t>((*message)->kind), one.kind);
    EXPECT_EQ((*message)->fields, one.fields);
  }
}

// A message that does not fit, in bytes or in descriptors, is none; and what came of it is closed.
TEST(Message, TooLong) {
  const Sockets sockets;
  const std::size_t before = open_descriptors();
  send_raw(sockets.left(), std::string(kMostMessageBytes + 1, 'x'));
  EXPECT_EQ(receive_message(sockets.right(), kAtOnce).error().code, Errc::InvalidArgument);
  const std::vector<int> many(kMostMessageDescriptors + 3, STDIN_FILENO);
  alignas(cmsghdr) std::array<char, CMSG_SPACE((kMostMessageDescriptors + 3) * sizeof(int))>
      control{};
  char body = 1;
  iovec vector{.iov_base = &body, .iov_len = 1};
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = CMSG_SPACE(many.size() * sizeof(int));
  cmsghdr* const part = CMSG_FIRSTHDR(&header);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(many.size() * sizeof(int));
  std::memcpy(CMSG_DATA(part), many.data(), many.size() * sizeof(int));
  ASSERT_EQ(::sendmsg(sockets.left(), &header, 0), 1);
  EXPECT_EQ(receive_message(sockets.right(), kAtOnce).error().code, Errc::InvalidArgument);
  EXPECT_EQ(open_descriptors(), before);
  ASSERT_TRUE(send_message(sockets.left(), MessageKind::Leave));
  EXPECT_TRUE(*receive_message(sockets.right(), kAtOnce)) << "the next one is whole";
}

TEST(Message, SocketsCloseOnExec) {
  const Sockets sockets;
  EXPECT_EQ(::fcntl(sockets.left(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(::fcntl(sockets.right(), F_GETFD), FD_CLOEXEC);
}

}  // namespace
}  // namespace xdpcap
