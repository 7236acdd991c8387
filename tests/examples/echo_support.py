"""What every echo server and client has to do, whatever they are made of. The scripts of the examples derive from
these, and say which programs they mean and what those print."""
import hashlib
import random
import select
import signal
import socket
import subprocess

import support


class EchoTest(support.ExampleTest):
    server = ""  # the names of the programs
    client = ""
    long_message = "a second one " * 1000
    client_says = ""  # with the message in the place of {0}
    server_says = ""  # a regular expression

    def start_echo_server(self):
        return self.start_server(self.server)

    def run_client(self, port, *message):
        client = self.start(self.client, str(port), *message, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)
        output, error = client.communicate(timeout=support.PATIENCE)
        return client.returncode, output.decode(), error.decode()

    def test_the_client_gets_its_message_back(self):
        server, port = self.start_echo_server()
        for message, *arguments in (["Hello World!"], [self.long_message, self.long_message]):
            status, output, error = self.run_client(port, *arguments)
            self.assertEqual((status, error), (0, ""))
            self.assertEqual(output, self.client_says.format(message))
        server.send_signal(signal.SIGTERM)
        output = server.communicate(timeout=support.PATIENCE)[0].decode()
        self.assertEqual(server.returncode, 0)
        self.assertRegex(output, self.server_says)


class ConnectedEchoTest(EchoTest):
    def test_a_refused_connection_names_the_address(self):
        # Bound but not listening: nobody else gets this port, and nobody answers.
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            status, _, error = self.run_client(port)
        self.assertEqual(status, 1)
        self.assertIn(f"127.0.0.1:{port}", error)
        self.assertIn("Connection refused", error)

    def test_a_client_that_does_not_read_is_not_read_from(self):
        _, port = self.start_echo_server()
        with support.connect(port) as client:
            block = random.Random(1).randbytes(1 << 20)
            sent = hashlib.sha256()
            total = 0
            client.setblocking(False)
            # Without back-pressure the server would take all of it and hold it in memory.
            while total < 256 << 20 and select.select([], [client], [], 1.0)[1]:
                try:
                    count = client.send(block)
                except BlockingIOError:
                    continue
                sent.update(block[:count])
                total += count
            self.assertLess(total, 256 << 20)
            client.settimeout(support.PATIENCE)
            received = hashlib.sha256()
            left = total
            while left > 0:
                piece = client.recv(1 << 20)
                self.assertTrue(piece, f"{left} bytes are missing")
                received.update(piece)
                left -= len(piece)
            self.assertEqual(received.hexdigest(), sent.hexdigest())
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(client.recv(1), b"")
