#!/usr/bin/env python3
"""The UDP echo server and client: with each other, and where nobody answers."""
import socket
import sys

sys.dont_write_bytecode = True
import echo_support
import support


class UdpEchoTest(echo_support.EchoTest):
    server = "example_udp_echo_server"
    client = "example_udp_echo_client"
    client_says = "Send: {0}\nReceived: {0}\nClose the socket\nConnection closed\n"
    server_says = r"^Received 'Hello World!' from 127\.0\.0\.1:\d+\nReceived "

    def test_a_port_where_nobody_listens_is_an_error_received(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        status, output, _ = self.run_client(port)
        self.assertEqual(status, 0)
        self.assertEqual(output, "Send: Hello World!\nError received: Connection refused\n"
                                 "Connection closed\n")


if __name__ == "__main__":
    support.main()
