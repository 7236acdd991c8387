#include "sys/error_table.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>

namespace sluice::sys {
namespace {

constexpr auto last_call = static_cast<std::size_t>(Call::realpath);

struct Row {
  Call call;
  int error;
};

class ErrorTable : public ::testing::Test {
 protected:
  static void all_are(Verdict verdict, std::initializer_list<Row> rows) {
    for (const Row& row : rows) {
      EXPECT_EQ(verdict, classify(row.call, row.error)) << name_of(row.call) << " " << row.error;
    }
  }
};

// P-2
TEST_F(ErrorTable, AnInterruptedCallIsRetried) {
  all_are(Verdict::retry, {{Call::read, EINTR},
                           {Call::write, EINTR},
                           {Call::send, EINTR},
                           {Call::recv, EINTR},
                           {Call::accept, EINTR},
                           {Call::pread, EINTR},
                           {Call::sendfile, EINTR},
                           {Call::splice, EINTR},
                           {Call::open, EINTR},
                           {Call::fsync, EINTR},
                           {Call::epoll_wait, EINTR}});
}

// A retried connect answers EALREADY, a retried close may close somebody else's descriptor.
TEST_F(ErrorTable, ConnectAndCloseAreNotRetriedWhenInterrupted) {
  all_are(Verdict::would_block, {{Call::connect, EINTR}, {Call::connect, EINPROGRESS}});
  all_are(Verdict::operating_error, {{Call::close, EINTR}});
}

TEST_F(ErrorTable, WhatWouldBlockIsAwaited) {
  all_are(Verdict::would_block, {{Call::read, EAGAIN},
                                 {Call::write, EAGAIN},
                                 {Call::send, EWOULDBLOCK},
                                 {Call::recv, EAGAIN},
                                 {Call::accept, EAGAIN}});
}

TEST_F(ErrorTable, AVanishedPeerIsNobodysFault) {
  all_are(Verdict::peer_gone, {{Call::send, EPIPE},
                               {Call::send, ECONNRESET},
                               {Call::send, ETIMEDOUT},
                               {Call::recv, ECONNRESET},
                               {Call::write, EPIPE},
                               {Call::write, EIO},
                               {Call::read, EIO},
                               {Call::shutdown, ENOTCONN}});
}

// What sendfile fails with tells which of its two ends is to blame.
TEST_F(ErrorTable, AFileThatCannotBeReadIsToldFromASocketThatCannotBeWritten) {
  for (const Call call : {Call::sendfile, Call::splice}) {
    all_are(Verdict::operating_error,
            {{call, EIO}, {call, EINVAL}, {call, EPERM}, {call, ESPIPE}, {call, EBADF}});
    all_are(Verdict::peer_gone, {{call, EPIPE}, {call, ECONNRESET}, {call, ETIMEDOUT}});
    all_are(Verdict::out_of_resources, {{call, ENOMEM}, {call, ENOBUFS}});
    all_are(Verdict::would_block, {{call, EAGAIN}});
  }
}

// W-190
TEST_F(ErrorTable, AMachineWithoutResourcesIsToldApart) {
  all_are(Verdict::out_of_resources, {{Call::accept, EMFILE},
                                      {Call::accept, ENFILE},
                                      {Call::accept, ENOBUFS},
                                      {Call::accept, ENOMEM},
                                      {Call::socket, EMFILE},
                                      {Call::open, EMFILE},
                                      {Call::fcntl, EMFILE},
                                      {Call::epoll_ctl, ENOSPC},
                                      {Call::pipe, EMFILE},
                                      {Call::eventfd, ENFILE}});
}

// W-189: accept(2) passes on errors that concern one connection only.
TEST_F(ErrorTable, AnErrorOfOneConnectionDoesNotStopAccepting) {
  all_are(Verdict::retry, {{Call::accept, ECONNABORTED},
                           {Call::accept, EPROTO},
                           {Call::accept, ENETDOWN},
                           {Call::accept, EHOSTUNREACH}});
}

TEST_F(ErrorTable, NonsenseIsOurBug) {
  all_are(Verdict::our_bug, {{Call::send, EBADF},
                             {Call::send, ENOTSOCK},
                             {Call::recv, EFAULT},
                             {Call::close, EBADF},
                             {Call::epoll_ctl, EEXIST},
                             {Call::epoll_ctl, ENOENT},
                             {Call::epoll_wait, EINVAL},
                             {Call::connect, EALREADY}});
}

TEST_F(ErrorTable, TheWorldNotBeingAsWishedIsAnOperatingError) {
  all_are(Verdict::operating_error, {{Call::write, ENOSPC},
                                     {Call::write, EBADF},
                                     {Call::connect, ECONNREFUSED},
                                     {Call::connect, ENOENT},
                                     {Call::accept, EPERM},
                                     {Call::bind, EADDRINUSE},
                                     {Call::bind, EACCES},
                                     {Call::stat, ENOENT},
                                     {Call::open, ENOENT},
                                     {Call::open, EROFS},
                                     {Call::lseek, EINVAL},
                                     {Call::fsync, EIO},
                                     {Call::fchmod, EPERM},
                                     {Call::rename, EXDEV},
                                     {Call::realpath, ENOTDIR},
                                     {Call::epoll_ctl, EPERM},
                                     {Call::sigaction, EINVAL}});
}

// What is wrong with one datagram ends nothing.
TEST_F(ErrorTable, AnErrorOfADatagramIsAnOperatingError) {
  all_are(Verdict::operating_error, {{Call::sendmmsg, ECONNREFUSED},
                                     {Call::sendmmsg, EMSGSIZE},
                                     {Call::sendmmsg, EACCES},
                                     {Call::sendmmsg, EINVAL},
                                     {Call::sendmmsg, EPIPE},
                                     {Call::sendmmsg, ENOTCONN},
                                     {Call::recvmmsg, ECONNREFUSED},
                                     {Call::recvmmsg, ECONNRESET}});
  all_are(Verdict::would_block, {{Call::sendmmsg, EAGAIN}, {Call::recvmmsg, EAGAIN}});
  all_are(Verdict::retry, {{Call::sendmmsg, EINTR}, {Call::recvmmsg, EINTR}});
  all_are(Verdict::our_bug, {{Call::sendmmsg, EBADF}, {Call::recvmmsg, EBADF}});
}

TEST_F(ErrorTable, WhatIsNotListedIsAnOperatingErrorForEveryCall) {
  constexpr int unlisted = 4095;
  for (std::size_t call = 0; call <= last_call; ++call) {
    EXPECT_EQ(Verdict::operating_error, classify(static_cast<Call>(call), unlisted));
    EXPECT_EQ(Verdict::operating_error, judge(static_cast<Call>(call), unlisted));
  }
}

TEST_F(ErrorTable, EveryCallHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (std::size_t call = 0; call <= last_call; ++call) {
    const std::string_view name = name_of(static_cast<Call>(call));
    EXPECT_FALSE(name.empty());
    EXPECT_TRUE(names.insert(name).second) << name;
  }
}

TEST_F(ErrorTable, JudgeAgreesWithClassifyOnAllButBugs) {
  for (std::size_t call = 0; call <= last_call; ++call) {
    for (int error = 1; error < 134; ++error) {
      const Verdict verdict = classify(static_cast<Call>(call), error);
      if (verdict != Verdict::our_bug) {
        EXPECT_EQ(verdict, judge(static_cast<Call>(call), error));
      }
    }
  }
}

TEST_F(ErrorTable, ABugEndsTheProcessWhereInvariantsAreChecked) {
#if defined(SLUICE_DEBUG_CHECKS) && SLUICE_DEBUG_CHECKS
  EXPECT_DEATH(static_cast<void>(judge(Call::send, EBADF)), "send failed with errno 9");
#else
  EXPECT_EQ(Verdict::our_bug, judge(Call::send, EBADF));
#endif
}

TEST_F(ErrorTable, AnErrnoBecomesAnErrorCodeOfTheSystem) {
  EXPECT_EQ(std::errc::broken_pipe, to_error_code(EPIPE));
  EXPECT_EQ(&std::system_category(), &to_error_code(EPIPE).category());
}

}  // namespace
}  // namespace sluice::sys
