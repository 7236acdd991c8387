#include "workloads.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/deep_messages.hpp"
#include "common/row.hpp"
#include "common/slow_offer.hpp"

namespace bench::libuv {
namespace {

// What was read is what is written: the buffer goes from the one to the other.
class Echo : public Connection {
  void received(std::unique_ptr<char[]> bytes, std::size_t size) override {
    write_owned(std::move(bytes), size);
  }
};

class Replies : public Connection {
  void received(std::unique_ptr<char[]> /*bytes*/, std::size_t size) override {
    for (std::size_t left = whole_requests(partial_, size); left > 0; --left) {
      write_copy(reply_text);
    }
  }

  std::size_t partial_ = 0;
};

class PieceByPiece : public Connection {
 public:
  explicit PieceByPiece(const Pieces& pieces) : pieces_(pieces) {}

 private:
  void received(std::unique_ptr<char[]> /*bytes*/, std::size_t size) override {
    for (std::size_t left = whole_requests(partial_, size); left > 0; --left) {
      for (const std::string_view piece : pieces_.parts) {
        write_copy(piece);
      }
    }
  }

  const Pieces& pieces_;
  std::size_t partial_ = 0;
};

// Two writes of a chunk are under way until the last chunk.
class Streamer {
 public:
  Streamer(std::string_view chunk, std::size_t chunks) : chunk_(chunk), left_(chunks) {}

  void start(Connection& connection) {
    offer(connection);
    offer(connection);
  }
  void offer(Connection& connection) {
    if (left_ > 0) {
      --left_;
      connection.write_borrowed(chunk_);
    }
  }

 private:
  std::string_view chunk_;
  std::size_t left_;
};

class Stream : public Connection {
 public:
  explicit Stream(std::string_view chunk)
      : streamer_(chunk, std::numeric_limits<std::size_t>::max()) {}

 private:
  void opened() override { streamer_.start(*this); }
  void written() override { streamer_.offer(*this); }

  Streamer streamer_;
};

class Slow : public Connection {
 public:
  explicit Slow(std::string_view chunk) : streamer_(chunk, slow_chunks) {}

 private:
  enum class Role { unknown, echo, stream };

  void received(std::unique_ptr<char[]> bytes, std::size_t size) override {
    if (role_ == Role::echo) {
      write_owned(std::move(bytes), size);
    } else if (role_ == Role::unknown) {
      choose({bytes.get(), size});
    }
  }
  void choose(std::string_view data) {
    role_ = data.front() == 'S' ? Role::stream : Role::echo;
    if (role_ == Role::stream) {
      streamer_.start(*this);
    } else if (data.size() > 1) {
      write_copy(data.substr(1));
    }
  }
  void written() override {
    if (role_ == Role::stream) {
      streamer_.offer(*this);
    }
  }

  Role role_ = Role::unknown;
  Streamer streamer_;
};

struct Room {
  Row message;
  std::vector<Connection*> members;
};

class FanOut : public Connection {
 public:
  explicit FanOut(Room& room) : room_(room) {}

 private:
  void opened() override { room_.members.push_back(this); }
  void closing() override { std::erase(room_.members, this); }
  void received(std::unique_ptr<char[]> /*bytes*/, std::size_t size) override {
    for (std::size_t left = size; left > 0; --left) {
      // From the end: a write that fails closes its connection, which leaves the room at once.
      for (std::size_t behind = room_.members.size(); behind > 0; --behind) {
        room_.members[behind - 1]->write_borrowed(room_.message);
      }
    }
  }

  Room& room_;
};

class Deep : public Connection {
  void received(std::unique_ptr<char[]> bytes, std::size_t size) override {
    const auto writes = deep_request({bytes.get(), size});
    if (!writes) {
      write_owned(std::move(bytes), size);
      return;
    }
    DeepMessage message;
    for (std::uint64_t number = 0; number < *writes; ++number) {
      write_copy(message.numbered(number));
    }
  }
};

}  // namespace

MakeConnection find_workload(const PeerOptions& options) {
  const std::string& name = options.workload;
  if (name == "echo") {
    return [] { return std::make_unique<Echo>(); };
  }
  if (name == "replies") {
    return [] { return std::make_unique<Replies>(); };
  }
  if (name == "pieces") {
    return [pieces = std::make_shared<Pieces>(options.pieces)] {
      return std::make_unique<PieceByPiece>(*pieces);
    };
  }
  if (name == "stream") {
    return [chunk = std::make_shared<Row>(row_pattern(options.size))] {
      return std::make_unique<Stream>(*chunk);
    };
  }
  if (name == "slow") {
    return [chunk = std::make_shared<std::string>(pattern(slow_chunk_bytes))] {
      return std::make_unique<Slow>(*chunk);
    };
  }
  if (name == "fanout") {
    auto room = std::make_shared<Room>();
    room->message = row_pattern(options.size);
    return [room] { return std::make_unique<FanOut>(*room); };
  }
  if (name == "deep") {
    return [] { return std::make_unique<Deep>(); };
  }
  throw UnknownWorkload(name);
}

}  // namespace bench::libuv
