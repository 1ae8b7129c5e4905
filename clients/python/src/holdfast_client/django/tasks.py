"""The Celery task. Importing this module needs Celery."""

from __future__ import annotations

from celery import current_app, shared_task

from . import sweep


@shared_task(  # type: ignore[untyped-decorator]
    name="holdfast.sweep", ignore_result=True, expires=30
)
def holdfast_sweep(using: str = "default") -> None:
    """Pushes what waits and fetches receipts. Start it from the beat schedule too, every minute or less.

    A task that no worker took within 30 seconds is dropped, so that an outage leaves no queue of sweeps.
    """
    sweep.sweep(using)


def celery_is_set_up() -> bool:
    """Tells whether the project has a Celery app: without one there is no broker to ask."""
    return bool(current_app.conf.broker_url or current_app.conf.task_always_eager)
