// The epoll of ScriptedKernel against the one of Linux: every short sequence of events on a Unix
// socket, on both ends of a pipe and on an eventfd, edge- and level-triggered, must be reported
// alike after each step.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sys/system_calls.hpp"
#include "testing/scripted_kernel.hpp"

namespace sluice::testing {
namespace {

constexpr std::uint32_t stream_interest = EPOLLIN | EPOLLOUT | EPOLLRDHUP;
constexpr std::uint64_t word = 0x1234567890abcdef;

enum class Thing { stream, reading_end, writing_end, wakeup };

// One descriptor in an epoll, and its peer: each letter is something that one of them does.
//   s peer sends   r we read all   f we fill it   d peer drains   e peer ends its sending   c peer
//   closes m EPOLL_CTL_MOD
class Scene {
 public:
  Scene(sys::SystemCalls& system, std::uint32_t events) : sys_(&system), events_(events) {}
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;
  virtual ~Scene() = default;

  std::string play(std::string_view letters) {
    begin();
    const int epoll = sys_->epoll_create().value;
    std::string seen = control(epoll, EPOLL_CTL_ADD) + poll(epoll);
    for (const char letter : letters) {
      if (letter == 'm') {
        control(epoll, EPOLL_CTL_MOD);
      } else if (letter == 'r') {
        read_all();
      } else if (letter == 'f') {
        fill();
      } else {
        peer(letter);
      }
      seen += std::string(" ") + letter + ":" + poll(epoll);
    }
    static_cast<void>(sys_->close(epoll));
    end();
    return seen;
  }

 protected:
  virtual void begin() = 0;
  virtual void end() = 0;
  virtual void peer(char letter) = 0;

  sys::SystemCalls* sys_;
  int fd_ = -1;

 private:
  std::string control(int epoll, int operation) {
    epoll_event event{};
    event.events = events_;
    event.data.u64 = word;
    return std::to_string(sys_->epoll_ctl(epoll, operation, fd_, event).error) + " ";
  }
  std::string poll(int epoll) {
    std::array<epoll_event, 4> events{};
    const std::size_t count = sys_->epoll_wait(epoll, events, 0).value;
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t mask = events[i].events;
      text += (mask & EPOLLIN) != 0 ? "I" : "";
      text += (mask & EPOLLOUT) != 0 ? "O" : "";
      text += (mask & EPOLLRDHUP) != 0 ? "R" : "";
      text += (mask & EPOLLHUP) != 0 ? "H" : "";
      text += (mask & EPOLLERR) != 0 ? "E" : "";
      text += events[i].data.u64 == word ? "" : "?";
    }
    return text.empty() ? "-" : text;
  }
  void read_all() {
    std::array<std::byte, 4096> memory{};
    for (sys::Result<std::size_t> got = sys_->read(fd_, memory); got.ok() && got.value > 0;
         got = sys_->read(fd_, memory)) {
    }
  }
  void fill() {
    std::array<std::byte, 8> bytes{std::byte{1}};
    while (sys_->write(fd_, bytes).ok()) {
    }
  }

  std::uint32_t events_;
};

class RealScene final : public Scene {
 public:
  RealScene(sys::SystemCalls& system, Thing thing, std::uint32_t events)
      : Scene(system, events), thing_(thing) {}

 private:
  void begin() override {
    std::array<int, 2> ends{-1, -1};
    if (thing_ == Thing::stream) {
      ASSERT_EQ(0,
                ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()));
      const int smallest = 1;
      ::setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &smallest, sizeof smallest);
    } else if (thing_ == Thing::wakeup) {
      ends[0] = sys_->eventfd().value;
    } else {
      ASSERT_EQ(0, ::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC));
      ::fcntl(ends[1], F_SETPIPE_SZ, 4096);
      if (thing_ == Thing::writing_end) {
        std::swap(ends[0], ends[1]);
      }
    }
    fd_ = ends[0];
    peer_ = ends[1];
  }
  void end() override {
    ::close(fd_);
    close_peer();
  }
  void close_peer() {
    if (peer_ >= 0) {
      ::close(std::exchange(peer_, -1));
    }
  }
  void drain() const {
    std::array<char, 4096> memory{};
    while (::read(peer_, memory.data(), memory.size()) > 0) {
    }
  }
  void peer(char letter) override {
    if (peer_ < 0) {
      return;
    }
    if (letter == 's') {
      static_cast<void>(!::send(peer_, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT));
      if (thing_ == Thing::reading_end) {
        static_cast<void>(!::write(peer_, "x", 1));
      }
    } else if (letter == 'd') {
      drain();
    } else if (letter == 'e') {
      ::shutdown(peer_, SHUT_WR);
    } else if (letter == 'c') {
      if (thing_ != Thing::reading_end) {
        drain();
      }
      close_peer();
    }
  }

  Thing thing_;
  int peer_ = -1;
};

