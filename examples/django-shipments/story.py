#!/usr/bin/env python
"""The whole service once, against `holdfast dev`: create, move, anchor, verify, forge, roll back, outage.

Run it where `npm ci` was run and the requirements are installed: python story.py. Ends with `N passed, N failed`.
"""

import json
import sqlite3
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from servers import Servers

PUBLISHER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"  # the account of `holdfast dev`


class Story:
    def __init__(self, servers):
        self.servers = servers
        self.outcomes = []

    def check(self, what, holds, detail=""):
        self.outcomes.append(bool(holds))
        print(f"  {'ok' if holds else 'FAILED'}: {what}{'' if holds else f': {detail}'}", flush=True)

    def api(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"{self.servers.web}/api/{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return {"status": error.code, "error": error.read().decode(errors="replace")[:500]}

    def move(self, shipment, place):
        body = {"location": place, "by": "A. Meier", "celsius": "4.50"}
        return self.api("POST", f"shipments/{shipment}/move/", body)

    def verify(self, path):
        return self.api("POST", f"{path}/verify/", {})

    def until_valid(self, path):
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            verdict = self.verify(path)
            if verdict.get("valid"):
                return verdict
            time.sleep(0.3)
        return verdict

    def sql(self, statement, *values):
        with sqlite3.connect(Path(self.servers.state) / "shipments.sqlite3", timeout=20) as database:
            return database.execute(statement, values).fetchall()

    def pushed(self):
        return self.sql("select count(*) from holdfast_entry where status != 'pending'")[0][0]


def hand_overs(story):
    print("1. Shipments: every hand-over is recorded, and the journey is shown with its receipts")
    body = {"number": "S-2047", "product": "Amoxicillin 500 mg", "quantity": 4800, "location": "Basel"}
    shipment = story.api("POST", "shipments/", body)["id"]
    for place in ("Olten", "Bern", "Chur"):
        story.move(shipment, place)
    last = story.sql("select max(id) from shipments_handover")[0][0]
    verdict = story.until_valid(f"hand-overs/{last}")
    story.check("the last hand-over is proven by the chain", verdict.get("valid"), verdict)
    story.until_valid(f"shipments/{shipment}")
    journey = story.api("GET", f"shipments/{shipment}/journey/")
    story.check("the journey has three hand-overs", [h["destination"] for h in journey] == ["Olten", "Bern", "Chur"])
    receipts = [h["holdfast"]["receipt"] or {} for h in journey]
    story.check("each with its own receipt", [r.get("hash") for r in receipts] == [h["holdfast"]["hash"] for h in journey])
    versions = story.api("GET", f"shipments/{shipment}/history/")
    story.check("all four versions of the shipment are kept", len(versions) == 4, versions)
    return shipment


def production_batches(story):
    print("2. Production batches: a batch record is checked against the anchored root")
    body = {
        "number": "AMX-0912", "product": "Amoxicillin", "made_on": "2026-11-20", "yield_kg": "1250.400",
        "released_by": "Dr. Frei",
    }  # fmt: skip
    batch = story.api("POST", "batches/", body)["id"]
    verdict = story.until_valid(f"batches/{batch}")
    story.check("the untouched batch is valid", verdict.get("valid") and verdict["intact"], verdict)
    story.sql("update shipments_productionbatch set yield_kg = 1350.4, released_by = 'nobody' where id = ?", batch)
    verdict = story.verify(f"batches/{batch}")
    differs = {item["field"]: (item["anchored"], item["now"]) for item in verdict.get("differs", [])}
    expected = {"releasedBy": ("Dr. Frei", "nobody"), "yieldKg": ("1250.4", "1350.4")}
    story.check("a change by SQL is named, value by value", differs == expected, verdict)
    story.check("and the verdict is contradicted", verdict.get("verdict") == "contradicted", verdict)


def roll_back(story):
    print("3. A transaction that is rolled back pushes nothing")
    before = story.sql("select count(*) from holdfast_entry")[0][0]
    program = (
        "from django.db import transaction\n"
        "from shipments.models import Shipment\n"
        "try:\n"
        "    with transaction.atomic():\n"
        "        Shipment.objects.create(number='S-9999', product='x', quantity=1, location='nowhere')\n"
        "        raise RuntimeError\n"
        "except RuntimeError:\n"
        "    pass\n"
    )
    status, output = story.servers.manage("shell", "-c", program)
    story.check("it ran", status == 0, output)
    story.check("there is no row", story.sql("select count(*) from shipments_shipment where number = 'S-9999'") == [(0,)])
    story.check("and no entry", story.sql("select count(*) from holdfast_entry")[0][0] == before)


def outage(story, shipment):
    print("4. Holdfast is down for a while: nothing blocks, nothing is lost")
    story.servers.stop("holdfast")
    slowest = 0.0
    for number in range(10):
        began = time.monotonic()
        moved = story.move(shipment, f"Depot {number}")
        slowest = max(slowest, time.monotonic() - began)
        if "id" not in moved:
            story.check("a move is answered", False, moved)
    story.check(f"ten moves are answered meanwhile, the slowest in {slowest * 1000:.0f} ms", slowest < 5)
    waiting = story.sql("select count(*) from holdfast_entry where status = 'pending'")[0][0]
    story.check("their entries wait", waiting == 20, waiting)
    story.servers.start_holdfast()
    last = story.sql("select max(id) from shipments_handover")[0][0]
    verdict = story.until_valid(f"hand-overs/{last}")
    story.check("after it the last one is proven by the chain", verdict.get("valid"), verdict)
    story.until_valid(f"shipments/{shipment}")
    left = story.sql("select count(*) from holdfast_entry where receipt is null or receipt = 'null'")[0][0]
    story.check("and every entry has a receipt", left == 0, left)


def main():
    with tempfile.TemporaryDirectory(prefix="django-shipments-") as state:
        Path(state).chmod(0o755)
        servers = Servers(state)
        servers.environment["PUBLISHER"] = PUBLISHER
        story = Story(servers)
        try:
            servers.start_holdfast()
            servers.start_django()
            status, output = servers.manage("check", "--deploy", "--tag", "holdfast", "--fail-level", "WARNING")
            story.check("manage.py check finds key, service and clock in order", status == 0, output)
            shipment = hand_overs(story)
            production_batches(story)
            roll_back(story)
            outage(story, shipment)
        finally:
            if len(sys.argv) > 1 and sys.argv[1] == "--keep":
                input(f"{servers.web}/admin/ is up; Enter ends it. ")
            servers.stop_all()
    failed = story.outcomes.count(False)
    print(f"{story.outcomes.count(True)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
