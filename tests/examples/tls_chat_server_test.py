#!/usr/bin/env python3
"""The chat over TLS with clients of Python and of the openssl command."""
import signal
import ssl
import subprocess
import sys

sys.dont_write_bytecode = True
import support


class ChatTest(support.ExampleTest):
    def setUp(self):
        folder = self.temporary_folder()
        self.certificate, key = support.make_certificate(folder)
        self.server, self.port = self.start_server("example_tls_chat_server", "0", self.certificate,
                                                   key, stderr=subprocess.PIPE)

    def client(self, name):
        """A client that was let in, and what it reads lines from."""
        context = ssl.create_default_context(cafile=self.certificate)
        secured = context.wrap_socket(support.connect(self.port), server_hostname="localhost")
        self.addCleanup(secured.close)
        lines = secured.makefile("rb")
        self.addCleanup(lines.close)
        self.assertEqual(lines.readline(), b"* you are %s\n" % name)
        self.assertEqual(self.log(), f"{name.decode()} has joined")
        return secured, lines

    def log(self):
        return support.read_line(self.server.stdout)

    def test_a_line_goes_to_all_others_and_not_back(self):
        first, first_lines = self.client(b"guest1")
        _, second_lines = self.client(b"guest2")
        third, third_lines = self.client(b"guest3")
        first.sendall(b"hel")
        first.sendall(b"lo\nand more\n")
        for lines in (second_lines, third_lines):
            while (line := lines.readline()).startswith(b"*"):
                pass
            self.assertEqual(line, b"guest1: hello\n")
            self.assertEqual(lines.readline(), b"guest1: and more\n")
        third.sendall(b"hi\n")
        self.assertEqual([first_lines.readline() for _ in range(3)],
                         [b"* guest2 has joined\n", b"* guest3 has joined\n", b"guest3: hi\n"])

    def test_those_who_leave_are_announced(self):
        _, lines = self.client(b"guest1")
        leaving, _ = self.client(b"guest2")
        self.assertEqual(lines.readline(), b"* guest2 has joined\n")
        leaving.unwrap().close()
        self.assertEqual(lines.readline(), b"* guest2 has left\n")
        self.server.send_signal(signal.SIGTERM)
        self.finish(self.server)

    def test_openssl_s_client_chats_with_python(self):
        secured, lines = self.client(b"guest1")
        other = subprocess.Popen(
            ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{self.port}",
             "-CAfile", self.certificate, "-verify_return_error"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(other.stdout.close)
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        self.assertEqual(support.read_line(other.stdout), "* you are guest2")
        other.stdin.write(b"from openssl\n")
        other.stdin.close()
        self.assertEqual([lines.readline(), lines.readline()],
                         [b"* guest2 has joined\n", b"guest2: from openssl\n"])
        secured.sendall(b"from python\n")
        self.assertEqual(support.read_line(other.stdout), "guest1: from python")

    def test_a_client_that_does_not_read_is_dropped_and_the_others_go_on(self):
        self.client(b"guest1")  # and says and reads nothing
        talker, talker_lines = self.client(b"guest2")
        _, reader_lines = self.client(b"guest3")
        sent = 0
        line = b"x" * 4000 + b"\n"
        while sent < 1 << 28:
            talker.sendall(line)
            sent += len(line)
            heard = reader_lines.readline()
            if heard.startswith(b"*"):
                break
            self.assertEqual(heard, b"guest2: " + line)
        self.assertEqual(heard, b"* guest1 was dropped: too slow\n")
        self.assertEqual(self.log(), "guest1 was dropped: too slow")
        self.assertEqual([talker_lines.readline(), talker_lines.readline()],
                         [b"* guest3 has joined\n", heard])

    def test_a_line_without_an_end_drops_its_client_only(self):
        _, lines = self.client(b"guest1")
        other, _ = self.client(b"guest2")
        other.sendall(b"x" * 5000)
        self.assertEqual([lines.readline(), lines.readline()],
                         [b"* guest2 has joined\n",
                          b"* guest2 was dropped: a line without an end\n"])


if __name__ == "__main__":
    support.main()
