#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace sluice::detail {

template <class Signature>
class UniqueFunction;

/// A move-only callable: std::function for captures that cannot be copied. Captures of up to
/// `inline_size` bytes are stored in place, so the common callback allocates nothing.
template <class R, class... Args>
class UniqueFunction<R(Args...)> {
 public:
  static constexpr std::size_t inline_size = 48;

  UniqueFunction() noexcept = default;

  template <class F>
  requires(!std::is_same_v<std::decay_t<F>, UniqueFunction> &&
           std::is_invocable_r_v<R, std::decay_t<F>&, Args...>)
      UniqueFunction(
          F&& function) {  // NOLINT(google-explicit-constructor): callables convert, as in std
    construct(std::forward<F>(function));
  }

  UniqueFunction(UniqueFunction&& other) noexcept { take(other); }
  UniqueFunction& operator=(UniqueFunction&& other) noexcept {
    if (this != &other) {
      reset();
      take(other);
    }
    return *this;
  }
  UniqueFunction(const UniqueFunction&) = delete;
  UniqueFunction& operator=(const UniqueFunction&) = delete;
  ~UniqueFunction() { reset(); }

  explicit operator bool() const noexcept { return operations_ != nullptr; }

  R operator()(Args... args) { return operations_->invoke(storage_, std::forward<Args>(args)...); }

  /// Makes an empty function call `function`, which is built in place.
  template <class F>
  requires(std::is_constructible_v<UniqueFunction, F>) void fill(F&& function) {
    if constexpr (std::is_same_v<std::decay_t<F>, UniqueFunction>) {
      take(function);
    } else {
      construct(std::forward<F>(function));
    }
  }

  /// Destroys the callable; the function is empty before its destructor runs.
  void reset() noexcept {
    const Operations* operations = std::exchange(operations_, nullptr);
    if (operations != nullptr && operations->destroy != nullptr) {
      operations->destroy(storage_);
    }
  }

 private:
  struct Operations {
    R (*invoke)(std::byte*, Args&&...);
    void (*move)(std::byte* from, std::byte* to) noexcept;  // null: copy the bytes
    void (*destroy)(std::byte*) noexcept;                   // null: nothing to do
  };

  template <class Stored>
  static constexpr bool fits_inline =
      // clang-tidy 14 takes sizeof and alignof for the same.
      // NOLINTNEXTLINE(misc-redundant-expression)
      sizeof(Stored) <= inline_size &&
      alignof(Stored) <= alignof(std::max_align_t) && std::is_nothrow_move_constructible_v<Stored>;

  template <class T>
  static T& at(std::byte* storage) noexcept {
    return *std::launder(reinterpret_cast<T*>(storage));
  }

  template <class Stored>
  static void move_stored(std::byte* from, std::byte* to) noexcept {
    ::new (static_cast<void*>(to)) Stored(std::move(at<Stored>(from)));
    std::destroy_at(&at<Stored>(from));
  }
  template <class Stored>
  static void destroy_stored(std::byte* storage) noexcept {
    std::destroy_at(&at<Stored>(storage));
  }

  template <class Stored>
  static constexpr Operations inline_operations{
      [](std::byte* storage, Args&&... args) -> R {
        return at<Stored>(storage)(std::forward<Args>(args)...);
      },
      std::is_trivially_copyable_v<Stored> ? nullptr : &move_stored<Stored>,
      std::is_trivially_destructible_v<Stored> ? nullptr : &destroy_stored<Stored>};

  template <class Stored>
  static constexpr Operations heap_operations{
      [](std::byte* storage, Args&&... args) -> R {
        return (*at<Stored*>(storage))(std::forward<Args>(args)...);
      },
      nullptr, [](std::byte* storage) noexcept { delete at<Stored*>(storage); }};

  template <class F>
  void construct(F&& function) {
    using Stored = std::decay_t<F>;
    if constexpr (fits_inline<Stored>) {
      ::new (static_cast<void*>(storage_)) Stored(std::forward<F>(function));
      operations_ = &inline_operations<Stored>;
    } else {
      ::new (static_cast<void*>(storage_)) Stored*(new Stored(std::forward<F>(function)));
      operations_ = &heap_operations<Stored>;
    }
  }

  void take(UniqueFunction& other) noexcept {
    const Operations* operations = std::exchange(other.operations_, nullptr);
    if (operations == nullptr) {
      return;
    }
    if (operations->move != nullptr) {
      operations->move(other.storage_, storage_);
    } else {
      std::memcpy(storage_, other.storage_, inline_size);
    }
    operations_ = operations;
  }

  const Operations* operations_ = nullptr;
  alignas(std::max_align_t) std::byte storage_[inline_size];
};

using Callback = UniqueFunction<void()>;

}  // namespace sluice::detail
