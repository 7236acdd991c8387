#pragma once

namespace sluice {

// The only place where the version is written; the build reads it from here.
inline constexpr int version_major = 0;
inline constexpr int version_minor = 1;
inline constexpr int version_patch = 0;

/// The version of the library that is linked, as "MAJOR.MINOR.PATCH". Any thread.
[[nodiscard]] const char* version() noexcept;

}  // namespace sluice
