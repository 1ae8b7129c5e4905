"""The Django app's admin, REST mixin, system checks, and what a commit starts."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from celery import Celery, current_app
from celery.app.task import Task
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.db import connection, transaction
from django.db.models import Manager

from holdfast_client.django import outbox
from holdfast_client.django.models import Entry
from holdfast_client.django.sweep import sweep
from holdfast_client.django.tasks import celery_is_set_up
from project.models import Batch, Shipment
from support.servers import answer, scripted_server
from test_django import anchored, shipment

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client):
    user = get_user_model().objects.create_superuser("admin", "admin@example.org", "secret")
    client.force_login(user)
    return client


def forge(row):
    with connection.cursor() as cursor:
        cursor.execute("update project_shipment set location = 'forged' where id = %s", [row.pk])


class TestAdmin:
    def test_the_list_shows_and_filters_states(self, admin, fake_holdfast):
        final = anchored(fake_holdfast, product="final one")
        forged = anchored(fake_holdfast, product="forged one")
        forge(forged)
        shipment(product="accepted one")
        sweep()
        shipment(product="pending one")
        page = admin.post(
            "/admin/project/shipment/",
            {"action": "holdfast_check", "_selected_action": [final.pk, forged.pk]},
            follow=True,
        ).content.decode()
        assert "1 of 2 rows hold what was anchored." in page
        assert "location: &#x27;Basel&#x27; was anchored, the row holds &#x27;forged&#x27;" in page
        states = {
            "final": "final one",
            "tampered": "forged one",
            "accepted": "accepted one",
            "pending": "pending one",
        }
        for state, product in states.items():
            page = admin.get("/admin/project/shipment/", {"holdfast": state}).content.decode()
            assert [name for name in states.values() if name in page] == [product]
        assert "0 shipments" in admin.get("/admin/project/shipment/", {"holdfast": "none"}).content.decode()

    def test_the_row_shows_its_history_and_the_entry_its_receipt(self, admin, fake_holdfast):
        row = anchored(fake_holdfast)
        row.location = "Bern"
        row.save()
        page = admin.get(f"/admin/project/shipment/{row.pk}/change/").content.decode()
        assert page.count("/admin/holdfast/entry/") >= 2
        entry = Entry.objects.order_by("id").first()
        page = admin.get(f"/admin/holdfast/entry/{entry.pk}/change/").content.decode()
        assert entry.hash in page
        assert "holdfast-receipt/1" in page
        found = admin.get(f"/admin/holdfast/entry/{entry.pk}/receipt.json")
        assert json.loads(found.content) == entry.receipt
        assert "attachment" in found["content-disposition"]
        assert admin.get("/admin/holdfast/entry/add/").status_code == 403
        assert admin.get("/admin/holdfast/entry/999/receipt.json").status_code == 404
        assert admin.get("/admin/holdfast/entry/", {"q": entry.hash[:20]}).status_code == 200
        assert "Recorded when the row is saved." in admin.get("/admin/project/shipment/add/").content.decode()

    def test_a_row_with_a_uuid_key_finds_its_entry(self, admin):
        Batch.objects.create(yield_kg=1.5)
        page = admin.get("/admin/project/batch/", {"holdfast": "pending"}).content.decode()
        assert "1 batch" in page


class TestRest:
    def test_verify_says_what_differs(self, client, fake_holdfast):
        row = anchored(fake_holdfast)
        found = client.post(f"/api/shipments/{row.pk}/verify/").json()
        assert (found["verdict"], found["valid"], found["final"], found["intact"]) == (
            "anchored",
            True,
            True,
            True,
        )
        assert found["receipt"]["hash"] == found["hash"]
        forge(row)
        found = client.post(f"/api/shipments/{row.pk}/verify/").json()
        assert (found["verdict"], found["reason"]) == ("contradicted", "row")
        assert found["differs"] == [{"field": "location", "anchored": "Basel", "now": "forged"}]
        assert client.post("/api/shipments/999/verify/").status_code == 404

    def test_history_lists_the_versions_with_their_receipts(self, client, fake_holdfast):
        row = anchored(fake_holdfast)
        row.location = "Bern"
        row.save()
        newest, oldest = client.get(f"/api/shipments/{row.pk}/history/").json()
        assert (newest["status"], newest["receipt"]) == ("pending", None)
        assert oldest["receipt"]["hash"] == oldest["hash"]
        assert json.loads(oldest["record"])["location"] == "Basel"

    def test_what_the_api_creates_is_recorded(self, client, fake_holdfast):
        found = client.post("/api/shipments/", {"product": "x", "weight": "2.50", "remark": "y"})
        assert found.status_code == 201, found.content
        assert sweep().pushed == 1
        assert client.post(f"/api/shipments/{found.json()['id']}/verify/").json()["verdict"] == "accepted"


def ids(deploy=False):
    return {message.id for message in run_checks(tags=["holdfast"], include_deployment_checks=deploy)}


class TestChecks:
    def test_a_right_configuration_is_silent(self, fake_holdfast):
        assert ids(deploy=True) == set()

    def test_settings_are_examined(self, settings, monkeypatch):
        for name in ("HOLDFAST_URL", "HOLDFAST_API_KEY"):
            monkeypatch.delenv(name, raising=False)
        for value, expected in (
            ({}, {"holdfast.W003", "holdfast.W004"}),
            ({"URL": "nonsense", "API_KEY": "x"}, {"holdfast.E002"}),
            ({"URL": "http://x", "API_KEY": ""}, {"holdfast.W004"}),
            ({"URL": "http://x", "API_KEY": "k", "TYPO": 1}, {"holdfast.E001"}),
            ({"URL": "http://x", "API_KEY": "k", "SWEEP": "cron"}, {"holdfast.E001"}),
            ({"URL": "http://x", "API_KEY": "k", "RPC_URLS": ["nonsense"]}, {"holdfast.E009"}),
            ({"URL": "http://x", "API_KEY": "k", "PUBLISHER": "nonsense"}, {"holdfast.E009"}),
            ("http://x", {"holdfast.E001"}),
            ({"URL": "http://x", "API_KEY": "k"}, set()),
        ):
            settings.HOLDFAST = value
            assert ids() == expected, value
        settings.HOLDFAST = {}
        assert {"holdfast.E003", "holdfast.E004"} <= ids(deploy=True)
        monkeypatch.setenv("HOLDFAST_URL", "http://x")
        monkeypatch.setenv("HOLDFAST_API_KEY", "k")
        settings.HOLDFAST = {}
        assert ids() == set()

    def test_models_are_examined(self, monkeypatch):
        monkeypatch.setattr(Shipment, "holdfast_hasher", "nowhere.at_all")
        monkeypatch.setattr(Batch, "holdfast_record", Batch.__mro__[1].holdfast_record)
        plain = Manager()
        plain.model, plain.name = Shipment, "plain"
        monkeypatch.setattr(Shipment._meta, "managers", [plain])
        assert ids() == {"holdfast.E010", "holdfast.E005", "holdfast.W001"}

    def test_an_absent_holdfast_a_wrong_key_and_a_wrong_clock_are_told(self, fake_holdfast, settings):
        right = settings.HOLDFAST
        settings.HOLDFAST = {**right, "API_KEY": "hf_wrong"}
        assert ids(deploy=True) == {"holdfast.E007"}
        settings.HOLDFAST = {**right, "URL": "http://127.0.0.1:1", "TIMEOUT": 0.2}
        assert ids(deploy=True) == {"holdfast.E006"}
        assert ids() == set()
        empty = b'{"code": "EMPTY", "detail": "nothing"}'
        with scripted_server(answer(400, empty, "date: Sat, 31 Jan 2026 09:00:00 GMT")) as (url, _):
            settings.HOLDFAST = {**right, "URL": url}
            assert ids(deploy=True) == {"holdfast.W002"}
        with scripted_server(answer(403, b'{"code": "FORBIDDEN", "detail": "scope"}')) as (url, _):
            settings.HOLDFAST = {**right, "URL": url}
            assert ids(deploy=True) == {"holdfast.E008"}


@pytest.fixture
def celery():
    previous = current_app._get_current_object()
    app = Celery("tests", broker="memory://", set_as_current=True)
    app.finalize()
    yield app
    previous.set_current()


class TestCommit:
    def test_one_commit_asks_for_one_sweep_however_many_rows(
        self, celery, monkeypatch, django_capture_on_commit_callbacks
    ):
        asked = []
        monkeypatch.setattr(Task, "apply_async", lambda *_, **options: asked.append(options))
        with django_capture_on_commit_callbacks(execute=True) as callbacks:
            for _ in range(3):
                shipment()
            with transaction.atomic():
                shipment()
        assert len(callbacks) == 1
        assert asked == [{"kwargs": {"using": "default"}, "retry": False, "ignore_result": True}]

    def test_a_rolled_back_savepoint_does_not_take_the_sweep_of_the_rest(
        self, celery, monkeypatch, django_capture_on_commit_callbacks
    ):
        monkeypatch.setattr(Task, "apply_async", lambda *_, **__: None)
        with django_capture_on_commit_callbacks() as callbacks:
            with pytest.raises(RuntimeError), transaction.atomic():
                shipment()
                raise RuntimeError
            shipment()
        assert len(callbacks) == 1

    def test_a_worker_pushes_after_the_commit(
        self, celery, fake_holdfast, django_capture_on_commit_callbacks
    ):
        celery.conf.task_always_eager = True
        with django_capture_on_commit_callbacks(execute=True):
            shipment()
            assert fake_holdfast.hashes == []
        assert fake_holdfast.hashes == [Entry.objects.get().hash]

    def test_a_broker_that_is_away_breaks_nothing(self, celery, caplog, django_capture_on_commit_callbacks):
        celery.conf.broker_url = "amqp://127.0.0.1:1//"
        with django_capture_on_commit_callbacks(execute=True):
            shipment()
        assert "The broker took no sweep" in caplog.text
        assert Entry.objects.get().status == "pending"

    def test_without_a_celery_app_or_switched_off_nothing_is_asked(
        self, monkeypatch, settings, django_capture_on_commit_callbacks
    ):
        asked = []
        monkeypatch.setattr(Task, "apply_async", lambda *_, **__: asked.append(1))
        assert not celery_is_set_up()
        with django_capture_on_commit_callbacks(execute=True):
            shipment()
        settings.HOLDFAST = {**settings.HOLDFAST, "SWEEP": "off"}
        outbox._ask_for_sweep("default")
        assert asked == []

    def test_a_save_costs_three_statements_more(self, django_assert_num_queries):
        row = shipment(weight=Decimal("2"))
        row.location = "Bern"
        with django_assert_num_queries(4):
            row.save()
