// SPDX-License-Identifier: Apache-2.0
#include "proto/channel/channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "proto/mounter/control.pb.h"

namespace threefs::control {
namespace {

mounter::KeeperRequest Request(const std::string& volume) {
  mounter::KeeperRequest request;
  request.set_id(7);
  request.mutable_status()->set_volume_id(volume);
  return request;
}

std::string SocketPath() { return "/tmp/channel_test_" + std::to_string(::getpid()) + ".sock"; }

TEST(ChannelTest, CarriesMessagesWithTheirDescriptors) {
  auto ends = *Channel::Pair();
  const UniqueFd sent(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const std::vector<int> fds = {sent.get(), sent.get()};
  ASSERT_TRUE(ends.first.Send(Request("a"), fds).ok());
  ASSERT_TRUE(ends.first.Send(Request("b")).ok());
  mounter::KeeperRequest got;
  std::vector<UniqueFd> received;
  ASSERT_EQ(*ends.second.Receive(&got, &received), Received::kMessage);
  EXPECT_EQ(got.status().volume_id(), "a");
  ASSERT_EQ(received.size(), 2U);
  struct stat a{};
  struct stat b{};
  ASSERT_EQ(::fstat(received[1].get(), &a), 0);
  ASSERT_EQ(::fstat(sent.get(), &b), 0);
  EXPECT_EQ(a.st_rdev, b.st_rdev);
  EXPECT_NE(::fcntl(received[1].get(), F_GETFD) & FD_CLOEXEC, 0);
  ASSERT_EQ(*ends.second.Receive(&got, &received), Received::kMessage);
  EXPECT_EQ(got.status().volume_id(), "b");
  EXPECT_TRUE(received.empty());
  EXPECT_EQ(*ends.second.Receive(&got), Received::kNothing);
  ends.first.Close();
  EXPECT_EQ(*ends.second.Receive(&got), Received::kClosed);
}

TEST(ChannelTest, DescriptorsNobodyWantsDoNotLeak) {
  auto ends = *Channel::Pair();
  const UniqueFd sent(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int fd = sent.get();
  mounter::KeeperRequest got;
  const UniqueFd before(::dup(0));
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(ends.first.Send(Request("a"), {&fd, 1}).ok());
    ASSERT_TRUE(ends.second.Receive(&got).ok());
  }
  const UniqueFd after(::dup(0));
  EXPECT_EQ(after.get(), before.get() + 1);
}

TEST(ChannelTest, RefusesWhatIsTooLongOrNotAMessage) {
  auto ends = *Channel::Pair();
  EXPECT_EQ(ends.first.Send(Request(std::string(kMaxMessage, 'x'))).code(), Code::kInvalidArg);
  mounter::KeeperRequest got;
  const std::string noise(1000, '\xff');
  ASSERT_EQ(::write(ends.first.fd(), noise.data(), noise.size()), 1000);
  EXPECT_EQ(ends.second.Receive(&got).code(), Code::kInvalidFormat);
  const std::string longer(kMaxMessage + 1, '\0');
  ASSERT_EQ(::write(ends.first.fd(), longer.data(), longer.size()),
            static_cast<ssize_t>(longer.size()));
  EXPECT_EQ(ends.second.Receive(&got).code(), Code::kInvalidFormat);
}

TEST(ChannelTest, SendFailsInsteadOfBlockingWhenThePeerDoesNotRead) {
  auto ends = *Channel::Pair();
  Status status;
  for (int i = 0; i < 10000 && status.ok(); ++i) {
    status = ends.first.Send(Request(std::string(30000, 'x')));
  }
  EXPECT_EQ(status.code(), Code::kOSError);
}

TEST(ListenerTest, IsPrivateReplacesAStaleFileAndRefusesALivingOne) {
  const std::string path = SocketPath();
  {
    auto listener = Listener::Bind(path);
    ASSERT_TRUE(listener.ok()) << listener.status().ToString();
    struct stat st{};
    ASSERT_EQ(::stat(path.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600U);
    EXPECT_FALSE(listener->Accept()->valid());
    EXPECT_FALSE(Listener::Bind(path).ok());
    EXPECT_TRUE(listener->Accept()->valid());  // the probe of the refused one
    auto client = Channel::Connect(path);
    ASSERT_TRUE(client.ok());
    auto server = listener->Accept();
    ASSERT_TRUE(server->valid());
    EXPECT_EQ(*server->PeerUid(), ::geteuid());
  }
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
  {
    const UniqueFd stale(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    EXPECT_TRUE(Listener::Bind(path).ok());
  }
  EXPECT_EQ(Listener::Bind(std::string(200, 'x')).status().code(), Code::kInvalidArg);
}

}  // namespace
}  // namespace threefs::control
