#!/usr/bin/env bash
# Installs the built tree to an empty prefix and builds and runs a consumer against it.
# usage: install_test.sh find_package|pkg_config|add_subdirectory|must_not_compile|
#        find_package_tls|pkg_config_tls
# Reads from the environment: BUILD, SOURCE, CXX, CXX_FLAGS, BUILD_TYPE, LAUNCHER, LIBDIR.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/sluice-install.XXXXXX")
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

fail() {
  echo "install_test: $*" >&2
  exit 1
}

# The consumer gets the flags of the build: a sanitized library needs a sanitized program.
configure() {
  cmake -S "$1" -B "$work/build" -G Ninja -DCMAKE_CXX_COMPILER="$CXX" \
    -DCMAKE_CXX_FLAGS="$CXX_FLAGS" -DCMAKE_BUILD_TYPE="$BUILD_TYPE" \
    -DCMAKE_CXX_COMPILER_LAUNCHER="$LAUNCHER" "${@:2}"
}

expect_greeting() {
  local output
  output=$("$@")
  [[ "$output" =~ ^sluice\ [0-9]+\.[0-9]+\.[0-9]+\ works$ ]] || fail "the consumer said: $output"
}

install_library() {
  cmake --install "$BUILD" --prefix "$prefix" --component library >/dev/null
}

# Whoever does without TLS must not need OpenSSL.
expect_no_openssl() {
  if ldd "$1" | grep -E 'libssl|libcrypto'; then
    fail "a consumer of the core links OpenSSL"
  fi
}

case ${1-} in
  find_package)
    install_library
    # An installed tree may be moved.
    mv "$prefix" "$work/moved"
    configure "$here/find_package" -DCMAKE_PREFIX_PATH="$work/moved"
    cmake --build "$work/build"
    expect_greeting "$work/build/consumer"
    expect_no_openssl "$work/build/consumer"
    [[ ! -e "$work/moved/include/sluice/tls.hpp" ]] || fail "tls.hpp belongs to the component tls"
    if grep -rn "$SOURCE\|$prefix" "$work/moved" --include='*.cmake' --include='*.pc'; then
      fail "an installed file names a directory of the build machine"
    fi
    ;;
  pkg_config)
    install_library
    export PKG_CONFIG_PATH=$prefix/$LIBDIR/pkgconfig
    pkg-config --exact-version="$(sed -n 's/^Version: //p' "$PKG_CONFIG_PATH/sluice.pc")" sluice
    read -ra flags <<<"$CXX_FLAGS $(pkg-config --cflags sluice)"
    read -ra libraries <<<"$(pkg-config --libs sluice)"
    "$CXX" -std=c++20 "${flags[@]}" "$here/consumer.cpp" -o "$work/consumer" "${libraries[@]}"
    LD_LIBRARY_PATH=$prefix/$LIBDIR expect_greeting "$work/consumer"
    expect_no_openssl "$work/consumer"
    ;;
  find_package_tls)
    install_library
    cmake --install "$BUILD" --prefix "$prefix" --component tls >/dev/null
    mv "$prefix" "$work/moved"
    configure "$here/find_package_tls" -DCMAKE_PREFIX_PATH="$work/moved"
    cmake --build "$work/build"
    expect_greeting "$work/build/consumer"
    ;;
  pkg_config_tls)
    install_library
    cmake --install "$BUILD" --prefix "$prefix" --component tls >/dev/null
    export PKG_CONFIG_PATH=$prefix/$LIBDIR/pkgconfig
    read -ra flags <<<"$CXX_FLAGS $(pkg-config --cflags sluice-tls)"
    read -ra libraries <<<"$(pkg-config --libs sluice-tls)"
    "$CXX" -std=c++20 "${flags[@]}" "$here/tls_consumer.cpp" -o "$work/consumer" "${libraries[@]}"
    LD_LIBRARY_PATH=$prefix/$LIBDIR expect_greeting "$work/consumer"
    ;;
  add_subdirectory)
    # Compiled as quickly as it can be: what counts is that it builds.
    configure "$here/add_subdirectory" -DSLUICE_SOURCE_DIR="$SOURCE" -DCMAKE_UNITY_BUILD=ON \
      -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O0
    cmake --build "$work/build" --target consumer
    expect_greeting "$work/build/consumer"
    ;;
  must_not_compile)
    install_library
    for source in "$here"/must_not_compile/*.cpp; do
      compile=("$CXX" -std=c++20 -fsyntax-only -I "$prefix/include" "$source")
      # Without the offending line the file is fine, so it is that line that is refused.
      "${compile[@]}" || fail "${source##*/} must compile without its offending line"
      if "${compile[@]}" -DMUST_NOT_COMPILE 2>/dev/null; then
        fail "${source##*/} must not compile"
      fi
    done
    ;;
  *)
    fail "unknown way: ${1-}"
    ;;
esac
