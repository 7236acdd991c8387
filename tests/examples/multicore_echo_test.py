#!/usr/bin/env python3
"""The echo server on several loops: with the client, with one that does not read, and its orderly end."""
import signal
import sys

sys.dont_write_bytecode = True
import echo_support
import support

LOOPS = "3"
CLIENTS = 60  # so many that no loop goes away empty


class MulticoreEchoTest(echo_support.ConnectedEchoTest):
    server = "example_multicore_echo_server"
    client = "example_tcp_echo_client"
    client_says = "Data sent: {0}\nData received: {0}\nThe server closed the connection\n"
    server_says = "^$"

    def start_echo_server(self):
        return self.start_server(self.server, "0", LOOPS)

    def test_a_signal_ends_the_connections_of_all_loops_in_order(self):
        server, port = self.start_echo_server()
        clients = [support.connect(port) for _ in range(CLIENTS)]
        for client in clients:
            self.addCleanup(client.close)
            client.sendall(b"ping")
            self.assertEqual(client.recv(4), b"ping")
        server.send_signal(signal.SIGTERM)
        for client in clients:
            self.assertEqual(client.recv(1), b"")
        self.finish(server)


if __name__ == "__main__":
    support.main()
