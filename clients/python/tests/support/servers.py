"""Servers on loopback that answer wrongly, slowly, or not at all."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

Script = Callable[[socket.socket, bytes], None]


@contextlib.contextmanager
def scripted_server(*scripts: Script) -> Iterator[tuple[str, list[bytes]]]:
    """Yields the address, and the requests so far.

    Script n serves connection n, and the last script all later ones. It gets the socket and one request.
    """
    seen: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.02)
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket, script: Script) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(10)
            while request := read_request(connection):
                seen.append(request)
                script(connection, request)

    def accept() -> None:
        count = 0
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            script = scripts[min(count, len(scripts) - 1)]
            count += 1
            thread = threading.Thread(target=serve, args=(connection, script), daemon=True)
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
    finally:
        stop.set()
        acceptor.join()
        listener.close()


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(status: int, body: bytes = b"", *headers: str, kind: str = "application/json") -> Script:
    """Answers, and keeps the connection."""
    lines = [f"HTTP/1.1 {status} Word", f"content-type: {kind}", f"content-length: {len(body)}", *headers]
    text = "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def script(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(text)

    return script


def in_turn(*scripts: Script) -> Script:
    """Serves request n with script n, whatever its connection."""
    rest = iter(scripts)

    def script(connection: socket.socket, request: bytes) -> None:
        next(rest)(connection, request)

    return script


def hang_up(connection: socket.socket, _request: bytes) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def raw(*pieces: bytes, pause: float = 0.0) -> Script:
    """Sends pieces with pauses between them, then ends the connection."""

    def script(connection: socket.socket, _request: bytes) -> None:
        waiting = threading.Event()
        for piece in pieces:
            connection.sendall(piece)
            waiting.wait(pause)
        connection.shutdown(socket.SHUT_RDWR)

    return script