class ScriptedScene final : public Scene {
 public:
  ScriptedScene(ScriptedKernel& kernel, Thing thing, std::uint32_t events)
      : Scene(kernel, events), kernel_(&kernel), thing_(thing) {}

 private:
  static constexpr std::size_t room = 64;

  void begin() override {
    switch (thing_) {
      case Thing::stream:
        fd_ = kernel_->open_stream();
        break;
      case Thing::reading_end:
        fd_ = kernel_->open_read_pipe();
        break;
      case Thing::writing_end:
        fd_ = kernel_->open_write_pipe();
        break;
      case Thing::wakeup:
        fd_ = kernel_->eventfd().value;
        return;
    }
    static_cast<void>(kernel_->set_status_flags(fd_, O_NONBLOCK));
    kernel_->set_room(fd_, room);
    ended_ = gone_ = false;
  }
  void end() override { static_cast<void>(kernel_->close(fd_)); }
  void peer(char letter) override {
    if (gone_ || thing_ == Thing::wakeup) {
      return;
    }
    if (letter == 's' && !ended_ && thing_ != Thing::writing_end) {
      kernel_->deliver(fd_, "x");
    } else if (letter == 'd' && thing_ != Thing::reading_end) {
      kernel_->set_room(fd_, room);
    } else if (letter == 'e' && thing_ == Thing::stream) {
      ended_ = true;
      kernel_->deliver_eof(fd_);
    } else if (letter == 'c') {
      gone_ = true;
      if (thing_ == Thing::reading_end) {
        kernel_->deliver_eof(fd_);
      } else {
        kernel_->set_room(fd_, room);
        kernel_->hang_up(fd_);
      }
    }
  }

  ScriptedKernel* kernel_;
  Thing thing_;
  bool ended_ = false;
  bool gone_ = false;
};

struct Case {
  const char* name;
  Thing thing;
  std::uint32_t events;
  std::string_view letters;
};

class ScriptedEpoll : public ::testing::TestWithParam<Case> {};

TEST_P(ScriptedEpoll, ReportsWhatLinuxReports) {
  const Case& tested = GetParam();
  const auto real_system = sys::linux_system_calls();
  ScriptedKernel kernel;
  RealScene real(*real_system, tested.thing, tested.events);
  ScriptedScene scripted(kernel, tested.thing, tested.events);
  constexpr std::size_t length = 4;
  std::size_t combinations = 1;
  for (std::size_t i = 0; i < length; ++i) {
    combinations *= tested.letters.size();
  }
  for (std::size_t number = 0; number < combinations; ++number) {
    std::string sequence;
    for (std::size_t rest = number, i = 0; i < length; ++i, rest /= tested.letters.size()) {
      sequence += tested.letters[rest % tested.letters.size()];
    }
    ASSERT_EQ(real.play(sequence), scripted.play(sequence)) << sequence;
  }
  EXPECT_EQ(0U, kernel.open_descriptors());
  EXPECT_TRUE(kernel.violations().empty());
}

INSTANTIATE_TEST_SUITE_P(
    Things, ScriptedEpoll,
    ::testing::Values(
        Case{"StreamByEdge", Thing::stream, stream_interest | EPOLLET, "srfdecm"},
        Case{"StreamByLevel", Thing::stream, stream_interest, "srfdecm"},
        Case{"StreamReadingByEdge", Thing::stream, EPOLLIN | EPOLLET, "srfdecm"},
        Case{"StreamWritingByEdge", Thing::stream, EPOLLOUT | EPOLLET, "srfdecm"},
        Case{"StreamOnce", Thing::stream, stream_interest | EPOLLONESHOT, "srfdecm"},
        Case{"ReadingEndByEdge", Thing::reading_end, stream_interest | EPOLLET, "srcm"},
        Case{"ReadingEndByLevel", Thing::reading_end, stream_interest, "srcm"},
        Case{"WritingEndByEdge", Thing::writing_end, stream_interest | EPOLLET, "fdcm"},
        Case{"WritingEndByLevel", Thing::writing_end, stream_interest, "fdcm"},
        Case{"EventfdByLevel", Thing::wakeup, EPOLLIN, "rm"},
        Case{"EventfdByEdge", Thing::wakeup, EPOLLIN | EPOLLET, "rm"}),
    [](const auto& tested) { return tested.param.name; });

// The rules of registering, on both.
class EpollRules : public ::testing::TestWithParam<bool> {
 protected:
  EpollRules() {
    if (GetParam()) {
      sys_ = sys::linux_system_calls();
    } else {
      sys_ = std::make_shared<ScriptedKernel>();
    }
  }
  static epoll_event asking(std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    return event;
  }
  std::size_t ready(int epoll) {
    std::array<epoll_event, 8> events{};
    return sys_->epoll_wait(epoll, events, 0).value;
  }
  std::shared_ptr<sys::SystemCalls> sys_;
};

