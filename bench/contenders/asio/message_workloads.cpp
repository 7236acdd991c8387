#include "message_workloads.hpp"

#include <cstdint>
#include <utility>
#include <vector>

#include "common/deep_messages.hpp"

namespace bench::with_asio {
namespace {

class Replies : public QueuedSession<std::string> {
 public:
  using QueuedSession::QueuedSession;

 private:
  void received(std::string_view data) override {
    for (std::size_t left = whole_requests(partial_, data.size()); left > 0; --left) {
      write(std::string(reply_text));
    }
  }

  std::size_t partial_ = 0;
};

class PieceByPiece : public QueuedSession<std::string> {
 public:
  PieceByPiece(asio::ip::tcp::socket socket, Queue queue, const Pieces& pieces)
      : QueuedSession(std::move(socket), queue), pieces_(pieces) {}

 private:
  void received(std::string_view data) override {
    for (std::size_t left = whole_requests(partial_, data.size()); left > 0; --left) {
      for (const std::string_view piece : pieces_.parts) {
        write(std::string(piece));
      }
    }
  }

  const Pieces& pieces_;
  std::size_t partial_ = 0;
};

class Deep : public QueuedSession<std::string> {
 public:
  using QueuedSession::QueuedSession;

 private:
  void received(std::string_view data) override {
    const auto writes = deep_request(data);
    if (!writes) {
      write(std::string(data));
      return;
    }
    DeepMessage message;
    for (std::uint64_t number = 0; number < *writes; ++number) {
      write(std::string(message.numbered(number)));
    }
  }
};

class FanOut;

struct Room {
  SharedMessage message;
  std::vector<FanOut*> members;
};

class FanOut : public QueuedSession<SharedMessage> {
 public:
  FanOut(asio::ip::tcp::socket socket, Queue queue, Room& room)
      : QueuedSession(std::move(socket), queue), room_(room) {}

 private:
  void opened() override { room_.members.push_back(this); }
  void ended() override { std::erase(room_.members, this); }
  void received(std::string_view data) override {
    for (std::size_t left = data.size(); left > 0; --left) {
      for (FanOut* const member : room_.members) {
        member->write(room_.message);
      }
    }
  }

  Room& room_;
};

}  // namespace

StartSession find_message_workload(const PeerOptions& options) {
  const std::string& name = options.workload;
  const Queue queue = options.gather ? Queue::gather : Queue::one_by_one;
  if (name == "replies") {
    return [queue](auto socket) { std::make_shared<Replies>(std::move(socket), queue)->start(); };
  }
  if (name == "pieces") {
    return [queue, pieces = std::make_shared<Pieces>(options.pieces)](auto socket) {
      std::make_shared<PieceByPiece>(std::move(socket), queue, *pieces)->start();
    };
  }
  if (name == "deep") {
    return [queue](auto socket) { std::make_shared<Deep>(std::move(socket), queue)->start(); };
  }
  if (name == "fanout") {
    auto room = std::make_shared<Room>();
    room->message = std::make_shared<const Row>(row_pattern(options.size));
    return [queue, room](auto socket) {
      std::make_shared<FanOut>(std::move(socket), queue, *room)->start();
    };
  }
  return nullptr;
}

}  // namespace bench::with_asio
