#!/usr/bin/env python3
"""Streams over TLS with peers that are not ours: Python's asyncio and ssl, and the openssl command."""
import asyncio
import hashlib
import pathlib
import random
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "examples"))
import support

MESSAGE = random.Random(8).randbytes(8 << 20)
PIECE = 65536
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def digest(text):
    return hashlib.sha256(text).hexdigest()


class StreamPeersTest(support.ExampleTest):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.certificate, cls.key = support.make_certificate(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def start_server(self, version, alpn="-"):
        """Our server, and its port."""
        server = self.start("tls_stream_peer", "server", self.certificate, self.key, version, alpn,
                            stdout=subprocess.PIPE)
        line = support.read_line(server.stdout)
        self.assertRegex(line, r"^serving on 127\.0\.0\.1:\d+$")
        return server, int(line.rpartition(":")[2])

    def run_client(self, port, message, version, alpn="-", times=1):
        """What our client got back, and what it said of each connection."""
        client = self.start("tls_stream_peer", "client", str(port), self.certificate, version, alpn,
                            str(times), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)
        output, error = client.communicate(message, timeout=support.PATIENCE)
        self.assertEqual(client.returncode, 0, error)
        return output, error.decode().splitlines()

    def client_context(self, version):
        context = ssl.create_default_context(cafile=self.certificate)
        context.minimum_version = context.maximum_version = VERSIONS[version]
        return context

    def server_context(self, version):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        context.minimum_version = context.maximum_version = VERSIONS[version]
        return context

    # ---- Python ----

    def test_an_asyncio_client_gets_every_byte_back(self):
        async def talk(port, version):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=self.client_context(version), server_hostname="localhost")
            answer = asyncio.ensure_future(reader.readexactly(len(MESSAGE)))
            for offset in range(0, len(MESSAGE), PIECE):
                writer.write(MESSAGE[offset:offset + PIECE])
                await writer.drain()
            received = await answer
            writer.close()
            await writer.wait_closed()
            return received

        for version in VERSIONS:
            with self.subTest(version=version):
                server, port = self.start_server(version)
                received = asyncio.run(asyncio.wait_for(talk(port, version), support.PATIENCE))
                self.assertEqual(digest(received), digest(MESSAGE))
                self.assertEqual(support.read_line(server.stdout), f"TLS {version} new -")
                self.assertEqual(support.read_line(server.stdout), "over")

    def test_an_asyncio_server_gives_our_client_every_byte_back(self):
        async def serve(version):
            async def echo(reader, writer):
                while piece := await reader.read(PIECE):
                    writer.write(piece)
                    await writer.drain()
                writer.close()

            server = await asyncio.start_server(echo, "127.0.0.1", 0,
                                                ssl=self.server_context(version))
            port = server.sockets[0].getsockname()[1]
            loop = asyncio.get_running_loop()
            result = await loop.run_in_executor(None, self.run_client, port, MESSAGE, version)
            server.close()
            return result

        for version in VERSIONS:
            with self.subTest(version=version):
                received, said = asyncio.run(asyncio.wait_for(serve(version), support.PATIENCE))
                self.assertEqual(digest(received), digest(MESSAGE))
                self.assertEqual(said, [f"TLS {version} new -"])

    def test_a_blocking_client_gets_every_byte_back(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                server, port = self.start_server(version)
                with self.client_context(version).wrap_socket(
                        support.connect(port), server_hostname="localhost") as secured:
                    # In turns, since one thread alone may use the connection.
                    received = hashlib.sha256()
                    for offset in range(0, len(MESSAGE), PIECE):
                        secured.sendall(MESSAGE[offset:offset + PIECE])
                        left = PIECE
                        while left > 0:
                            piece = secured.recv(left)
                            self.assertNotEqual(piece, b"")
                            received.update(piece)
                            left -= len(piece)
                    secured.unwrap().close()
                self.assertEqual(received.hexdigest(), digest(MESSAGE))
                self.assertEqual(support.read_line(server.stdout), f"TLS {version} new -")
                self.assertEqual(support.read_line(server.stdout), "over")

    def test_a_blocking_server_gives_our_client_every_byte_back(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        listener.settimeout(support.PATIENCE)

        def serve(version):
            plain, _ = listener.accept()
            plain.settimeout(support.PATIENCE)
            with self.server_context(version).wrap_socket(plain, server_side=True) as secured:
                while piece := secured.recv(PIECE):
                    secured.sendall(piece)
                secured.unwrap().close()

        for version in VERSIONS:
            with self.subTest(version=version):
                thread = threading.Thread(target=serve, args=(version,), daemon=True)
                thread.start()
                received, said = self.run_client(listener.getsockname()[1], MESSAGE, version)
                thread.join(support.PATIENCE)
                self.assertFalse(thread.is_alive())
                self.assertEqual(digest(received), digest(MESSAGE))
                self.assertEqual(said, [f"TLS {version} new -"])

    # ---- The openssl command ----

    def s_client(self, port, *options, text=b""):
        """Runs openssl s_client until the answer `text` has come, and returns all it printed."""
        client = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", self.certificate,
             "-verify_return_error", "-verify_hostname", "localhost", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(client.stdout.close)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        client.stdin.write(text)
        client.stdin.flush()
        output = b""
        while text not in output or not output.strip():
            piece = support.read_some(client.stdout)
            self.assertNotEqual(piece, b"", output)
            output += piece
        client.stdin.close()
        client.wait(timeout=support.PATIENCE)
        return (output + client.stdout.read()).decode(errors="replace")

    def s_server(self, *options):
        """The port of an openssl s_server that sends back each line reversed."""
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

    def test_s_client_and_our_server_agree_on_a_protocol(self):
        for version, option in (("1.2", "-tls1_2"), ("1.3", "-tls1_3")):
            with self.subTest(version=version):
                server, port = self.start_server(version, "http/1.1,h2")
                printed = self.s_client(port, option, "-alpn", "h2,http/1.1", text=b"a line\n")
                self.assertIn("ALPN protocol: http/1.1", printed)
                self.assertEqual(support.read_line(server.stdout), f"TLS {version} new http/1.1")

    def test_our_client_and_s_server_agree_on_a_protocol(self):
        for version, option in (("1.2", "-tls1_2"), ("1.3", "-tls1_3")):
            with self.subTest(version=version):
                port = self.s_server(option, "-alpn", "h2")
                received, said = self.run_client(port, b"abcdef\n", version, "http/1.1,h2")
                self.assertEqual(received, b"fedcba\n")
                self.assertEqual(said, [f"TLS {version} new h2"])

    def test_s_client_comes_back_with_its_session_of_tls_1_2(self):
        server, port = self.start_server("1.2")
        printed = self.s_client(port, "-tls1_2", "-reconnect", text=b"a line\n")
        self.assertEqual(printed.count("Reused, TLSv1.2"), 5, printed)
        said = [support.read_line(server.stdout)]
        while len(said) < 6:
            line = support.read_line(server.stdout)
            if line.startswith("TLS"):
                said.append(line)
        self.assertEqual(said, ["TLS 1.2 new -"] + ["TLS 1.2 resumed -"] * 5)

    def test_s_client_comes_back_with_its_ticket_of_tls_1_3(self):
        server, port = self.start_server("1.3")
        session = self.folder.name + "/session.pem"
        for option, expected in (("-sess_out", "new"), ("-sess_in", "resumed")):
            printed = self.s_client(port, "-tls1_3", option, session, text=b"a line\n")
            self.assertEqual("Reused, TLSv1.3" in printed, expected == "resumed", printed)
            self.assertEqual(support.read_line(server.stdout), f"TLS 1.3 {expected} -")
            self.assertEqual(support.read_line(server.stdout), "over")

    def test_our_client_comes_back_to_s_server_with_its_session(self):
        for version, option in (("1.2", "-tls1_2"), ("1.3", "-tls1_3")):
            with self.subTest(version=version):
                port = self.s_server(option)
                received, said = self.run_client(port, b"abcdef\n", version, times=3)
                self.assertEqual(received, b"fedcba\n" * 3)
                self.assertEqual(said, [f"TLS {version} new -"]
                                 + [f"TLS {version} resumed -"] * 2)


if __name__ == "__main__":
    support.main()