TEST_P(EpollRules, RegisteringTwiceOrWhatIsNotThereFails) {
  const int epoll = sys_->epoll_create().value;
  const int event = sys_->eventfd().value;
  EXPECT_EQ(ENOENT, sys_->epoll_ctl(epoll, EPOLL_CTL_MOD, event, asking(EPOLLIN)).error);
  EXPECT_EQ(ENOENT, sys_->epoll_ctl(epoll, EPOLL_CTL_DEL, event, {}).error);
  EXPECT_EQ(0, sys_->epoll_ctl(epoll, EPOLL_CTL_ADD, event, asking(EPOLLIN)).error);
  EXPECT_EQ(EEXIST, sys_->epoll_ctl(epoll, EPOLL_CTL_ADD, event, asking(EPOLLIN)).error);
  EXPECT_EQ(0, sys_->epoll_ctl(epoll, EPOLL_CTL_DEL, event, {}).error);
  EXPECT_EQ(EINVAL, sys_->epoll_ctl(epoll, EPOLL_CTL_ADD, epoll, asking(EPOLLIN)).error);
  EXPECT_EQ(EBADF, sys_->epoll_ctl(epoll, EPOLL_CTL_ADD, 99999, asking(EPOLLIN)).error);
  EXPECT_TRUE(sys_->close(event).ok());
  EXPECT_TRUE(sys_->close(epoll).ok());
}

TEST_P(EpollRules, ClosingADescriptorEndsItsRegistration) {
  const int epoll = sys_->epoll_create().value;
  const int event = sys_->eventfd().value;
  EXPECT_TRUE(sys_->epoll_ctl(epoll, EPOLL_CTL_ADD, event, asking(EPOLLOUT)).ok());
  EXPECT_EQ(1U, ready(epoll));
  EXPECT_TRUE(sys_->close(event).ok());
  EXPECT_EQ(0U, ready(epoll));
  EXPECT_TRUE(sys_->close(epoll).ok());
}

TEST_P(EpollRules, WhatDoesNotFitIsReportedNextAndLevelsTakeTurns) {
  const int epoll = sys_->epoll_create().value;
  std::array<int, 3> descriptors{};
  for (std::uint64_t i = 0; i < descriptors.size(); ++i) {
    descriptors[i] = sys_->eventfd().value;
    epoll_event event = asking(EPOLLOUT);
    event.data.u64 = i;
    EXPECT_TRUE(sys_->epoll_ctl(epoll, EPOLL_CTL_ADD, descriptors[i], event).ok());
  }
  std::string order;
  for (int i = 0; i < 7; ++i) {
    std::array<epoll_event, 1> one{};
    EXPECT_EQ(1U, sys_->epoll_wait(epoll, one, 0).value);
    order += std::to_string(one[0].data.u64);
  }
  EXPECT_EQ("0120120", order);
  for (const int fd : descriptors) {
    EXPECT_TRUE(sys_->close(fd).ok());
  }
  EXPECT_TRUE(sys_->close(epoll).ok());
}

TEST_P(EpollRules, AnEventfdCountsAndAPipeCarries) {
  const int event = sys_->eventfd().value;
  std::array<std::byte, 8> memory{};
  EXPECT_EQ(EAGAIN, sys_->read(event, memory).error);
  const std::uint64_t two = 2;
  std::array<std::byte, 8> bytes{};
  std::memcpy(bytes.data(), &two, sizeof two);
  EXPECT_EQ(8U, sys_->write(event, bytes).value);
  EXPECT_EQ(8U, sys_->write(event, bytes).value);
  EXPECT_EQ(8U, sys_->read(event, memory).value);
  std::uint64_t sum = 0;
  std::memcpy(&sum, memory.data(), sizeof sum);
  EXPECT_EQ(4U, sum);
  const auto [reading, writing] = sys_->pipe().value;
  EXPECT_EQ(EAGAIN, sys_->read(reading, memory).error);
  EXPECT_EQ(3U, sys_->write(writing, as_bytes("abc")).value);
  EXPECT_EQ(3U, sys_->read(reading, memory).value);
  EXPECT_EQ(EBADF, sys_->read(writing, memory).error);
  EXPECT_EQ(EBADF, sys_->write(reading, as_bytes("abc")).error);
  EXPECT_TRUE(sys_->close(reading).ok());
  EXPECT_EQ(EPIPE, sys_->write(writing, as_bytes("abc")).error);
  EXPECT_TRUE(sys_->close(writing).ok());
  EXPECT_TRUE(sys_->close(event).ok());
}

INSTANTIATE_TEST_SUITE_P(Systems, EpollRules, ::testing::Bool(),
                         [](const auto& tested) { return tested.param ? "Linux" : "Scripted"; });

}  // namespace
}  // namespace sluice::testing
