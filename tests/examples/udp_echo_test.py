#!/usr/bin/env python3
"""The UDP echo server and client: with each other, and where nobody answers."""
import signal
import socket
import subprocess
import sys

sys.dont_write_bytecode = True
import support


class UdpEchoTest(support.ExampleTest):
    def run_client(self, port, *message):
        client = self.start("example_udp_echo_client", str(port), *message,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, error = client.communicate(timeout=support.PATIENCE)
        return client.returncode, output.decode(), error.decode()

    def test_the_client_gets_its_message_back(self):
        server = self.start("example_udp_echo_server", "0", stdout=subprocess.PIPE)
        line = support.read_line(server.stdout)
        self.assertRegex(line, r"^serving on 127\.0\.0\.1:\d+$")
        port = int(line.rpartition(":")[2])
        for message in ("Hello World!", "a second one " * 1000):
            arguments = [] if message == "Hello World!" else [message]
            status, output, error = self.run_client(port, *arguments)
            self.assertEqual(status, 0, error)
            self.assertEqual(output, f"Send: {message}\nReceived: {message}\nClose the socket\n"
                                     "Connection closed\n")
        server.send_signal(signal.SIGTERM)
        output = server.communicate(timeout=support.PATIENCE)[0].decode()
        self.assertEqual(server.returncode, 0)
        self.assertRegex(output, r"^Received 'Hello World!' from 127\.0\.0\.1:\d+\nReceived ")

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
