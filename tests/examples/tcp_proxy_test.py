#!/usr/bin/env python3
"""The TCP proxy, between clients and a server that are not ours."""
import hashlib
import random
import signal
import socket
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
import support


class ProxyTest(support.ExampleTest):
    def listener(self):
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(support.PATIENCE)
        self.addCleanup(listener.close)
        return listener

    def accept(self, listener):
        connection = listener.accept()[0]
        connection.settimeout(support.PATIENCE)
        self.addCleanup(connection.close)
        return connection

    def start_proxy(self, port):
        """The proxy to `port` of this machine, and its own port."""
        return self.start_server("example_tcp_proxy", "0", "127.0.0.1", str(port),
                                 stderr=subprocess.PIPE)

    def joined(self):
        """A client and the server's end of its connection through the proxy."""
        listener = self.listener()
        proxy, port = self.start_proxy(listener.getsockname()[1])
        client = support.connect(port)
        self.addCleanup(client.close)
        return proxy, client, self.accept(listener)

    def test_sixteen_megabytes_go_through_unchanged_both_ways_at_once(self):
        proxy, client, server = self.joined()
        forth, back = (random.Random(seed).randbytes(16 << 20) for seed in (1, 2))

        def send(connection, data):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)

        senders = [threading.Thread(target=send, args=pair)
                   for pair in ((client, forth), (server, back))]
        received = {}
        receivers = [threading.Thread(target=lambda name, end: received.update(
            {name: hashlib.sha256(support.receive_all(end)).digest()}), args=pair)
                     for pair in (("client", client), ("server", server))]
        for thread in senders + receivers:
            thread.start()
        for thread in senders + receivers:
            thread.join()
        self.assertEqual(received, {"client": hashlib.sha256(back).digest(),
                                    "server": hashlib.sha256(forth).digest()})
        proxy.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(proxy), "")

    def test_the_end_of_one_direction_leaves_the_other_open(self):
        _, client, server = self.joined()
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(support.receive_all(server), b"question")
        server.sendall(b"answer after the end")
        server.close()
        self.assertEqual(support.receive_all(client), b"answer after the end")

    def test_a_server_that_speaks_first_is_heard(self):
        _, client, server = self.joined()
        server.sendall(b"220 ready\r\n")
        self.assertEqual(client.recv(100), b"220 ready\r\n")

    def test_a_server_that_is_not_there_ends_the_connection_and_not_the_proxy(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            refused = unused.getsockname()[1]
            proxy, port = self.start_proxy(refused)
            for _ in range(2):
                with support.connect(port) as client:
                    self.assertEqual(client.recv(1), b"")
        proxy.send_signal(signal.SIGTERM)
        error = self.finish(proxy)
        self.assertEqual(error.count(f"127.0.0.1:{refused}"), 2, error)
        self.assertIn("Connection refused", error)

    def test_a_client_that_does_not_read_stops_the_server(self):
        _, client, server = self.joined()
        server.settimeout(1.0)
        total = 0
        with self.assertRaises(TimeoutError):
            while total < 256 << 20:
                total += server.send(bytes(1 << 20))
        self.assertLess(total, 256 << 20)
        server.close()
        self.assertEqual(len(support.receive_all(client)), total)


if __name__ == "__main__":
    support.main()
