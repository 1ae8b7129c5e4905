"""Client and verifier for Holdfast: push record hashes, fetch receipts, check them against the chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .batcher import Batcher
from .client import Holdfast
from .encoders import Encoder, text_encoder
from .errors import (
    BatcherClosedError,
    ForbiddenError,
    HoldfastError,
    InvalidInputError,
    InvalidRecordError,
    NotYetError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
    UnexpectedAnswerError,
)
from .exchange.endpoint import VERSION
from .exchange.records import Found, Pushed, Receipt, RecordStatus
from .hashing import Hash, hash_content, hash_file
from .records import canonical_record, hash_record, parse_record
from .verify import PUBLISHED_REGISTRY, Verdict, Verifier, verify_receipt, verify_receipts

__version__ = VERSION

if TYPE_CHECKING:
    from .async_batcher import AsyncBatcher
    from .async_client import AsyncHoldfast

__all__ = [
    "PUBLISHED_REGISTRY",
    "AsyncBatcher",
    "AsyncHoldfast",
    "Batcher",
    "BatcherClosedError",
    "Encoder",
    "ForbiddenError",
    "Found",
    "Hash",
    "Holdfast",
    "HoldfastError",
    "InvalidInputError",
    "InvalidRecordError",
    "NotYetError",
    "Pushed",
    "Receipt",
    "RecordStatus",
    "RefusedError",
    "UnauthorizedError",
    "UnavailableError",
    "UnexpectedAnswerError",
    "Verdict",
    "Verifier",
    "__version__",
    "canonical_record",
    "hash_content",
    "hash_file",
    "hash_record",
    "parse_record",
    "text_encoder",
    "verify_receipt",
    "verify_receipts",
]


def __getattr__(name: str) -> Any:
    """Imports what needs httpx only when it is asked for."""
    if name == "AsyncHoldfast":
        from .async_client import AsyncHoldfast

        return AsyncHoldfast
    if name == "AsyncBatcher":
        from .async_batcher import AsyncBatcher

        return AsyncBatcher
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
