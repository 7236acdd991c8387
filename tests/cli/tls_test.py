"""tls:// and tls-listen:// of sluice copy: against itself and against other programs' TLS."""
import json
import re
import signal
import socket
import ssl
import subprocess
import unittest

from certificates import Certificates
from support import CliTestCase, DEADLINE_S, MIB, eventually, payload, sha256


def listens(port):
    """Whether something listens on a port of 127.0.0.1; asking does not connect."""
    entry = f"0100007F:{port:04X} 00000000:0000 0A"
    with open("/proc/net/tcp", encoding="ascii") as table:
        return entry in table.read()


class TlsTestCase(CliTestCase):
    def setUp(self):
        super().setUp()
        self.certificates = Certificates(self.tmp)
        self.certificate, self.key = self.certificates.signed("localhost")
        self.serving = ("--cert", self.certificate, "--key", self.key)
        self.trusting = ("--ca", self.certificates.authority)
        self.received = self.tmp / "received"

    def receive(self, endpoint, *options):
        with open(self.received, "wb") as out:
            return self.copy(endpoint, "-", *options, stdout=out)

    def check_received(self, data, *children):
        for child in children:
            self.assertEqual(child.status(), 0, f"{child.arguments}: {child.err()}")
        self.assertEqual(sha256(self.received.read_bytes()), sha256(data))

    def server_context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def client_context(self):
        return ssl.create_default_context(cafile=str(self.certificates.authority))

    def tls_client(self, url):
        host, port = url[len("tls://"):].rsplit(":", 1)
        plain = socket.create_connection((host, int(port)), DEADLINE_S)
        connection = self.client_context().wrap_socket(plain, server_hostname=host)
        self.addCleanup(connection.close)
        return connection

    def tls_peer(self, handle, context=None):
        """A TLS server of this process; returns it and its URL."""
        context = context or self.server_context()

        def secured(connection):
            connection.settimeout(DEADLINE_S)
            with context.wrap_socket(connection, server_side=True) as tls:
                return handle(tls)
        server, url = self.peer(secured)
        return server, url.replace("tcp://", "tls://")

    def free_port(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def started(self, port, *command, **options):
        """Starts a program that is to listen on the port."""
        child = self.start(*command, **options)
        eventually(lambda: listens(port), f"{command} to listen")
        return child


def read_to_farewell(tls):
    chunks = []
    while chunk := tls.recv(1 << 18):
        chunks.append(chunk)
    return b"".join(chunks)


class TlsCopyTest(TlsTestCase):
    def test_between_two_copies(self):
        data = payload(8 * MIB + 3)
        source = self.file(data)
        receiver = self.receive("tls-listen://127.0.0.1:0", *self.serving)
        url = receiver.listening_url()
        self.assertRegex(url, r"^tls://127\.0\.0\.1:[1-9]")
        self.check_received(data, self.copy(source, url, *self.trusting), receiver)
        sender = self.copy(source, "tls-listen://localhost:0", *self.serving)
        self.check_received(data, self.receive(sender.listening_url(), *self.trusting), sender)

    def test_nothing_and_little(self):
        for data in (b"", b"x", b"x" * 16385):
            with self.subTest(len(data)):
                receiver = self.receive("tls-listen://127.0.0.1:0", *self.serving)
                sender = self.copy(self.file(data), receiver.listening_url(), *self.trusting)
                self.check_received(data, sender, receiver)

    def test_report_counts_the_bytes_of_the_user(self):
        data = payload(MIB)
        receiver = self.receive("tls-listen://127.0.0.1:0", *self.serving)
        sender = self.copy(self.file(data), receiver.listening_url(), *self.trusting, "--report",
                           "json")
        self.check_received(data, sender, receiver)
        report = sender.report()
        self.assertEqual((report["bytes"], report["sinks"][0]["bytes_delivered"]), (MIB, MIB))
        self.assertEqual((report["sent_by"], report["sinks"][0]["status"]), ("write", "closed"))

    def test_insecure_warns_and_copies(self):
        receiver = self.receive("tls-listen://127.0.0.1:0", *self.serving)
        sender = self.copy(self.file(b"whoever you are"), receiver.listening_url(), "--insecure")
        self.check_received(b"whoever you are", sender, receiver)
        self.assertEqual(len(sender.error_lines()), 1)
        self.assertRegex(sender.err(), "warning: the certificate of tls://.* is not verified")

    def test_key_in_the_file_of_the_certificate(self):
        both = self.file(self.certificate.read_bytes() + self.key.read_bytes(), "both.pem")
        receiver = self.receive("tls-listen://127.0.0.1:0", "--cert", both)
        sender = self.copy(self.file(b"data"), receiver.listening_url(), *self.trusting)
        self.check_received(b"data", sender, receiver)

    def test_a_signal_ends_it(self):
        sender = self.copy("/dev/zero", "tls-listen://127.0.0.1:0", *self.serving, "--progress",
                           "always")
        connection = self.tls_client(sender.listening_url())
        connection.recv(1)
        sender.wait_until_paused()
        self.interrupt(sender)
        waiting = self.copy("tls-listen://127.0.0.1:0", "-", *self.serving)
        with socket.create_connection(waiting.listening_url()[len("tls://"):].split(":")):
            self.interrupt(waiting, signal.SIGTERM)


class PythonTest(TlsTestCase):
    def test_python_connects(self):
        data = payload(4 * MIB + 1)
        receiver = self.receive("tls-listen://127.0.0.1:0", *self.serving)
        connection = self.tls_client(receiver.listening_url())
        connection.sendall(data)
        connection.unwrap()
        self.check_received(data, receiver)
        sender = self.copy(self.file(data), "tls-listen://127.0.0.1:0", *self.serving)
        received = read_to_farewell(self.tls_client(sender.listening_url()))
        self.assertEqual(sha256(received), sha256(data))
        self.assert_done(sender)

    def test_python_listens(self):
        data = payload(4 * MIB + 1)
        peer, url = self.tls_peer(read_to_farewell)
        self.assert_done(self.copy(self.file(data), url, *self.trusting))
        self.assertEqual(sha256(peer.join()), sha256(data))

        def send(tls):
            tls.sendall(data)
            tls.unwrap()
        peer, url = self.tls_peer(send)
        self.check_received(data, self.receive(url, *self.trusting))
        peer.join()

    def test_tls_1_2(self):
        context = self.server_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        data = payload(MIB)
        peer, url = self.tls_peer(read_to_farewell, context)
        self.assert_done(self.copy(self.file(data), url, *self.trusting))
        self.assertEqual(sha256(peer.join()), sha256(data))

    def test_receiver_without_a_farewell_has_everything_nevertheless(self):
        def leave(tls):
            received = read_to_farewell(tls)
            tls.close()
            return received
        data = payload(MIB)
        peer, url = self.tls_peer(leave)
        self.assert_done(self.copy(self.file(data), url, *self.trusting))
        self.assertEqual(sha256(peer.join()), sha256(data))


class OpensslTest(TlsTestCase):
    def test_s_client_sends(self):
        data = payload(4 * MIB + 3)
        receiver = self.receive("tls-listen://127.0.0.1:0", *self.serving)
        address = receiver.listening_url()[len("tls://"):]
        with open(self.file(data), "rb") as source:
            sender = self.start("openssl", "s_client", "-connect", address, "-CAfile",
                                self.certificates.authority, "-verify_return_error", "-quiet",
                                "-no_ign_eof", "-nocommands", stdin=source)
        self.check_received(data, sender, receiver)

    def test_s_client_receives(self):
        data = payload(4 * MIB + 3)
        sender = self.copy(self.file(data), "tls-listen://127.0.0.1:0", *self.serving)
        address = sender.listening_url()[len("tls://"):]
        with open(self.received, "wb") as out:
            receiver = self.start("openssl", "s_client", "-connect", address, "-CAfile",
                                  self.certificates.authority, "-verify_return_error", "-quiet",
                                  stdout=out)
        self.check_received(data, receiver, sender)

    def s_server(self, **options):
        port = self.free_port()
        child = self.started(port, "openssl", "s_server", "-accept", f"127.0.0.1:{port}",
                             "-naccept", "1", "-cert", self.certificate, "-key", self.key,
                             "-quiet", **options)
        return child, f"tls://127.0.0.1:{port}"

    def test_s_server_receives(self):
        data = payload(4 * MIB + 3)
        with open(self.received, "wb") as out:
            receiver, url = self.s_server(stdout=out, stdin=subprocess.PIPE)
        self.check_received(data, self.copy(self.file(data), url, *self.trusting), receiver)

    def test_s_server_sends_and_says_no_farewell(self):
        """It never does, so all is there, and nobody can know that it is all. After one block it would
        wait for an answer.
        """
        data = payload(16_000)
        sender, url = self.s_server(stdin=subprocess.PIPE)
        receiver = self.receive(url, *self.trusting)
        sender.process.stdin.write(data)
        sender.process.stdin.flush()
        eventually(lambda: self.received.stat().st_size == len(data), "the last byte")
        sender.signal(signal.SIGTERM)
        sender.process.wait()
        self.assert_failed(receiver, f"cannot read {url}: .*close_notify",
                           f"{len(data)} bytes delivered")
        self.assertEqual(sha256(self.received.read_bytes()), sha256(data))


class SocatTest(TlsTestCase):
    def test_socat_connects(self):
        data = payload(4 * MIB + 3)
        peer = f"cafile={self.certificates.authority},commonname=localhost"
        receiver = self.receive("tls-listen://127.0.0.1:0", *self.serving)
        address = receiver.listening_url()[len("tls://"):]
        with open(self.file(data), "rb") as source:
            sender = self.start("socat", "-u", "-", f"OPENSSL:{address},{peer}", stdin=source)
        self.check_received(data, sender, receiver)
        sender = self.copy(self.tmp / "source", "tls-listen://127.0.0.1:0", *self.serving)
        address = sender.listening_url()[len("tls://"):]
        with open(self.received, "wb") as out:
            receiver = self.start("socat", "-u", f"OPENSSL:{address},{peer}", "-", stdout=out)
        self.check_received(data, sender, receiver)

    def test_socat_listens(self):
        data = payload(4 * MIB + 3)
        source = self.file(data)
        files = f"cert={self.certificate},key={self.key},verify=0,bind=127.0.0.1"
        port = self.free_port()
        with open(self.received, "wb") as out:
            receiver = self.started(port, "socat", "-u", f"OPENSSL-LISTEN:{port},{files}", "-",
                                    stdout=out)
        sender = self.copy(source, f"tls://127.0.0.1:{port}", *self.trusting)
        self.check_received(data, sender, receiver)
        port = self.free_port()
        with open(source, "rb") as stdin:
            sender = self.started(port, "socat", "-u", "-", f"OPENSSL-LISTEN:{port},{files}",
                                  stdin=stdin)
        receiver = self.receive(f"tls://127.0.0.1:{port}", *self.trusting)
        self.check_received(data, receiver, sender)


class TlsFailureTest(TlsTestCase):
    def connected_pair(self):
        """A sender and a receiver whose output is not read; both are in the middle."""
        sender = self.copy("/dev/zero", "tls-listen://127.0.0.1:0", *self.serving, "--progress",
                           "always")
        receiver = self.copy(sender.listening_url(), "-", *self.trusting, "--progress", "always",
                             stdout=subprocess.PIPE)
        sender.wait_until_paused()
        receiver.wait_until_paused()
        return sender, receiver

    def test_killed_receiver(self):
        sender, receiver = self.connected_pair()
        receiver.signal(signal.SIGKILL)
        receiver.process.wait()
        line = self.assert_failed(sender, "cannot write to tls-listen://", "delivered")
        self.assertRegex(line, "reset|Broken pipe|farewell|closed")

    def test_killed_sender_is_a_truncation(self):
        sender, receiver = self.connected_pair()
        sender.signal(signal.SIGKILL)
        sender.process.wait()
        receiver.out()
        self.assert_failed(receiver, "cannot read tls://", "close_notify")

    def test_stream_that_is_cut_off(self):
        receiver = self.receive("tls-listen://127.0.0.1:0", *self.serving)
        connection = self.tls_client(receiver.listening_url())
        connection.sendall(b"first half")
        eventually(lambda: self.received.read_bytes() == b"first half", "the bytes")
        # Without the farewell, which unwrap() would send.
        socket.socket.shutdown(connection, socket.SHUT_WR)
        self.assert_failed(receiver, "cannot read tls-listen://127.0.0.1:0: .*close_notify",
                           "10 bytes delivered")

    def test_files_that_cannot_be_used(self):
        other, other_key = self.certificates.signed("other")
        garbage = self.file(b"no certificate", "garbage.pem")
        listen = ("tls-listen://127.0.0.1:0", "-")
        for arguments, text in (
                ((*listen, "--cert", garbage, "--key", self.key), "certificate in .*garbage.pem"),
                ((*listen, "--cert", self.tmp / "none.pem"), "certificate in .*none.pem"),
                ((*listen, "--cert", self.certificate, "--key", garbage), "key in .*garbage.pem"),
                ((*listen, "--cert", self.certificate), "private key in .*localhost.pem"),
                ((*listen, "--cert", self.certificate, "--key", other_key),
                 "using '.*other.key' for '.*localhost.pem': the private key does not belong"),
                (("-", "tls://localhost:1", "--ca", garbage), "trusted .*garbage.pem"),
                (("-", "tls://localhost:1", "--cert", other, "--key", self.key), "other.pem")):
            with self.subTest(arguments):
                line = self.assert_failed(self.copy(*arguments), "cannot set up TLS for tls", text)
                self.assertNotIn("delivered", line)

    def test_what_is_wrong_with_a_file_is_said_once(self):
        garbage, missing = self.file(b"no certificate", "garbage.pem"), self.tmp / "none.pem"
        cert, key = self.certificate, self.key
        for options, text in (
                (("--cert", missing), f"reading the certificate in '{missing}': "
                 "No such file or directory"),
                (("--cert", garbage), f"reading the certificate in '{garbage}': "
                 "there is none in PEM form"),
                (("--cert", cert), f"reading the private key in '{cert}': there is none in PEM form; "
                 "expected it there, or --key FILE"),
                (("--cert", cert, "--key", garbage), f"reading the private key in '{garbage}': "
                 "there is none in PEM form"),
                (("--cert", cert, "--key", self.certificates.authority_key),
                 f"using '{self.certificates.authority_key}' for '{cert}': the private key does not "
                 "belong to the certificate")):
            with self.subTest(options):
                url = "tls://127.0.0.1:0"
                child = self.sluice("serve", "echo", "--listen", url, *options)
                self.assertEqual(self.assert_failed(child),
                                 f"sluice: cannot set up TLS for {url}: {text}")
        child = self.copy("-", "tls://localhost:1", "--ca", missing)
        self.assertEqual(self.assert_failed(child),
                         "sluice: cannot set up TLS for tls://localhost:1: reading the trusted "
                         f"certificates in '{missing}': No such file or directory; nothing was copied")

    def refused_by_us(self, certificate, key, *options):
        """The line with which a copy to a peer that shows this certificate ends."""
        server = self.copy("tls-listen://127.0.0.1:0", "-", "--cert", certificate, "--key", key)
        url = server.listening_url()
        line = self.assert_failed(self.copy("-", url, *options), f"cannot connect to {url}: ",
                                  "nothing was copied")
        self.assert_failed(server, "cannot accept on tls-listen://127.0.0.1:0: ", "refused")
        return line

    def test_self_signed_peer(self):
        certificate, key = self.certificates.make("alone", "localhost")
        self.assertRegex(self.refused_by_us(certificate, key, *self.trusting), "self-signed and not trusted")

    def test_unknown_issuer(self):
        self.assertRegex(self.refused_by_us(self.certificate, self.key), "issuer|trusted")

    def test_wrong_host(self):
        certificate, key = self.certificates.signed("elsewhere", "elsewhere")
        line = self.refused_by_us(certificate, key, *self.trusting)
        self.assertRegex(line, r"^sluice: cannot connect to tls://127\.0\.0\.1:\d+: subject "
                         r"CN=elsewhere, wanted 127\.0\.0\.1: the peer's certificate is for another "
                         r"host; nothing was copied$")

    def test_expired_certificate(self):
        certificate, key = self.certificates.expired("old")
        line = self.refused_by_us(certificate, key, "--ca", certificate)
        self.assertRegex(line, "subject CN=old, not after .*: the peer's certificate has expired")
        self.assertNotIn("handshake", line)

    def test_unknown_host(self):
        self.assert_failed(self.copy("-", "tls://no-such-host.invalid:1"), "cannot connect to",
                           "no-such-host.invalid")

    def test_peer_that_listens_without_tls(self):
        def answer(connection):
            connection.sendall(b"220 welcome\r\n")
            return connection.recv(100)
        peer, url = self.peer(answer)
        url = url.replace("tcp://", "tls://")
        self.assert_failed(self.copy("-", url, *self.trusting), f"cannot connect to {url}: ",
                           "does not speak TLS", "nothing was copied")
        peer.join()

    def test_peer_that_connects_without_tls(self):
        for first_words in (b"GET / HTTP/1.0\r\n\r\n", b"hello, is anybody there?\r\n"):
            with self.subTest(first_words):
                receiver = self.receive("tls-listen://127.0.0.1:0", *self.serving)
                url = receiver.listening_url()
                connection = self.client(url.replace("tls://", "tcp://"))
                connection.sendall(first_words)
                self.assert_failed(receiver, "cannot accept on tls-listen://127.0.0.1:0: ",
                                   "does not speak TLS", "nothing was copied")

    def test_peer_that_leaves_in_the_handshake(self):
        receiver = self.receive("tls-listen://127.0.0.1:0", *self.serving)
        self.client(receiver.listening_url().replace("tls://", "tcp://")).close()
        self.assert_failed(receiver, "cannot accept on tls-listen://", "closed")


class ServeTlsTest(TlsTestCase):
    def test_echo(self):
        service = self.sluice("serve", "echo", "--listen", "tls://127.0.0.1:0", *self.serving,
                              stdout=subprocess.PIPE)
        url = service.process.stdout.readline().decode().split()[-1]
        self.assertTrue(re.match(r"tls://127\.0\.0\.1:\d+$", url), url)
        connection = self.tls_client(url)
        connection.sendall(b"hello")
        self.assertEqual(connection.recv(100), b"hello")
        plain = self.client(url.replace("tls://", "tcp://"))
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        # It is told by an alert, which is no answer to it, and then the end.
        while plain.recv(100):
            pass
        connection.sendall(b"still there")
        self.assertEqual(connection.recv(100), b"still there")
        service.signal(signal.SIGTERM)
        self.assertEqual(connection.recv(100), b"")
        connection.close()
        self.assertEqual(service.status(), 0, service.err())

    def test_failed_handshakes_are_told_and_counted(self):
        service = self.sluice("serve", "discard", "--listen", "tls://127.0.0.1:0", *self.serving,
                              "--report", "json", stdout=subprocess.PIPE)
        url = service.process.stdout.readline().decode().split()[-1].replace("tls://", "tcp://")
        for _ in range(30):
            plain = self.client(url)
            plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while plain.recv(100):
                pass
            plain.close()
        service.wait_for_text("handshake with 127.0.0.1:.*does not speak TLS; a client is turned away")
        service.signal(signal.SIGTERM)
        totals = json.loads(service.out())
        self.assertEqual((totals["clients"], totals["handshakes_failed"]), (0, 30))
        # One line a second: nobody fills a log by knocking.
        self.assertLessEqual(len(service.error_lines()), totals["seconds"] + 1)


if __name__ == "__main__":
    unittest.main()
