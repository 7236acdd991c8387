#!/usr/bin/env python3
"""What the examples say to arguments that are no numbers."""
import os
import subprocess
import sys

sys.dont_write_bytecode = True
import support

# The arguments of each program, with PORT where one is.
PORTS = {
    "http_file_server": ["/tmp", "PORT"],
    "log_shipper": ["/dev/null", "localhost", "PORT"],
    "stream_echo_client": ["PORT"],
    "stream_echo_server": ["PORT"],
    "tcp_echo_client": ["PORT"],
    "tcp_echo_server": ["PORT"],
    "tcp_proxy": ["PORT", "localhost", "1"],
    "tls_chat_server": ["PORT", "none.pem"],
    "tls_client": ["localhost", "PORT"],
    "tls_echo_server": ["PORT", "none.pem"],
    "udp_echo_client": ["PORT"],
    "udp_echo_server": ["PORT"],
}
# Those that a build without TLS does not have.
WITH_TLS = {"http_file_server", "log_shipper", "tls_chat_server", "tls_client", "tls_echo_server"}


class ArgumentsTest(support.ExampleTest):
    def refused(self, name, arguments):
        """What a program says that ends with the status of a wrong argument."""
        process = self.start(f"example_{name}", *arguments, stdin=subprocess.DEVNULL,
                             stderr=subprocess.PIPE)
        return self.finish(process, status=2)

    def test_a_port_that_is_none_is_refused(self):
        for name, arguments in PORTS.items():
            if name in WITH_TLS and not os.path.exists(support.PROGRAMS / f"example_{name}"):
                continue
            for port in ("99999", "65536", "abc", "80x", "-1", "", " 80", "99999999999999999999"):
                with self.subTest(name, port=port):
                    given = [port if argument == "PORT" else argument for argument in arguments]
                    self.assertEqual(self.refused(name, given),
                                     f"PORT: expected a number from 0 to 65535, got '{port}'\n")

    def test_the_port_that_the_proxy_forwards_to_is_one_too(self):
        self.assertIn("got '99999'", self.refused("tcp_proxy", ["0", "localhost", "99999"]))

    def test_restarts_that_are_no_number_are_refused(self):
        for restarts in ("many", "-1", "1000001"):
            with self.subTest(restarts):
                self.assertEqual(self.refused("process_supervisor", ["name", restarts, "true"]),
                                 "RESTARTS: expected a number from 0 to 1000000, "
                                 f"got '{restarts}'\n")


if __name__ == "__main__":
    support.main()
