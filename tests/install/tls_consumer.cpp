// What a stranger's program may do with an installed sluice::tls.
#include <sluice/sluice.hpp>
#include <sluice/tls.hpp>

#include <cstdio>
#include <system_error>

int main() {
  if (sluice::TlsContext::client()->server_side()) {
    std::puts("a client's context must be a client's");
    return 1;
  }
  try {
    static_cast<void>(sluice::TlsContext::server({.certificate_file = "/nowhere.pem"}));
    std::puts("a file that does not exist must be refused");
    return 1;
  } catch (const std::system_error& error) {
    if (error.code() != sluice::TlsErrc::bad_certificate_file) {
      std::puts(error.what());
      return 1;
    }
  }
  std::printf("sluice %d.%d.%d works\n", sluice::version_major, sluice::version_minor,
              sluice::version_patch);
  return 0;
}
