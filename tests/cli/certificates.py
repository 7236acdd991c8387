"""Certificates for the tests of TLS, made by openssl(1)."""
import subprocess

CONFIG = """
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[localhost]
basicConstraints = CA:FALSE
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
[elsewhere]
basicConstraints = CA:FALSE
subjectAltName = DNS:elsewhere.example
"""


class Certificates:
    """Files in a folder: an authority, a certificate for localhost, and some that are no good."""

    def __init__(self, folder):
        self.folder = folder
        self.config = folder / "openssl.cnf"
        self.config.write_text(CONFIG)
        self.authority, self.authority_key = self.make("ca", "ca")

    def make(self, name, section, *options):
        """Makes NAME.pem and NAME.key; signed by itself unless the options say otherwise."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}",
             "-config", self.config, "-extensions", section, "-keyout", key, "-out", certificate,
             *options], check=True, capture_output=True, timeout=40)
        return certificate, key

    def signed(self, name, section="localhost"):
        """A certificate of the authority."""
        return self.make(name, section, "-CA", self.authority, "-CAkey", self.authority_key)

    def expired(self, name):
        """One for localhost, signed by itself, that has ended a day before it began."""
        young, key = self.make(name, "localhost")
        certificate = self.folder / f"{name}-expired.pem"
        subprocess.run(["openssl", "x509", "-in", young, "-signkey", key, "-days", "-1", "-out",
                        certificate], check=True, capture_output=True, timeout=40)
        return certificate, key
