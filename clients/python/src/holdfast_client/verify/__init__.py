"""The verifier: an implementation of docs/receipt-format.md, independent of Holdfast's own."""

from .chain import Reading
from .check import PUBLISHED_REGISTRY, Verifier, check_paths, verify_receipt, verify_receipts
from .rpc import EndpointDownError, HttpRpcEndpoint, RpcEndpoint, RpcError
from .verdict import AnchorVerdict, Verdict

__all__ = [
    "PUBLISHED_REGISTRY",
    "AnchorVerdict",
    "EndpointDownError",
    "HttpRpcEndpoint",
    "Reading",
    "RpcEndpoint",
    "RpcError",
    "Verdict",
    "Verifier",
    "check_paths",
    "verify_receipt",
    "verify_receipts",
]
