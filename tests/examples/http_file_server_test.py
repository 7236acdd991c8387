#!/usr/bin/env python3
"""The HTTP file server with curl, wrk, and clients that behave as badly as they like."""
import hashlib
import os
import pathlib
import random
import re
import signal
import socket
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
import support

PAGE = b"<h1>hello</h1>\n"
BIG = random.Random(1).randbytes(24 << 20)


class HttpFileServerTest(support.ExampleTest):
    def setUp(self):
        outside = self.temporary_folder()
        self.folder = outside / "www"
        (self.folder / "sub dir").mkdir(parents=True)
        (self.folder / "page.html").write_bytes(PAGE)
        (self.folder / "sub dir" / "index.html").write_bytes(b"index")
        (self.folder / "empty").write_bytes(b"")
        (outside / "secret").write_bytes(b"secret")
        (outside / "www-2").write_bytes(b"not below either")
        (self.folder / "out").symlink_to(outside / "secret")
        (self.folder / "out-2").symlink_to(outside / "www-2")
        (self.folder / "in").symlink_to("page.html")
        os.mkfifo(self.folder / "fifo")
        self.outside = outside

    def start_file_server(self, *arguments):
        self.server, port = self.start_server("example_http_file_server", str(self.folder), "0",
                                              *arguments, stderr=subprocess.PIPE)
        return port

    def stop_server(self):
        self.server.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(self.server), "")

    def curl(self, *arguments):
        done = subprocess.run(["curl", "--silent", "--show-error", "--max-time", "60", *arguments],
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def status(self, port, target, *arguments):
        return self.curl("--path-as-is", "--output", "/dev/null", "--write-out", "%{http_code}",
                         *arguments, f"http://127.0.0.1:{port}{target}").decode()

    def exchange(self, port, request):
        """All that the server answers until it closes."""
        with support.connect(port) as client:
            client.sendall(request)
            return support.receive_all(client)

    def write_big(self):
        (self.folder / "big").write_bytes(BIG)

    def test_curl_gets_a_file_and_its_head(self):
        port = self.start_file_server()
        answer = self.curl("-i", f"http://127.0.0.1:{port}/page.html")
        head, _, body = answer.partition(b"\r\n\r\n")
        self.assertEqual(body, PAGE)
        self.assertTrue(head.startswith(b"HTTP/1.1 200 OK\r\n"), head)
        self.assertIn(b"\r\nContent-Length: %d\r\n" % len(PAGE), head)
        self.assertRegex(head, rb"\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n")
        self.assertEqual(self.curl("-I", f"http://127.0.0.1:{port}/page.html").partition(b"\r\n")[0],
                         b"HTTP/1.1 200 OK")
        for target, body in (("/empty", b""), ("/in", PAGE), ("/sub%20dir/", b"index"),
                             ("/%70age.html?query=%zz", PAGE), ("/sub%20dir/../page.htm", None)):
            if body is not None:
                self.assertEqual(self.curl(f"http://127.0.0.1:{port}{target}"), body)
        self.stop_server()

    def test_what_is_no_file_below_the_folder_is_not_found(self):
        port = self.start_file_server()
        for target in ("/nothing", "/sub%20dir", "/out", "/out-2", "/fifo", "/page.html/", "/sub%20dir/x/"):
            self.assertEqual(self.status(port, target), "404", target)

    def test_a_path_that_climbs_or_is_misspelt_is_a_bad_request(self):
        port = self.start_file_server()
        for target in ("/../secret", "/%2e%2e/secret", "/..%2fsecret", "/sub%20dir/../../secret",
                       "/..", "/%", "/%4", "/%zz", "/page.html%00.txt"):
            self.assertEqual(self.status(port, target), "400", target)

    def test_requests_that_are_none_are_refused_and_the_connection_closed(self):
        port = self.start_file_server()
        for request in (b"GET\r\n\r\n", b"\r\n\r\n", b"GET /page.html\r\n\r\n",
                        b"GET page.html HTTP/1.1\r\nHost: x\r\n\r\n",
                        b"GET /page.html HTTP/2.0\r\nHost: x\r\n\r\n",
                        b"GET /page.html HTTP/1.1\r\n\r\n",
                        b"GET /page.html HTTP/1.1\r\nHost: x\r\nA\0: b\r\n\r\n"):
            answer = self.exchange(port, request)
            self.assertTrue(answer.startswith(b"HTTP/1.1 400 Bad Request\r\n"), (request, answer))
            self.assertIn(b"\r\nConnection: close\r\n", answer)
        answer = self.exchange(port, b"GET / HTTP/1.1\r\nX: " + bytes(64 << 10).replace(b"\0", b"x")
                               + b"\r\n\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 431 "), answer)

    def test_other_methods_are_not_allowed(self):
        port = self.start_file_server()
        self.assertEqual(self.status(port, "/page.html", "--data", "x=1"), "405")
        self.assertEqual(self.status(port, "/page.html", "--request", "DELETE"), "405")
        answer = self.exchange(port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 29\r\n\r\n"
                                     b"GET /page.html HTTP/1.0\r\n\r\n")
        self.assertIn(b"\r\nAllow: GET, HEAD\r\n", answer)
        # The body is not taken for the next request.
        self.assertEqual(answer.count(b"HTTP/1.1"), 1, answer)

    def test_the_body_of_a_get_is_not_taken_for_the_next_request(self):
        port = self.start_file_server()
        for field in (b"content-length: 27", b"Transfer-Encoding: chunked"):
            answer = self.exchange(port, b"GET /page.html HTTP/1.1\r\nHost: x\r\n" + field
                                   + b"\r\n\r\nGET /empty HTTP/1.0\r\n\r\n")
            self.assertTrue(answer.endswith(b"Connection: close\r\n\r\n" + PAGE), answer)
            self.assertEqual(answer.count(b"HTTP/1.1"), 1, answer)

    def test_a_connection_serves_many_requests_and_curl_reuses_it(self):
        port = self.start_file_server()
        url = f"http://127.0.0.1:{port}/page.html"
        output = self.curl("--write-out", "%{num_connects}", url, url, url)
        self.assertEqual(output, PAGE + b"1" + PAGE + b"0" + PAGE + b"0")
        answer = self.exchange(port, b"GET /page.html HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n")
        self.assertTrue(answer.endswith(b"\r\nConnection: close\r\n\r\n" + PAGE), answer)
        answer = self.exchange(port, b"GET /page.html HTTP/1.0\r\n\r\n")
        self.assertTrue(answer.endswith(b"\r\nConnection: close\r\n\r\n" + PAGE), answer)

    def test_pipelined_requests_are_answered_in_their_order(self):
        port = self.start_file_server()
        wanted = [(b"GET", b"/page.html", PAGE), (b"HEAD", b"/page.html", b""),
                  (b"GET", b"/nothing", b"404 Not Found\n"), (b"GET", b"/sub%20dir/", b"index")] * 50
        requests = b"".join(b"%s %s HTTP/1.1\r\nHost: x\r\n\r\n" % (method, target)
                            for method, target, _ in wanted)
        last = b"GET /empty HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = self.exchange(port, requests + last)
        bodies = [piece.partition(b"\r\n\r\n")[2] for piece in answer.split(b"HTTP/1.1 ")[1:]]
        self.assertEqual(bodies, [body for _, _, body in wanted] + [b""])

    # RFC 9110, 14.2: a server may ignore the field.
    def test_who_asks_for_a_range_gets_the_whole_file(self):
        port = self.start_file_server()
        url = f"http://127.0.0.1:{port}/page.html"
        for wanted in ("0-2", "5-", "-1", "1000-2000"):
            self.assertEqual(self.curl("--range", wanted, "--write-out", "%{http_code}", url), PAGE + b"200")

    def test_a_request_in_single_bytes_is_understood(self):
        port = self.start_file_server()
        with support.connect(port) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in b"GET /page.html HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":
                client.sendall(bytes([byte]))
            self.assertTrue(support.receive_all(client).endswith(b"\r\n\r\n" + PAGE))

    def test_a_big_file_arrives_unchanged_at_a_client_that_dawdles(self):
        self.write_big()
        port = self.start_file_server()
        with support.connect(port) as slow:
            slow.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            # It takes nothing while another is served in full.
            body = self.curl(f"http://127.0.0.1:{port}/big")
            self.assertEqual(hashlib.sha256(body).digest(), hashlib.sha256(BIG).digest())
            late = support.receive_all(slow).partition(b"\r\n\r\n")[2]
            self.assertEqual(hashlib.sha256(late).digest(), hashlib.sha256(BIG).digest())

    def test_clients_that_leave_in_the_middle_of_a_body_leave_nothing_behind(self):
        self.write_big()
        port = self.start_file_server()
        descriptors = f"/proc/{self.server.pid}/fd"
        before = len(os.listdir(descriptors))

        def reset(client):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        leavings = [lambda client: None, reset, lambda client: client.recv(200),
                    lambda client: client.recv(1 << 20), lambda client: client.shutdown(socket.SHUT_WR)]
        for leave in leavings * 4:
            with support.connect(port) as client:
                client.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
                self.assertTrue(client.recv(1))
                leave(client)
        support.wait_until(lambda: len(os.listdir(descriptors)) == before, "descriptors to be closed")
        self.assertEqual(self.curl(f"http://127.0.0.1:{port}/page.html"), PAGE)
        self.stop_server()

    def test_a_file_that_gets_shorter_meanwhile_ends_the_connection(self):
        self.write_big()
        port = self.start_file_server()
        with support.connect(port) as client:
            client.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
            self.assertTrue(client.recv(1000))
            os.truncate(self.folder / "big", 1 << 20)
            received = support.receive_all(client)
            self.assertLess(len(received), len(BIG))
            self.assertNotIn(b"HTTP/1.1", received[-1000:])

    def test_curl_over_https_keeps_the_connection_and_the_bytes(self):
        self.write_big()
        certificate, key = support.make_certificate(self.outside)
        port = self.start_file_server(certificate, key)
        url = f"https://localhost:{port}"
        output = self.curl("--cacert", certificate, "--ipv4", "--write-out", "%{num_connects}",
                           url + "/page.html", url + "/page.html")
        self.assertEqual(output, PAGE + b"1" + PAGE + b"0")
        body = self.curl("--cacert", certificate, "--ipv4", url + "/big")
        self.assertEqual(hashlib.sha256(body).digest(), hashlib.sha256(BIG).digest())
        self.stop_server()

    def run_wrk(self, url):
        done = subprocess.run(["wrk", "-t1", "-c32", "-d1s", url], capture_output=True, text=True,
                              timeout=support.PATIENCE, check=True)
        self.assertNotIn("Socket errors", done.stdout)
        self.assertNotIn("Non-2xx", done.stdout)
        self.assertGreater(int(re.search(r"(\d+) requests in", done.stdout).group(1)), 0)

    def test_wrk_finds_no_error(self):
        (self.folder / "block").write_bytes(BIG[:1 << 20])
        port = self.start_file_server()
        for name in ("page.html", "block"):
            self.run_wrk(f"http://127.0.0.1:{port}/{name}")
        self.stop_server()

    def test_wrk_finds_no_error_over_https(self):
        port = self.start_file_server(*support.make_certificate(self.outside))
        self.run_wrk(f"https://127.0.0.1:{port}/page.html")
        self.stop_server()

    def test_both_signals_end_it_in_order(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            self.start_file_server()
            self.server.send_signal(number)
            self.assertEqual(self.finish(self.server), "")

    def test_it_is_shorter_than_150_lines(self):
        source = pathlib.Path(__file__).resolve().parents[2] / "examples" / "http_file_server.cpp"
        self.assertLess(len(source.read_text().splitlines()), 150)

    def test_what_cannot_be_served_is_said(self):
        server = self.start("example_http_file_server", str(self.folder / "nothing"), "0",
                            stderr=subprocess.PIPE)
        self.assertIn("nothing", self.finish(server, 1))
        server = self.start("example_http_file_server", stderr=subprocess.PIPE)
        self.assertRegex(self.finish(server, 2), "^usage: ")


if __name__ == "__main__":
    support.main()
