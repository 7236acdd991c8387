"""Connections that stay open as long as the driver wants; those of the load go when it has measured."""
import contextlib
import hashlib
import socket

PATIENCE_S = 60
# So many come at once. A server that is slow under its watcher would otherwise meet all of them in one turn.
TOGETHER = 16
# As the load sends on an idle connection.
ECHO_BYTES = 64


@contextlib.contextmanager
def gathered(server, count):
    """So many connections to a server, all of them accepted."""
    with contextlib.ExitStack() as stack:
        members = []
        while len(members) < count:
            for _ in range(min(TOGETHER, count - len(members))):
                peer = socket.create_connection(("127.0.0.1", server.port), PATIENCE_S)
                members.append(stack.enter_context(peer))
            server.wait_until_it_rests()
        yield members


def receive(peer, size):
    data = bytearray()
    while len(data) < size:
        piece = peer.recv(size - len(data))
        if not piece:
            raise ConnectionError("the server closed a connection")
        data += piece
    return data


def echo_each(members, _options):
    """An echo on each; returns the SHA-256 of what came back."""
    digest = hashlib.sha256()
    for peer in members:
        peer.sendall(b"e" * ECHO_BYTES)
        digest.update(receive(peer, ECHO_BYTES))
    return digest.hexdigest()


def hear_one_message(members, options):
    """One message to all, for which the last asks; returns the SHA-256 of what they heard."""
    digest = hashlib.sha256()
    members[-1].sendall(b"!")
    for peer in members:
        digest.update(receive(peer, int(options["--size"])))
    return digest.hexdigest()
