"""The command line itself: help, version, and what is refused with exit status 2."""
import re
import subprocess
import unittest

from support import CliTestCase, program


def run(*arguments, **options):
    return subprocess.run([program(), *arguments], capture_output=True, text=True, timeout=30,
                          check=False, stdin=subprocess.DEVNULL, **options)


class HelpTest(CliTestCase):
    def test_help_is_for_people(self):
        for arguments, words in (
                (["--help"], ["copy", "serve", "help", "-v,--version", "Examples:"]),
                (["-h"], ["copy", "serve"]),
                (["copy", "--help"], ["SOURCE", "SINK", "--high", "--low", "--rate", "--progress",
                                      "--report", "tcp-listen://HOST:PORT", "unix-listen:///PATH",
                                      "pipe:///PATH", "file:///PATH", "tls-listen://HOST:PORT", "--cert",
                                      "--key", "--ca", "--insecure", "sendfile", "Exit status",
                                      "from 0 (--rate: from 1) to 1024G", "What follows --",
                                      "Examples:"]),
                (["serve", "--help"], ["echo", "discard", "chargen", "proxy", "--listen", "--to",
                                       "--cert", "--grace", "from 0 to 1024G", "tcp-listen://",
                                       "listening on URL", "SIGTERM", "SIGHUP",
                                       "second signal", "Exit status", "Examples:"])):
            with self.subTest(arguments):
                result = run(*arguments)
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                for word in words:
                    self.assertIn(word, result.stdout)
                self.assertLessEqual(max(map(len, result.stdout.splitlines())), 100)

    def test_version(self):
        for option in ("--version", "-v"):
            with self.subTest(option):
                result = run(option)
                self.assertEqual(result.returncode, 0)
                self.assertTrue(re.fullmatch(r"sluice \d+\.\d+\.\d+\n", result.stdout), result.stdout)

    def test_help_is_a_command_too(self):
        for words, option in ((["help"], ["--help"]), (["help", "--help"], ["--help"]),
                              (["help", "copy"], ["copy", "--help"]),
                              (["help", "serve"], ["serve", "--help"])):
            with self.subTest(words):
                told = run(*words)
                self.assertEqual((told.returncode, told.stderr), (0, ""))
                self.assertEqual(told.stdout, run(*option).stdout)

    def test_help_that_cannot_be_written_is_an_error(self):
        with open("/dev/full", "wb") as full:
            result = subprocess.run([program(), "--help"], stdout=full, stderr=subprocess.PIPE,
                                    text=True, timeout=30, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("standard output: No space left on device", result.stderr)


class UsageTest(CliTestCase):
    def refused(self, *arguments, **options):
        """Runs it; it must end with 2 and say one line; returns that line."""
        result = run(*arguments, **options)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertEqual(result.stdout, "")
        lines = result.stderr.splitlines()
        self.assertEqual(len(lines), 2, result.stderr)
        self.assertTrue(lines[0].startswith("sluice: "), lines[0])
        self.assertIn("--help", lines[1])
        return lines[0]

    def test_words_are_missing_or_wrong(self):
        for arguments, text in (
                ([], "expected copy, serve or help"),
                (["cpoy", "-", "-"], "cpoy"),
                (["copy"], "SOURCE"),
                (["copy", "-"], "SINK"),
                (["copy", "-", "-", "--fast"], "--fast"),
                (["copy", "-", "-", "--high"], "--high"),
                (["copy", "-", "-", "--progress", "sometimes"], "auto"),
                (["copy", "-", "-", "--report", "xml"], "json"),
                (["copy", "-", "-", "-"], "only once"),
                (["serve", "echo"], "--listen"),
                (["serve", "daytime", "--listen", "tcp://:0"], "echo"),
                (["serve", "echo", "--listen", "tcp://:0", "--report", "xml"], "json")):
            with self.subTest(arguments):
                self.assertRegex(self.refused(*arguments), text)

    def test_what_was_expected_is_said_in_our_words(self):
        for arguments, text, help_of in (
                (["frob"], "there is no command 'frob'; expected copy, serve or help", "sluice"),
                (["--frob"], "there is no command '--frob'; expected copy, serve or help", "sluice"),
                ([], "a command is missing; expected copy, serve or help", "sluice"),
                (["copy"], "SOURCE and SINK are missing; expected sluice copy SOURCE SINK...",
                 "sluice copy"),
                (["copy", "-"], "a SINK is missing; expected sluice copy SOURCE SINK...",
                 "sluice copy"),
                (["copy", "-", "-", "--fast"], "there is no option '--fast'", "sluice copy"),
                (["copy", "-", "-", "--high"], "--high: a value is missing; expected --high SIZE",
                 "sluice copy"),
                (["copy", "-", "-", "--high", "--", "1"],
                 "--high: a value is missing; expected --high SIZE", "sluice copy"),
                (["copy", "-", "-", "--high", "1", "--high", "2"],
                 "--high is given more than once; expected --high SIZE once", "sluice copy"),
                (["serve", "echo", "--listen", "tcp://:0", "--listen", "tcp://:0"],
                 "--listen is given more than once; expected --listen URL once", "sluice serve"),
                (["help", "cpoy"], "help: 'cpoy' is unknown; expected copy or serve", "sluice"),
                (["help", "copy", "that"], "unexpected argument 'that'; expected nothing more",
                 "sluice"),
                (["copy", "-", "-", "--report", "xml"],
                 "--report: 'xml' is unknown; expected text, json or none", "sluice copy"),
                (["serve"], "a SERVICE is missing; expected echo, discard, chargen or proxy",
                 "sluice serve"),
                (["serve", "daytime"],
                 "serve: 'daytime' is unknown; expected echo, discard, chargen or proxy",
                 "sluice serve"),
                (["serve", "echo"], "serve echo: --listen is missing; expected --listen URL, where "
                 "clients are to connect", "sluice serve"),
                (["serve", "--listen", "tcp://:0", "--", "echo", "--fast"],
                 "unexpected argument '--fast'; expected nothing more", "sluice serve"),
                (["serve", "echo", "twice", "--listen", "tcp://:0"],
                 "unexpected argument 'twice'; expected nothing more", "sluice serve")):
            with self.subTest(arguments):
                result = run(*arguments)
                self.assertEqual((result.returncode, result.stderr),
                                 (2, f"sluice: {text}\nsee '{help_of} --help'\n"))

    def test_what_follows_two_dashes_is_no_option(self):
        self.file(b"a file", "--help")
        for arguments, sink in ((["--", "--help", "--high"], "--high"),
                                (["--report", "none", "--", "--help", "-copy"], "-copy"),
                                (["./--help", "--", "--"], "--")):
            with self.subTest(arguments):
                result = run("copy", *arguments, cwd=self.tmp)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual((self.tmp / sink).read_bytes(), b"a file")
        self.assertIn("a SINK is missing", self.refused("copy", "--", "-"))

    def test_an_address_is_not_taken_for_a_file(self):
        for source, sink in (("localhost:80", "-"), ("-", "localhost:80")):
            with self.subTest(source):
                self.assertIn("expected tcp://localhost:80 for a connection, or ./localhost:80",
                              self.refused("copy", source, sink, cwd=self.tmp))
        self.assertEqual(list(self.tmp.iterdir()), [])
        self.file(b"a file", "localhost:80")
        result = run("copy", "localhost:80", "-", "--report", "none", cwd=self.tmp)
        self.assertEqual((result.returncode, result.stdout), (0, "a file"))

    def test_sizes(self):
        for size, text in (("-5", "negative"), ("-64K", "negative"), ("K", "not a size"), ("12Q", "not a size"), ("1.5M", "not a size"),
                           ("0x10", "not a size"), ("64KK", "not a size"), ("1 K", "not a size"),
                           ("1025G", "too large"), ("99999999999999999999", "too large"),
                           ("18446744073709551615K", "too large")):
            for option in ("--high", "--low", "--rate"):
                with self.subTest(option=option, size=size):
                    line = self.refused("copy", "-", "-", f"{option}={size}")
                    self.assertIn(option, line)
                    self.assertIn(text, line)
                    self.assertIn("64K", line)
                    self.assertIn("from 1 to 1024G" if option == "--rate" else "from 0 to 1024G",
                                  line)
        self.assertIn("negative", self.refused("copy", "-", "-", "--high", "-5"))
        self.assertIn("negative", self.refused("serve", "echo", "--listen", "tcp://:0",
                                               "--low", "-1"))

    def test_high_below_low(self):
        for command in (["copy", "-", "-"], ["serve", "echo", "--listen", "tcp://127.0.0.1:0"]):
            with self.subTest(command):
                line = self.refused(*command, "--low", "257G")
                self.assertIn("--low 257G: the high mark would be four times that", line)
                line = self.refused(*command, "--high", "1K", "--low", "2K")
                self.assertIn("--high 1K is less than --low 2K", line)

    def test_a_rate_of_nothing(self):
        self.assertIn("'0' is too small; expected a number of bytes per second from 1 to 1024G",
                      self.refused("copy", "-", "-", "--rate", "0"))

    def test_grace(self):
        for grace in ("-1", "soon", "1e9", "nan"):
            with self.subTest(grace):
                line = self.refused("serve", "echo", "--listen", "tcp://:0", f"--grace={grace}")
                self.assertIn("seconds", line)

    def test_endpoints(self):
        for url, text in (
                ("http://example.org/", "unknown scheme 'http'.*tcp://"),
                ("tcp:localhost:80", "expected // after tcp:"),
                ("tcp://localhost", "HOST:PORT"),
                ("tcp://localhost:", "expected a port"),
                ("tcp://:80", "host is missing"),
                ("tcp://localhost:0", "cannot connect to port 0"),
                ("tcp://localhost:70000", "no port 70000"),
                ("tcp://localhost:99999999999", "no port 99999999999"),
                ("tcp://localhost:-1", "not a port"),
                ("tcp://localhost:http", "not a port"),
                ("tcp://localhost:80/", "not a port"),
                ("tcp-listen://localhost:70000", "no port 70000.*from 0"),
                ("tcp://::1:80", "brackets"),
                ("tcp://[::1]", r"\[IPV6-ADDRESS\]:PORT"),
                ("tcp://[::1", r"\[IPV6-ADDRESS\]:PORT"),
                ("tcp://[localhost]:80", "not an IPv6 address"),
                ("tcp://user@host:80", "not a host name"),
                ("unix://", "/PATH"),
                ("unix:///" + "x" * 107, "108 bytes.*at most 107"),
                ("unix-listen:///" + "x" * 150, "151 bytes.*at most 107"),
                ("pipe://", "pipe:///PATH"),
                ("", "empty")):
            with self.subTest(url):
                self.assertRegex(self.refused("copy", url, "-"), text)
                self.assertRegex(self.refused("copy", "-", url), text)
        self.assertIn("file:///PATH", self.refused("copy", "file://relative", "-"))

    def test_tls(self):
        for arguments, text in (
                (["copy", "tls-listen://:0", "-"], "expected --cert FILE"),
                (["serve", "echo", "--listen", "tls://:0"], "expected --cert FILE"),
                (["copy", "tls://host:1", "-", "--key", "k"], "expected --cert FILE"),
                (["copy", "tcp://host:1", "-", "--cert", "c"], "--cert is for TLS"),
                (["copy", "tcp://host:1", "-", "--ca", "c"], "--ca is for connecting with TLS"),
                (["copy", "tls-listen://:0", "-", "--cert", "c", "--ca", "c"],
                 "--ca is for connecting"),
                (["copy", "tls-listen://:0", "-", "--cert", "c", "--insecure"],
                 "--insecure is for connecting"),
                (["copy", "tls://host:1", "-", "--ca", "c", "--insecure"], "only one"),
                (["copy", "tls://host", "-"], "HOST:PORT"),
                (["copy", "tls://host:0", "-"], "cannot connect to port 0"),
                (["copy", "tls://:1", "-"], "host is missing"),
                (["copy", "tls://host:70000", "-"], "no port 70000"),
                (["copy", "tls-listen://host:x", "-"], "not a port"),
                (["copy", "tls:host:1", "-"], "expected // after tls:")):
            with self.subTest(arguments):
                self.assertIn(text, self.refused(*arguments))

    def test_proxy(self):
        listen = ["--listen", "tcp://127.0.0.1:0"]
        self.assertIn("--to is missing; expected --to URL", self.refused("serve", "proxy", *listen))
        self.assertIn("--to is for serve proxy",
                      self.refused("serve", "echo", *listen, "--to", "tcp://host:1"))
        for target in ("-", "file", "exec:cat", "pipe:///x", "file:///x", "tcp-listen://:0",
                       "unix-listen:///x", "tls-listen://:0"):
            with self.subTest(target):
                self.assertIn("cannot be connected to",
                              self.refused("serve", "proxy", *listen, "--to", target))
        self.assertIn("port 0", self.refused("serve", "proxy", *listen, "--to", "tcp://host:0"))

    def test_what_cannot_be_served_on(self):
        for url in ("-", "some/path", "pipe:///x", "file:///x"):
            with self.subTest(url):
                self.assertIn("cannot be listened on", self.refused("serve", "echo",
                                                                    "--listen", url))
        self.assertIn("at most 107", self.refused("serve", "echo", "--listen",
                                                  "unix:///" + "x" * 120))


if __name__ == "__main__":
    unittest.main()
