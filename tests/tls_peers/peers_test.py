#!/usr/bin/env python3
"""The TLS examples with peers that are not ours: the openssl command, and Python's ssl and asyncio."""
import asyncio
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "examples"))
import support

MEGABYTE = bytes(range(256)) * 4096


class PeersTest(support.ExampleTest):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.certificate = cls.folder.name + "/certificate.pem"
        cls.key = cls.folder.name + "/key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", cls.key, "-out", cls.certificate, "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"],
            check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def start_server(self):
        server = self.start("example_tls_echo_server", "0", self.certificate, self.key,
                            stdout=subprocess.PIPE)
        line = support.read_line(server.stdout)
        self.assertRegex(line, r"^serving on 127\.0\.0\.1:\d+$")
        return server, int(line.rpartition(":")[2])

    def run_client(self, port, message, host="127.0.0.1"):
        client = self.start("example_tls_client", host, str(port), self.certificate,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, error = client.communicate(message, timeout=support.PATIENCE)
        return client.returncode, output, error.decode()

    def test_our_client_and_our_server(self):
        _, port = self.start_server()
        status, output, error = self.run_client(port, MEGABYTE)
        self.assertEqual((status, error), (0, ""))
        self.assertEqual(output, MEGABYTE)

    def test_openssl_s_client_in_both_versions(self):
        server, port = self.start_server()
        for option, name in (("-tls1_2", "TLS 1.2"), ("-tls1_3", "TLS 1.3")):
            client = subprocess.Popen(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", option, "-quiet",
                 "-verify_return_error", "-verify_quiet", "-CAfile", self.certificate,
                 "-verify_hostname", "localhost"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.addCleanup(client.stdout.close)
            self.addCleanup(client.stderr.close)
            client.stdin.write(b"hello from openssl\n")
            client.stdin.flush()
            self.assertEqual(support.read_line(client.stdout), "hello from openssl")
            client.stdin.close()
            client.terminate()
            client.wait(timeout=support.PATIENCE)
            self.assertEqual(support.read_line(server.stdout), name + " new")
            self.assertRegex(support.read_line(server.stdout), "^lost: ")

    def test_openssl_resumes_a_session(self):
        server, port = self.start_server()
        session = self.folder.name + "/session.pem"
        for option, expected in (("-sess_out", "new"), ("-sess_in", "resumed")):
            client = subprocess.Popen(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-quiet",
                 "-CAfile", self.certificate, option, session],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            self.addCleanup(client.stdout.close)
            client.stdin.write(b"x\n")
            client.stdin.flush()
            self.assertEqual(support.read_line(client.stdout), "x")
            client.stdin.close()
            client.terminate()
            client.wait(timeout=support.PATIENCE)
            self.assertEqual(support.read_line(server.stdout), "TLS 1.3 " + expected)
            support.read_line(server.stdout)

    def start_openssl_server(self, *options):
        """openssl s_server that sends back each line reversed, and its port."""
        server = subprocess.Popen(
            ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", self.certificate,
             "-key", self.key, "-rev", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        while True:
            line = support.read_line(server.stdout)
            if line.startswith("ACCEPT"):
                return int(line.rpartition(":")[2])

    def test_openssl_s_server_with_tls_1_3(self):
        port = self.start_openssl_server("-tls1_3")
        status, output, error = self.run_client(port, b"abcdef\n")
        self.assertEqual((status, error), (0, ""))
        self.assertEqual(output, b"fedcba\n")

    def test_a_certificate_that_is_not_trusted_is_refused_in_words(self):
        _, port = self.start_server()
        client = self.start("example_tls_client", "127.0.0.1", str(port),
                            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        error = client.communicate(timeout=support.PATIENCE)[1].decode()
        self.assertEqual(client.returncode, 1)
        self.assertIn("TLS handshake with 127.0.0.1: subject CN=localhost", error)
        self.assertIn("self-signed", error)

    def test_a_python_client_in_both_versions(self):
        server, port = self.start_server()

        async def talk(version):
            context = ssl.create_default_context(cafile=self.certificate)
            context.minimum_version = context.maximum_version = version
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=context, server_hostname="localhost")
            answer = asyncio.ensure_future(reader.readexactly(len(MEGABYTE)))
            writer.write(MEGABYTE)
            self.assertEqual(await answer, MEGABYTE)
            writer.close()
            await writer.wait_closed()

        for version, name in ((ssl.TLSVersion.TLSv1_2, "1.2"), (ssl.TLSVersion.TLSv1_3, "1.3")):
            asyncio.run(asyncio.wait_for(talk(version), support.PATIENCE))
            self.assertEqual(support.read_line(server.stdout), f"TLS {name} new")
            self.assertEqual(support.read_line(server.stdout), "lost: nothing wrong")

    def test_a_python_client_that_cuts_the_stream_off_is_noticed(self):
        server, port = self.start_server()
        context = ssl.create_default_context(cafile=self.certificate)
        with support.connect(port) as plain:
            secured = context.wrap_socket(plain, server_hostname="localhost")
            secured.sendall(b"x")
            self.assertEqual(secured.recv(1), b"x")
            secured.close()  # the socket, without unwrap()
        support.read_line(server.stdout)
        self.assertIn("without a close_notify", support.read_line(server.stdout))

    def server_context(self, version):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        context.minimum_version = context.maximum_version = version
        return context

    def test_an_asyncio_server(self):
        # With TLS 1.2, since asyncio answers no more once it has seen our end of the stream.
        async def serve():
            async def answer(reader, writer):
                writer.write(b"got " + await reader.readexactly(len(MEGABYTE)))
                await writer.drain()
                writer.close()

            server = await asyncio.start_server(
                answer, "127.0.0.1", 0, ssl=self.server_context(ssl.TLSVersion.TLSv1_2))
            port = server.sockets[0].getsockname()[1]
            client = await asyncio.create_subprocess_exec(
                str(support.PROGRAMS / "example_tls_client"), "localhost", str(port),
                self.certificate, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE)
            output, error = await client.communicate(MEGABYTE)
            server.close()
            return client.returncode, output, error

        status, output, error = asyncio.run(asyncio.wait_for(serve(), support.PATIENCE))
        self.assertEqual((status, error), (0, b""))
        self.assertEqual(output, b"got " + MEGABYTE)

    def test_a_python_server_that_answers_after_our_end_of_the_stream(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def serve():
            plain, _ = listener.accept()
            plain.settimeout(support.PATIENCE)
            context = self.server_context(ssl.TLSVersion.TLSv1_3)
            with context.wrap_socket(plain, server_side=True) as secured:
                received = b""
                while piece := secured.recv(65536):
                    received += piece
                secured.sendall(b"after the end: " + received)
                secured.unwrap()

        thread = threading.Thread(target=serve)
        thread.start()
        status, output, error = self.run_client(listener.getsockname()[1], MEGABYTE)
        thread.join()
        self.assertEqual((status, error), (0, ""))
        self.assertEqual(output, b"after the end: " + MEGABYTE)


if __name__ == "__main__":
    support.main()
