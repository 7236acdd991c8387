#include "workloads.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/deep_messages.hpp"
#include "common/row.hpp"
#include "common/slow_offer.hpp"

namespace bench::libevent {
namespace {

constexpr std::size_t high_mark = 64 * 1024;
constexpr std::size_t low_mark = 16 * 1024;

std::size_t take_all(evbuffer* input) {
  const std::size_t size = evbuffer_get_length(input);
  evbuffer_drain(input, size);
  return size;
}

// The buffers go from the one queue to the other.
class Echo : public Connection {
  void received(evbuffer* input) override { evbuffer_add_buffer(output(), input); }
};

class Replies : public Connection {
  void received(evbuffer* input) override {
    for (std::size_t left = whole_requests(partial_, take_all(input)); left > 0; --left) {
      write(reply_text);
    }
  }

  std::size_t partial_ = 0;
};

class PieceByPiece : public Connection {
 public:
  explicit PieceByPiece(const Pieces& pieces) : pieces_(pieces) {}

 private:
  void received(evbuffer* input) override {
    for (std::size_t left = whole_requests(partial_, take_all(input)); left > 0; --left) {
      for (const std::string_view piece : pieces_.parts) {
        write(piece);
      }
    }
  }

  const Pieces& pieces_;
  std::size_t partial_ = 0;
};

enum class Lending { copied, borrowed };

// Writes until the high mark is passed, and again when no more is left than the low mark.
class Streamer : public Connection {
 public:
  Streamer(std::string_view chunk, std::size_t chunks, Lending lending)
      : chunk_(chunk), left_(chunks), lending_(lending) {}

 protected:
  void opened() override {
    set_low_mark(low_mark);
    offer();
  }
  void received(evbuffer* input) override { take_all(input); }
  void drained() override { offer(); }

 private:
  void offer() {
    for (; left_ > 0 && buffered() <= high_mark; --left_) {
      if (lending_ == Lending::borrowed) {
        write_borrowed(chunk_);
      } else {
        write(chunk_);
      }
    }
  }

  std::string_view chunk_;
  std::size_t left_;
  Lending lending_;
};

class Slow : public Streamer {
 public:
  explicit Slow(std::string_view chunk) : Streamer(chunk, slow_chunks, Lending::copied) {}

 private:
  enum class Role { unknown, echo, stream };

  void opened() override {}
  void received(evbuffer* input) override {
    if (role_ == Role::unknown) {
      choose(input);
    }
    if (role_ == Role::echo) {
      evbuffer_add_buffer(output(), input);
    } else {
      take_all(input);
    }
  }
  void choose(evbuffer* input) {
    char kind = 0;
    evbuffer_remove(input, &kind, 1);
    role_ = kind == 'S' ? Role::stream : Role::echo;
    if (role_ == Role::stream) {
      Streamer::opened();
    }
  }
  void drained() override {
    if (role_ == Role::stream) {
      Streamer::drained();
    }
  }

  Role role_ = Role::unknown;
};

struct Room {
  Row message;
  std::vector<Connection*> members;
};

class FanOut : public Connection {
 public:
  explicit FanOut(Room& room) : room_(room) {}
  FanOut(const FanOut&) = delete;
  FanOut& operator=(const FanOut&) = delete;
  ~FanOut() override { std::erase(room_.members, this); }

 private:
  void opened() override { room_.members.push_back(this); }
  void received(evbuffer* input) override {
    for (std::size_t left = take_all(input); left > 0; --left) {
      for (Connection* const member : room_.members) {
        member->write_borrowed(room_.message);
      }
    }
  }

  Room& room_;
};

class Deep : public Connection {
  void received(evbuffer* input) override {
    std::array<char, sizeof(std::uint64_t)> request;
    const std::size_t size = evbuffer_get_length(input);
    evbuffer_copyout(input, request.data(), request.size());
    const auto writes = deep_request({request.data(), size});
    if (!writes) {
      evbuffer_add_buffer(output(), input);
      return;
    }
    evbuffer_drain(input, size);
    DeepMessage message;
    for (std::uint64_t number = 0; number < *writes; ++number) {
      write(message.numbered(number));
    }
  }
};

template <class Program, class... Arguments>
MakeConnection maker(Row chunk, Arguments... arguments) {
  return [chunk = std::make_shared<Row>(std::move(chunk)), arguments...] {
    return std::make_unique<Program>(*chunk, arguments...);
  };
}

}  // namespace

MakeConnection find_workload(const PeerOptions& options) {
  const std::string& name = options.workload;
  if (name == "echo" || name == "tls_echo") {
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
  if (name == "stream" || name == "tls_stream") {
    const Lending lending = options.owned ? Lending::borrowed : Lending::copied;
    return maker<Streamer>(row_pattern(options.size), std::numeric_limits<std::size_t>::max(),
                           lending);
  }
  if (name == "slow") {
    return maker<Slow>(row_pattern(slow_chunk_bytes));
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

}  // namespace bench::libevent
