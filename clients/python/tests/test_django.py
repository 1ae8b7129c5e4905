"""The Django app: what is recorded, what the sweep does, what a check says. SQLite or PostgreSQL."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, NotSupportedError, connection, transaction
from django.utils import timezone

from holdfast_client import InvalidRecordError, hash_record, text_encoder
from holdfast_client.django.models import Entry, Status
from holdfast_client.django.signals import receipt_stored
from holdfast_client.django.sweep import sweep
from holdfast_client.django.verify import verify_row
from project.models import Batch, Carrier, Shipment

pytestmark = pytest.mark.django_db


def shipment(**values):
    return Shipment.objects.create(**{"product": "Amoxicillin", "weight": Decimal("1.5"), **values})


def entries():
    return list(Entry.objects.order_by("id"))


def settle():
    """Makes every receipt due now."""
    Entry.objects.exclude(next_look_at=None).update(next_look_at=timezone.now() - dt.timedelta(seconds=1))


class TestOutbox:
    def test_a_saved_row_has_an_entry_of_what_the_database_reads_back(self):
        row = shipment(weight=Decimal("1.50000"))
        (entry,) = entries()
        stored = Shipment.objects.get(pk=row.pk)
        record = json.loads(entry.record)
        assert record["weight"] == "1.5"
        assert entry.hash == "0x" + hashlib.sha256(entry.record.encode()).hexdigest()
        assert entry.hash == hash_record(stored.holdfast_record(), encoder=text_encoder)
        assert (entry.model, entry.object_id, entry.status) == (
            "project.shipment",
            str(row.pk),
            Status.PENDING,
        )

    def test_each_version_is_recorded_even_when_no_sweep_ran_between(self):
        row = shipment()
        for place in ("Bern", "Chur"):
            row.location = place
            row.save()
        assert [json.loads(entry.record)["location"] for entry in entries()] == ["Basel", "Bern", "Chur"]
        assert [entry.hash for entry in row.holdfast_entries] == [entry.hash for entry in reversed(entries())]

    def test_a_save_that_changes_nothing_recorded_adds_no_entry(self):
        row = Batch.objects.create(yield_kg=2.5)
        row.save()
        row.refresh_from_db()
        row.save(update_fields=["yield_kg"])
        assert len(entries()) == 1

    def test_a_rolled_back_row_has_no_entry(self):
        with pytest.raises(RuntimeError), transaction.atomic():
            shipment()
            raise RuntimeError
        assert (Shipment.objects.count(), entries()) == (0, [])

    def test_a_rolled_back_savepoint_takes_its_entries_along(self):
        with transaction.atomic():
            kept = shipment()
            with pytest.raises(RuntimeError), transaction.atomic():
                shipment()
                raise RuntimeError
        assert [entry.object_id for entry in entries()] == [str(kept.pk)]

    def test_a_row_whose_record_has_no_canonical_form_is_not_saved(self, monkeypatch):
        monkeypatch.setattr(Shipment, "holdfast_record", lambda _: {"weight": Decimal("NaN")})
        with pytest.raises(InvalidRecordError, match=r"\$\.weight"), transaction.atomic():
            shipment()
        assert (Shipment.objects.count(), entries()) == (0, [])

    def test_a_failed_entry_takes_the_row_along(self, monkeypatch):
        def fail(*_, **__):
            raise IntegrityError

        monkeypatch.setattr(type(Entry.objects.all()), "bulk_create", fail)
        with pytest.raises(IntegrityError), transaction.atomic():
            shipment()
        assert Shipment.objects.count() == 0

    def test_bulk_writes_are_recorded(self):
        rows = Shipment.objects.bulk_create(
            [Shipment(product=f"p{i}", weight=Decimal(i), moved_at=timezone.now()) for i in range(1_203)]
        )
        assert Entry.objects.count() == 1_203
        assert Shipment.objects.filter(product__in=["p1", "p2"]).update(location="Bern") == 2
        assert Entry.objects.count() == 1_205
        for row in rows[:3]:
            row.location = "Chur"
        Shipment.objects.bulk_update(rows[:3], ["location"])
        assert Entry.objects.count() == 1_208
        assert all(json.loads(e.record)["location"] == "Chur" for e in entries()[-3:])

    def test_update_or_create_get_or_create_and_related_updates_are_recorded(self):
        Shipment.objects.get_or_create(product="a", defaults={"weight": 1})
        Shipment.objects.update_or_create(product="a", defaults={"weight": 2})
        carrier = Carrier.objects.create(name="c")
        Shipment.objects.all().update(carrier=carrier)
        carrier.shipment_set.update(location="Bern")
        assert Entry.objects.count() == 4

    def test_bulk_create_that_does_not_tell_its_rows_is_refused(self):
        for option in ("ignore_conflicts", "update_conflicts"):
            with pytest.raises(NotSupportedError):
                Shipment.objects.bulk_create([], **{option: True})

    def test_a_uuid_key_an_old_hasher_and_no_copy(self):
        row = Batch.objects.create(yield_kg=56.0)
        (entry,) = entries()
        old = json.dumps({"id": str(row.pk), "yield": 56.0}, sort_keys=True).encode()
        assert entry.hash == "0x" + hashlib.sha256(old).hexdigest()
        assert entry.record == ""
        assert list(row.holdfast_entries) == [entry]

    def test_backfill_records_rows_without_an_entry_only(self):
        with connection.cursor() as cursor:
            cursor.execute(
                "insert into project_shipment (product, location, weight, moved_at, remark) "
                "values ('old', 'Basel', 1, '2026-01-01 00:00:00+00:00', '')"
            )
        row = shipment()
        with connection.cursor() as cursor:
            cursor.execute("update project_shipment set location = 'forged' where id = %s", [row.pk])
        for _ in range(2):
            call_command("holdfast_backfill", "project.Shipment", stdout=StringIO())
        assert Entry.objects.count() == 2
        assert verify_row(row).intact is False
        with pytest.raises(CommandError):
            call_command("holdfast_backfill", "project.Carrier")
        with pytest.raises(CommandError):
            call_command("holdfast_backfill", "nonsense")


class TestSweep:
    def test_entries_go_from_pending_to_final_with_receipts_and_signals(self, fake_holdfast):
        row = shipment()
        told = []

        def receiver(sender, entry, **_):
            told.append((sender, entry.status, entry.receipt["hash"]))

        receipt_stored.connect(receiver)
        try:
            assert sweep().pushed == 1
            entry = Entry.objects.get()
            assert fake_holdfast.hashes == [entry.hash]
            assert (entry.status, entry.claimed_by) == (Status.ACCEPTED, None)
            assert entry.pushed_at is not None
            assert entry.anchor_by is not None
            settle()
            assert sweep().receipts == 0
            fake_holdfast.anchor()
            settle()
            assert sweep().receipts == 1
            entry.refresh_from_db()
            assert entry.status == Status.ANCHORED
            assert entry.receipt["hash"] == entry.hash
            settle()
            assert sweep().receipts == 0
            fake_holdfast.finalize()
            settle()
            assert sweep().receipts == 1
        finally:
            receipt_stored.disconnect(receiver)
        entry.refresh_from_db()
        assert entry.status == Status.FINAL
        assert told == [(Shipment, "anchored", entry.hash), (Shipment, "final", entry.hash)]
        assert verify_row(row).valid is True

    def test_holdfast_away_blocks_and_loses_nothing(self, fake_holdfast, settings):
        settings.HOLDFAST = {**settings.HOLDFAST, "TIMEOUT": 0.2}
        fake_holdfast.down = True
        for _ in range(3):
            shipment()
        report = sweep()
        assert (report.pushed, report.error is not None) == (0, True)
        assert [entry.status for entry in entries()] == ["pending"] * 3
        assert all("in time" in entry.error and entry.claimed_by is None for entry in entries())
        fake_holdfast.down = False
        assert sweep().pushed == 3
        assert fake_holdfast.hashes == [entry.hash for entry in entries()]
        assert {entry.error for entry in entries()} == {""}

    def test_an_answer_that_was_lost_is_asked_for_again(self, fake_holdfast):
        shipment()
        fake_holdfast.lose_next_answer()
        assert sweep().pushed == 1
        (entry,) = entries()
        assert fake_holdfast.hashes == [entry.hash, entry.hash]

    def test_a_sweep_that_died_leaves_claims_that_end(self, fake_holdfast):
        shipment()
        until = timezone.now() + dt.timedelta(seconds=60)
        Entry.objects.update(claimed_by=uuid.uuid4(), claimed_until=until)
        assert sweep().pushed == 0
        Entry.objects.update(claimed_until=timezone.now() - dt.timedelta(seconds=1))
        assert sweep().pushed == 1

    def test_a_hash_that_holdfast_forgot_is_pushed_again(self, fake_holdfast):
        shipment()
        sweep()
        fake_holdfast._ledger.pending.clear()
        settle()
        assert sweep().pushed_again == 0
        Entry.objects.update(pushed_at=timezone.now() - dt.timedelta(hours=1))
        settle()
        assert sweep().pushed_again == 1
        assert sweep().pushed == 1

    def test_a_receipt_that_goes_away_in_a_reorganisation_comes_again(self, fake_holdfast):
        shipment()
        sweep()
        fake_holdfast.anchor()
        settle()
        sweep()
        batch = fake_holdfast._ledger.batches[0]
        anchor, batch.anchor = batch.anchor, None
        settle()
        sweep()
        assert [(e.status, e.receipt) for e in entries()] == [("accepted", None)]
        batch.anchor = anchor
        settle()
        assert sweep().receipts == 1

    def test_a_receipt_that_does_not_fit_is_not_kept(self, fake_holdfast, monkeypatch):
        shipment()
        sweep()
        fake_holdfast.anchor()
        good = fake_holdfast._ledger.receipt

        def forged(hash_):
            receipt = good(hash_)
            receipt["anchors"][0]["root"] = "0x" + "00" * 32
            return receipt

        monkeypatch.setattr(type(fake_holdfast._ledger), "receipt", lambda self, hash_: forged(hash_))
        settle()
        sweep()
        (entry,) = entries()
        assert entry.receipt is None
        assert "does not fit" in entry.error

    def test_a_receiver_that_fails_does_not_stop_the_sweep(self, fake_holdfast):
        def receiver(**_):
            raise RuntimeError

        shipment()
        sweep()
        fake_holdfast.anchor()
        settle()
        receipt_stored.connect(receiver)
        try:
            assert sweep().receipts == 1
        finally:
            receipt_stored.disconnect(receiver)

    def test_a_wrong_key_stops_the_sweep_and_says_so(self, fake_holdfast, settings):
        shipment()
        settings.HOLDFAST = {**settings.HOLDFAST, "API_KEY": "hf_wrong"}
        assert "UNAUTHORIZED" in str(sweep().error)
        with pytest.raises(CommandError) as caught:
            call_command("holdfast_sweep", stdout=StringIO())
        assert caught.value.returncode == 75
        assert "UNAUTHORIZED" in entries()[0].error

    def test_the_command_sweeps(self, fake_holdfast):
        shipment()
        output = StringIO()
        call_command("holdfast_sweep", stdout=output)
        assert output.getvalue() == "default: 1 pushed, 0 receipts\n"

    def test_many_entries_are_few_requests(self, fake_holdfast):
        Shipment.objects.bulk_create(
            [Shipment(product=f"p{i}", weight=Decimal(i), moved_at=timezone.now()) for i in range(1_203)]
        )
        assert sweep().pushed == 1_203
        fake_holdfast.anchor()
        settle()
        assert sweep().receipts == 1_203


def anchored(fake_holdfast, **values):
    row = shipment(**values)
    sweep()
    fake_holdfast.finalize()
    settle()
    sweep()
    return row


class TestVerify:
    def test_a_row_that_was_not_touched_is_valid_by_the_chain(self, fake_holdfast):
        verdict = verify_row(anchored(fake_holdfast))
        assert (verdict.word, verdict.valid, verdict.final, verdict.intact) == ("anchored", True, True, True)
        assert verdict.anchored_at is not None
        assert Entry.objects.get().intact is True

    def test_a_change_behind_djangos_back_is_named(self, fake_holdfast):
        row = anchored(fake_holdfast, carrier=Carrier.objects.create(name="c"))
        with connection.cursor() as cursor:
            cursor.execute(
                "update project_shipment set weight = 4800, location = 'Bern', carrier_id = null "
                "where id = %s",
                [row.pk],
            )
        verdict = verify_row(row)
        assert (verdict.word, verdict.reason, verdict.valid, verdict.intact) == (
            "contradicted",
            "row",
            False,
            False,
        )
        found = {difference.field: (difference.anchored, difference.now) for difference in verdict.differs}
        assert found == {
            "location": ("Basel", "Bern"),
            "moved.by": (row.carrier_id, None),
            "weight": ("1.5", "4800"),
        }
        assert "weight: '1.5' was anchored, the row holds '4800'" in verdict.headline
        assert Entry.objects.get().intact is False

    def test_a_change_of_the_copy_too_is_noticed(self, fake_holdfast):
        row = anchored(fake_holdfast)
        record = Entry.objects.get().record.replace("Basel", "Bern!")
        with connection.cursor() as cursor:
            cursor.execute("update project_shipment set location = 'Bern!' where id = %s", [row.pk])
        Entry.objects.update(record=record)
        verdict = verify_row(row)
        assert verdict.valid is False
        assert "copy was changed too" in verdict.headline

    def test_a_change_of_the_entrys_hash_too_is_noticed_by_the_receipt(self, fake_holdfast):
        row = anchored(fake_holdfast)
        with connection.cursor() as cursor:
            cursor.execute("update project_shipment set location = 'Bern' where id = %s", [row.pk])
        record = Entry.objects.get().record.replace("Basel", "Bern")
        Entry.objects.update(record=record, hash="0x" + hashlib.sha256(record.encode()).hexdigest())
        verdict = verify_row(row)
        assert (verdict.word, verdict.reason, verdict.valid) == ("contradicted", "subject", False)

    def test_without_a_copy_a_change_is_noticed_and_not_located(self, fake_holdfast):
        row = Batch.objects.create(yield_kg=1.0)
        Batch.objects.model._base_manager.filter(pk=row.pk).update(yield_kg=2.0)
        verdict = verify_row(row)
        assert verdict.valid is False
        assert "not kept" in verdict.headline

    def test_a_key_added_to_the_record_later_is_no_change_of_the_row(self, fake_holdfast, monkeypatch):
        row = anchored(fake_holdfast)
        before = Shipment.holdfast_record
        monkeypatch.setattr(Shipment, "holdfast_record", lambda self: {**before(self), "remark": self.remark})
        verdict = verify_row(row)
        assert verdict.valid is True
        assert verdict.remarks == ("not anchored with it: remark",)

    def test_the_command_checks_all_rows_and_fails_for_a_changed_one(self, fake_holdfast):
        rows = [anchored(fake_holdfast) for _ in range(3)]
        output = StringIO()
        call_command("holdfast_verify", "project.Shipment", stdout=output)
        assert output.getvalue() == "project.Shipment: 3 anchored\n"
        Shipment._base_manager.filter(pk=rows[1].pk).update(location="forged")
        with pytest.raises(CommandError, match="1 rows do not hold"):
            call_command("holdfast_verify", "project.Shipment", "project.Batch", stdout=output)
        assert f"project.Shipment {rows[1].pk}: NOT VALID: the row was changed: location" in output.getvalue()
        assert (
            "1 contradicted, 2 anchored" in output.getvalue()
            or "2 anchored, 1 contradicted" in output.getvalue()
        )

    def test_before_the_chain_it_says_how_far_the_row_is(self, fake_holdfast):
        row = shipment()
        assert (verify_row(row).word, verify_row(row).reason) == ("unknown", "not_pushed")
        sweep()
        assert (verify_row(row).word, verify_row(row).valid) == ("accepted", None)
        Entry.objects.all().delete()
        assert verify_row(row).reason == "no_entry"

    def test_without_endpoints_it_says_that_no_chain_was_read(self, fake_holdfast, settings):
        row = anchored(fake_holdfast)
        settings.HOLDFAST = {**settings.HOLDFAST, "RPC_URLS": []}
        verdict = verify_row(row)
        assert (verdict.word, verdict.reason, verdict.valid) == ("anchored", "unread", None)
        assert "the chain was not read" in verdict.headline

    def test_another_publisher_is_not_ours(self, fake_holdfast, settings):
        row = anchored(fake_holdfast)
        settings.HOLDFAST = {**settings.HOLDFAST, "PUBLISHER": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"}
        assert verify_row(row).reason == "publisher"
