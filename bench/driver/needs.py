"""Files that a workload needs: made once for all of its runs, in the folder of the run."""
import random
import socket
import subprocess

from .processes import RunFailed

MIB = 1024 * 1024


def provide(names, folder, tiny):
    for name in names:
        MAKERS[name](folder, tiny)


def target():
    """A socket that listens on the loopback, for the load: a port that is only looked up may be another's in a moment."""
    return socket.create_server(("127.0.0.1", 0))


def certificate(folder, _tiny):
    """cert.pem and key.pem, for a name that nobody checks."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
               "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", str(folder / "key.pem"),
               "-out", str(folder / "cert.pem")]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as problem:
        raise RunFailed(f"no certificate: {problem}") from problem


def file(folder, tiny):
    """file: 1 GiB without a pattern that is shorter than 1 MiB; 1 MiB in a tiny run."""
    block = bytearray(random.Random(1).randbytes(MIB))
    with open(folder / "file", "wb") as out:
        for number in range(1 if tiny else 1024):
            block[:4] = number.to_bytes(4, "little")
            out.write(block)


MAKERS = {"certificate": certificate, "file": file}
