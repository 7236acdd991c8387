#!/usr/bin/env python3
"""The echo server and client made of coroutines: with each other, and with a client that does not
read."""
import select
import signal
import socket
import subprocess
import sys

sys.dont_write_bytecode = True
import support


class StreamEchoTest(support.ExampleTest):
    def start_server(self):
        """The server, and the port it has chosen."""
        server = self.start("example_stream_echo_server", "0", stdout=subprocess.PIPE)
        line = support.read_line(server.stdout)
        self.assertRegex(line, r"^serving on 127\.0\.0\.1:\d+$")
        return server, int(line.rpartition(":")[2])

    def run_client(self, port, *message):
        client = self.start("example_stream_echo_client", str(port), *message,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, error = client.communicate(timeout=support.PATIENCE)
        return client.returncode, output.decode(), error.decode()

    def test_the_client_gets_its_message_back(self):
        server, port = self.start_server()
        for message in ("Hello World!", "a second one " * 5000):
            arguments = [] if message == "Hello World!" else [message]
            status, output, error = self.run_client(port, *arguments)
            self.assertEqual((status, error), (0, ""))
            self.assertEqual(output, f"Send: {message}\nReceived: {message}\n")
        server.send_signal(signal.SIGTERM)
        output, _ = server.communicate(timeout=support.PATIENCE)
        self.assertEqual(server.returncode, 0)
        self.assertRegex(output.decode(), r"^(127\.0\.0\.1:\d+ is gone\n){1,2}$")

    def test_a_refused_connection_names_the_address(self):
        # Bound but not listening: nobody else gets this port, and nobody answers.
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            status, _, error = self.run_client(port)
        self.assertEqual(status, 1)
        self.assertIn(f"127.0.0.1:{port}", error)
        self.assertIn("Connection refused", error)

    def test_an_empty_message_needs_no_answer(self):
        _, port = self.start_server()
        status, _, error = self.run_client(port, "")
        self.assertEqual((status, error), (0, ""))

    def test_a_client_that_does_not_read_is_not_read_from(self):
        _, port = self.start_server()
        with support.connect(port) as client:
            block = bytes(1 << 20)
            total = 0
            client.setblocking(False)
            # Without back-pressure the server would take all of it and hold it in memory.
            while total < 256 << 20 and select.select([], [client], [], 1.0)[1]:
                try:
                    total += client.send(block)
                except BlockingIOError:
                    continue
            self.assertLess(total, 256 << 20)
            client.settimeout(support.PATIENCE)
            left = total
            while left > 0:
                piece = client.recv(1 << 20)
                self.assertTrue(piece, f"{left} bytes are missing")
                left -= len(piece)
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(client.recv(1), b"")


if __name__ == "__main__":
    support.main()
