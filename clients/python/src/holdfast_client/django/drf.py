"""Django REST framework: a mixin for viewsets of HoldfastModels."""

from __future__ import annotations

from typing import Any

from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from .models import Entry
from .verify import verify_row


class HoldfastVerifyMixin:
    """Adds `POST …/{pk}/verify/` and `GET …/{pk}/history/` to a viewset. Put it before the viewset's
    class.
    """

    @action(detail=True, methods=["post"], url_path="verify", url_name="holdfast-verify")
    def holdfast_verify(self, request: Request, *_: Any, **__: Any) -> Response:
        """Compares the row with what was anchored of it, and says what differs."""
        return Response(verify_row(self.get_object()).as_dict())  # type: ignore[attr-defined]

    @action(detail=True, methods=["get"], url_path="history", url_name="holdfast-history")
    def holdfast_history(self, request: Request, *_: Any, **__: Any) -> Response:
        """Lists the row's recorded versions, newest first, each with its receipt."""
        return Response([entry_document(entry) for entry in self.get_object().holdfast_entries])  # type: ignore[attr-defined]


def entry_document(entry: Entry) -> dict[str, Any]:
    """Returns an entry as JSON values."""
    return {
        "hash": entry.hash,
        "status": entry.status,
        "recordedAt": entry.created_at,
        "pushedAt": entry.pushed_at,
        "anchorBy": entry.anchor_by,
        "record": entry.record or None,
        "receipt": entry.receipt,
    }
