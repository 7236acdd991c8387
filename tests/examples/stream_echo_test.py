#!/usr/bin/env python3
"""The echo server and client made of coroutines: with each other, and with a client that does not
read."""
import sys

sys.dont_write_bytecode = True
import echo_support
import support


class StreamEchoTest(echo_support.ConnectedEchoTest):
    server = "example_stream_echo_server"
    client = "example_stream_echo_client"
    long_message = "a second one " * 5000
    client_says = "Send: {0}\nReceived: {0}\n"
    server_says = r"^(127\.0\.0\.1:\d+ is gone\n){1,2}$"

    def test_an_empty_message_needs_no_answer(self):
        _, port = self.start_echo_server()
        status, _, error = self.run_client(port, "")
        self.assertEqual((status, error), (0, ""))


if __name__ == "__main__":
    support.main()
