"""System checks. Those that ask Holdfast run with `manage.py check --deploy`."""

from __future__ import annotations

import email.utils
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as Caution
from django.core.exceptions import ImproperlyConfigured

from ..errors import HoldfastError, InvalidInputError, RefusedError, UnauthorizedError
from ..exchange.blocking import run
from ..exchange.endpoint import read_endpoint
from ..exchange.steps import Request, deadline_after, exchange, refusal
from ..verify import Verifier
from .conf import Settings, get_client, read_settings
from .hashers import hasher_named
from .models import HoldfastModel, HoldfastQuerySet

TAG = "holdfast"
MAX_CLOCK_SKEW = 60.0


@register(TAG)
def check_settings(**_: Any) -> list[CheckMessage]:
    """Address, key and hashers can be used; nothing is asked over the network."""
    try:
        current = read_settings()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="holdfast.E001")]
    found: list[CheckMessage] = []
    if current.url:
        try:
            read_endpoint(current.url, current.api_key)
        except InvalidInputError as error:
            found.append(Error(str(error), id="holdfast.E002"))
    try:
        Verifier(list(current.rpc_urls), registry=current.registry, publisher=current.publisher).close()
    except InvalidInputError as error:
        found.append(Error(f"RPC_URLS, REGISTRY or PUBLISHER: {error}", id="holdfast.E009"))
    # Builds and developers' machines may lack both; only a deployment needs them.
    return found + [
        Caution(text, hint=hint, id=f"holdfast.W{code}") for text, hint, code in _missing(current)
    ]


def _missing(current: Settings) -> list[tuple[str, str, str]]:
    missing = []
    if not current.url:
        hint = 'Set HOLDFAST = {"URL": …} or the environment\'s HOLDFAST_URL.'
        missing.append(("Holdfast's address is missing: rows are recorded, not pushed.", hint, "003"))
    if not current.api_key:
        hint = 'Set HOLDFAST = {"API_KEY": …} or HOLDFAST_API_KEY; holdfast keys create prints a key.'
        missing.append(("Holdfast's API key is missing: rows are recorded, not pushed.", hint, "004"))
    return missing


@register(TAG)
def check_models(app_configs: Sequence[AppConfig] | None = None, **_: Any) -> list[CheckMessage]:
    """Each HoldfastModel defines its record, and its managers record bulk writes."""
    found: list[CheckMessage] = []
    for model in apps.get_models():
        if not issubclass(model, HoldfastModel) or model._meta.proxy:
            continue
        if app_configs is not None and model._meta.app_config not in app_configs:
            continue
        if model.holdfast_record is HoldfastModel.holdfast_record:
            found.append(Error("holdfast_record() is not defined.", obj=model, id="holdfast.E010"))
        try:
            hasher_named(model.holdfast_hasher)
        except ImportError as error:
            found.append(Error(f"holdfast_hasher: {error}", obj=model, id="holdfast.E005"))
        for manager in model._meta.managers:
            if not isinstance(manager.get_queryset(), HoldfastQuerySet):
                hint = "Derive it: HoldfastManager, or HoldfastQuerySet.as_manager()."
                text = f"update() and bulk_create() of the manager {manager.name} are not recorded."
                found.append(Caution(text, hint=hint, obj=model, id="holdfast.W001"))
    return found


@register(TAG, deploy=True)
def check_service(**_: Any) -> list[CheckMessage]:
    """Holdfast answers, knows the key, and its clock agrees with ours."""
    try:
        current = read_settings()
    except ImproperlyConfigured:
        return []
    missing = _missing(current)
    if missing:
        return [Error(text, hint=hint, id=f"holdfast.E{code}") for text, hint, code in missing]
    if check_settings():
        return []
    client = get_client()
    request = Request("POST", "/v1/records", deadline_after(current.timeout), b"", "application/octet-stream")
    try:
        answer = run(exchange(request), client.transport)
        problem = refusal(answer, request)
    except HoldfastError as error:
        hint = "Rows are saved all the same, and pushed when Holdfast is back."
        return [Error(f"Holdfast does not answer: {error}", hint=hint, id="holdfast.E006")]
    if isinstance(problem, UnauthorizedError):
        return [Error(str(problem), hint="holdfast keys create prints a key.", id="holdfast.E007")]
    if not isinstance(problem, RefusedError) or problem.code != "EMPTY":
        return [Error(f"A push is refused: {problem}", id="holdfast.E008")]
    return _clock(answer.headers.get("date", ""))


def _clock(date: str) -> list[CheckMessage]:
    try:
        theirs = email.utils.parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return []
    skew = (datetime.now(timezone.utc) - theirs).total_seconds()
    if abs(skew) <= MAX_CLOCK_SKEW:
        return []
    text = f"This machine's clock and Holdfast's differ by {abs(skew):.0f} s."
    return [Caution(text, hint="Set both by NTP: receipts state times.", id="holdfast.W002")]
