"""Hashers: a record to the octets whose SHA-256 is anchored. `HoldfastModel.holdfast_hasher` names one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model
from django.db.models.fields.files import FieldFile
from django.utils.functional import Promise
from django.utils.module_loading import import_string

from ..encoders import text_encoder
from ..records import canonical_record

Hasher: TypeAlias = Callable[[Any], bytes]


def canonical(record: Any) -> bytes:
    """RFC 8785, which any language can make again; model values are written as django_encoder says."""
    return canonical_record(record, encoder=django_encoder)


def sorted_json(record: Any) -> bytes:
    """`json.dumps(record, sort_keys=True)` with Django's encoder, for teams that have such hashes already.

    Only Python writes this form. A hash of another old form needs a hasher like this one: the expression that
    made the octets then.
    """
    return json.dumps(record, sort_keys=True, cls=DjangoJSONEncoder).encode()


def django_encoder(value: Any) -> Any:
    """Writes a model as its key, a file field as its name, a lazy text as its text, the rest as
    text_encoder.
    """
    if isinstance(value, Model):
        return value.pk
    if isinstance(value, FieldFile):
        return value.name
    if isinstance(value, Promise):
        return str(value)
    return text_encoder(value)


def hasher_named(name: str) -> Hasher:
    """Returns the hasher at a dotted path. Raises ImportError."""
    hasher: Hasher = import_string(name)
    return hasher
