"""Sends requests over httpx, for asyncio."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Protocol, TypeVar, cast

try:
    import httpx
except ModuleNotFoundError as error:  # pragma: no cover
    raise ModuleNotFoundError("AsyncHoldfast needs httpx: pip install 'holdfast-client[async]'") from error

from .endpoint import Endpoint
from .steps import MAX_ANSWER_BYTES, Answer, Pause, Request, Steps, TransportFault

T = TypeVar("T")


class AsyncTransport(Protocol):
    """What carries requests: HTTP, or a fake in memory. Raises TransportFault."""

    async def send(self, request: Request) -> Answer: ...

    async def close(self) -> None: ...


class HttpxTransport:
    """Sends requests on httpx's pool. The deadline holds for the whole exchange, not for each read."""

    def __init__(self, endpoint: Endpoint, ssl_context: ssl.SSLContext | None = None) -> None:
        self._endpoint = endpoint
        self._client = httpx.AsyncClient(
            headers=endpoint.headers,
            verify=ssl_context or True,
            timeout=None,  # noqa: S113  # every exchange has a deadline of its own
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=16, keepalive_expiry=30),
            follow_redirects=False,
        )

    async def send(self, request: Request) -> Answer:
        """Returns the complete answer, or raises TransportFault."""
        left = request.deadline - time.monotonic()
        try:
            return await asyncio.wait_for(self._send(request), max(0.0, left))
        except (asyncio.TimeoutError, httpx.TransportError, httpx.InvalidURL) as error:
            text = str(error) or "timed out"
            raise TransportFault(f"{type(error).__name__}: {text}") from error

    async def _send(self, request: Request) -> Answer:
        headers = {} if request.content_type is None else {"content-type": request.content_type}
        url = self._endpoint.url + request.path
        async with self._client.stream(
            request.method, url, content=request.body, headers=headers
        ) as response:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise httpx.ReadError("the answer is longer than 64 MiB")
            found = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, found, bytes(body))

    async def close(self) -> None:
        await self._client.aclose()


async def run(steps: Steps[T], transport: AsyncTransport) -> T:
    """Runs steps to their result."""
    try:
        effect = next(steps)
        while True:
            if isinstance(effect, Pause):
                await asyncio.sleep(effect.seconds)
                effect = steps.send(None)
                continue
            try:
                answer = await transport.send(effect)
            except TransportFault as fault:
                effect = steps.throw(fault)
            else:
                effect = steps.send(answer)
    except StopIteration as stop:
        return cast("T", stop.value)
