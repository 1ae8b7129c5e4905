"""Sends requests over http.client: a pool of connections, safe for threads and for fork."""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import socket
import ssl
import threading
import time
from typing import Any, Protocol, TypeVar, cast

from .endpoint import Endpoint
from .proxies import proxy_for
from .steps import MAX_ANSWER_BYTES, Answer, Pause, Request, Steps, TransportFault

T = TypeVar("T")

_CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 30.0
_IDLE_CONNECTIONS = 16


class Transport(Protocol):
    """What carries requests: HTTP, or a fake in memory. Raises TransportFault."""

    def send(self, request: Request) -> Answer: ...

    def close(self) -> None: ...


class BlockingTransport:
    """Sends one request at a time a connection, keeps idle connections, and never outlasts a request's
    deadline.

    A connection that the server closed while idle is replaced without counting as an attempt.
    """

    def __init__(self, endpoint: Endpoint, ssl_context: ssl.SSLContext | None = None) -> None:
        self._lock = threading.Lock()
        self._idle: list[tuple[http.client.HTTPConnection, float]] = []
        self._pid = os.getpid()
        self._endpoint = endpoint
        self._proxy = proxy_for(https=endpoint.https, host=endpoint.host)
        self._ssl = (ssl_context or ssl.create_default_context()) if endpoint.https else None

    def send(self, request: Request) -> Answer:
        """Returns the complete answer, or raises TransportFault."""
        connection = self._take()
        if connection is not None:
            try:
                return self._send_on(connection, request)
            except TimeoutError as error:
                raise _fault(error) from error
            except (OSError, http.client.HTTPException):
                self.close()
        if request.deadline <= time.monotonic():
            raise TransportFault("the deadline passed")
        try:
            return self._send_on(self._connection(request), request)
        except (OSError, http.client.HTTPException) as error:
            raise _fault(error) from error

    def close(self) -> None:
        """Closes idle connections. The transport stays usable."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    def __del__(self) -> None:
        if self._pid == os.getpid():
            self.close()

    def _take(self) -> http.client.HTTPConnection | None:
        if self._pid != os.getpid():
            # A fork: these sockets are the parent's, and another thread may have held the lock.
            self._lock, self._idle, self._pid = threading.Lock(), [], os.getpid()
        now = time.monotonic()
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection, since = self._idle.pop()
            if now - since <= _IDLE_SECONDS:
                return connection
            connection.close()

    def _keep(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if len(self._idle) < _IDLE_CONNECTIONS:
                self._idle.append((connection, time.monotonic()))
                return
        connection.close()

    def _connection(self, request: Request) -> http.client.HTTPConnection:
        endpoint, proxy = self._endpoint, self._proxy
        host, port = (proxy.host, proxy.port) if proxy else (endpoint.host, endpoint.port)
        seconds = min(_CONNECT_SECONDS, request.deadline - time.monotonic())
        if self._ssl is None:
            return http.client.HTTPConnection(host, port, timeout=seconds)
        connection = http.client.HTTPSConnection(host, port, timeout=seconds, context=self._ssl)
        if proxy:
            connection.set_tunnel(endpoint.host, endpoint.port, headers=proxy.headers)
        return connection

    def _send_on(self, connection: http.client.HTTPConnection, request: Request) -> Answer:
        done = False
        try:
            answer, reusable = _exchange_on(connection, request, *self._target(request))
            done = reusable
            return answer
        finally:
            if done:
                self._keep(connection)
            else:
                connection.close()

    def _target(self, request: Request) -> tuple[str, dict[str, str]]:
        endpoint = self._endpoint
        headers = dict(endpoint.headers)
        if request.content_type is not None:
            headers["content-type"] = request.content_type
        target = endpoint.path + request.path
        if self._proxy and not endpoint.https:
            target = endpoint.url + request.path
            headers |= self._proxy.headers
        return target, headers


def run(steps: Steps[T], transport: Transport) -> T:
    """Runs steps to their result."""
    try:
        effect = next(steps)
        while True:
            if isinstance(effect, Pause):
                time.sleep(effect.seconds)
                effect = steps.send(None)
                continue
            try:
                answer = transport.send(effect)
            except TransportFault as fault:
                effect = steps.throw(fault)
            else:
                effect = steps.send(answer)
    except StopIteration as stop:
        return cast("T", stop.value)


def _exchange_on(
    connection: http.client.HTTPConnection, request: Request, target: str, headers: dict[str, str]
) -> tuple[Answer, bool]:
    readers: list[_DeadlineFile] = []
    connection.response_class = _response_class(request.deadline, readers)
    if connection.sock is None:
        connection.connect()
    _limit(connection.sock, request.deadline)
    connection.putrequest(request.method, target, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    if request.body is not None:
        connection.putheader("content-length", str(len(request.body)))
    connection.endheaders()
    # A server may refuse a body before it has read it. Its answer then stands ahead of the reset.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.send(request.body or b"")
    with connection.getresponse() as response:
        if readers[0].ended:
            raise http.client.HTTPException("the headers are cut off")
        body = bytearray()
        while chunk := response.read(1 << 16):
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise http.client.HTTPException("the answer is longer than 64 MiB")
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, bytes(body)), not response.will_close


def _response_class(deadline: float, readers: list[_DeadlineFile]) -> Any:
    def response(sock: socket.socket, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
        readers.append(_DeadlineFile(sock, deadline))
        return http.client.HTTPResponse(cast("socket.socket", readers[-1]), *args, **kwargs)

    return response


class _DeadlineFile(io.RawIOBase):
    """Stands for the socket in HTTPResponse: holds all reads to one deadline, and notices the end."""

    ended = False

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        super().__init__()
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        _limit(self._sock, self._deadline)
        count = self._file.readinto(buffer)
        self.ended = self.ended or count == 0
        return count

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self, 1 << 16)

    def close(self) -> None:
        self._file.close()
        super().close()


def _limit(sock: socket.socket, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    sock.settimeout(left)


def _fault(error: Exception) -> TransportFault:
    text = str(error) or type(error).__name__
    return TransportFault(f"{type(error).__name__}: {text}" if text != type(error).__name__ else text)
