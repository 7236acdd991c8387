#!/usr/bin/env python3
"""The TCP echo server and client: with each other, and with a client that does not read."""
import sys

sys.dont_write_bytecode = True
import echo_support
import support


class TcpEchoTest(echo_support.ConnectedEchoTest):
    server = "example_tcp_echo_server"
    client = "example_tcp_echo_client"
    client_says = "Data sent: {0}\nData received: {0}\nThe server closed the connection\n"
    server_says = r"^(connection from 127\.0\.0\.1:\d+\n){2}$"


if __name__ == "__main__":
    support.main()
