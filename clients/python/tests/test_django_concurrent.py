"""Sweeps and writers at the same time. Needs PostgreSQL: SQLite has one writer."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest
from django.db import connection, connections

from holdfast_client.django.models import Entry
from holdfast_client.django.sweep import sweep
from project.models import Shipment

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        "os.environ.get('DJANGO_DATABASE_URL') is None", reason="run on PostgreSQL by another test"
    ),
]


def in_threads(*works):
    errors = []

    def run(work):
        try:
            work()
        except Exception as error:  # noqa: BLE001
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_sweeps_at_the_same_time_push_each_entry_once(fake_holdfast):
    assert connection.vendor == "postgresql"
    Shipment.objects.bulk_create([Shipment(product=f"p{i}", weight=Decimal(i)) for i in range(3_000)])
    in_threads(*[sweep] * 4)
    sweep()
    assert sorted(fake_holdfast.hashes) == sorted(Entry.objects.values_list("hash", flat=True))
    assert set(Entry.objects.values_list("status", "claimed_by")) == {("accepted", None)}


def test_writers_and_sweeps_lose_nothing(fake_holdfast):
    def write():
        for number in range(30):
            row = Shipment.objects.create(product="x", weight=number)
            row.location = "Bern"
            row.save()

    in_threads(write, write, sweep, write, sweep)
    sweep()
    assert Entry.objects.count() == 180
    assert set(fake_holdfast.hashes) == set(Entry.objects.values_list("hash", flat=True))
