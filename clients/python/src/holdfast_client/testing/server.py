"""Serves a fake over loopback."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from ..exchange.steps import Request, TransportFault

if TYPE_CHECKING:
    from .fake import FakeHoldfast


class FakeServer:
    """A server on a free port of 127.0.0.1, in a thread of its own."""

    def __init__(self, fake: FakeHoldfast) -> None:
        handler = type("Handler", (_Handler,), {"fake": fake})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    fake: FakeHoldfast
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path == "/rpc":
            self._write(200, {"content-type": "application/json"}, self.fake.rpc(body))
            return
        scheme, _, key = (self.headers.get("authorization") or "").partition(" ")
        content_type = (self.headers.get("content-type") or "").split(";")[0].strip() or None
        request = Request(self.command, self.path, time.monotonic() + 30, body, content_type)
        try:
            answer = self.fake.answer(request, key if scheme.lower() == "bearer" else None)
        except TransportFault:
            self.close_connection = True
            return
        self._write(answer.status, dict(answer.headers), answer.body)

    def _write(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
