"""The admin: HoldfastAdmin for your models, and the entries themselves, read-only."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import is_aware, localtime

from .models import Entry, Status
from .outbox import entries_of, label_of, object_key, object_key_expression
from .verify import compare_records, compare_row, verify_rows

VERSIONS_SHOWN = 50

_COLOURS = {
    "none": "#6b7280",
    Status.PENDING: "#b45309",
    Status.ACCEPTED: "#1d4ed8",
    Status.ANCHORED: "#0f766e",
    Status.FINAL: "#15803d",
    "tampered": "#b91c1c",
}
_LABELS = {"none": "not recorded", **dict(Status.choices), "tampered": "tampered"}


def badge(state: str) -> SafeString:
    """Returns a state as a coloured label."""
    return format_html(
        '<span style="background:{};color:#fff;border-radius:9px;padding:1px 8px;white-space:nowrap;'
        'font-size:11px">{}</span>',
        _COLOURS[state],
        _LABELS[state],
    )


class HoldfastStateFilter(admin.SimpleListFilter):
    title = "Holdfast"
    parameter_name = "holdfast"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(_LABELS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is None:
            return queryset
        if value == "none":
            return queryset.filter(holdfast_status=None)
        if value == "tampered":
            return queryset.filter(holdfast_intact=False)
        return queryset.filter(Q(holdfast_intact=True) | Q(holdfast_intact=None), holdfast_status=value)


class HoldfastAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A ModelAdmin with a column and a filter of the state, an action that checks rows, and a row's
    history.
    """

    actions = ("holdfast_check",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        newest = (
            Entry.objects.filter(model=label_of(self.model))
            .filter(object_id=object_key_expression(self.model, OuterRef("pk")))
            .order_by("-id")
        )
        rows: QuerySet[Any] = super().get_queryset(request)
        annotated: QuerySet[Any] = rows.annotate(
            holdfast_status=Subquery(newest.values("status")[:1]),
            holdfast_intact=Subquery(newest.values("intact")[:1]),
        )
        return annotated

    def get_list_display(self, request: HttpRequest) -> Any:
        return [*super().get_list_display(request), "holdfast_state"]

    def get_list_filter(self, request: HttpRequest) -> Any:
        return [*super().get_list_filter(request), HoldfastStateFilter]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_readonly_fields(request, obj), "holdfast_history"]

    @admin.display(description="Holdfast", ordering="holdfast_status")
    def holdfast_state(self, row: Any) -> SafeString:
        if row.holdfast_intact is False:
            return badge("tampered")
        return badge(row.holdfast_status or "none")

    @admin.display(description="Holdfast history")
    def holdfast_history(self, row: Any) -> SafeString:
        if row is None or row.pk is None:
            return format_html("<p>{}</p>", "Recorded when the row is saved.")
        entries = entries_of(type(row), row._state.db).filter(object_id=object_key(row.pk))
        shown = list(entries[: VERSIONS_SHOWN + 1])
        lines = [
            (
                _when(entry.created_at),
                badge(state_of(entry)),
                _changes(before, entry),
                _entry_url(entry),
                f"{entry.hash[:18]}…",
                _block(entry),
            )
            for entry, before in zip(shown, [*shown[1:], None], strict=True)
        ][:VERSIONS_SHOWN]
        return format_html(
            "<table><thead><tr><th>recorded</th><th>state</th><th>changed</th><th>hash</th>"
            "<th>on the chain since</th></tr></thead><tbody>{}</tbody></table>{}",
            format_html_join(
                "",
                "<tr><td>{}</td><td>{}</td><td>{}</td>"
                '<td><a href="{}" style="font-family:monospace">{}</a></td><td>{}</td></tr>',
                lines,
            ),
            _differences(row, shown[0]) if shown and shown[0].intact is False else "",
        )

    @admin.action(description="Check against what Holdfast anchored")
    def holdfast_check(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        right = 0
        for row, verdict in verify_rows(queryset):
            if verdict.valid is False:
                self.message_user(request, f"{row}: {verdict.headline}", messages.ERROR)
            elif verdict.valid is None:
                self.message_user(request, f"{row}: {verdict.headline}", messages.WARNING)
            else:
                right += 1
        if right:
            self.message_user(
                request, f"{right} of {len(queryset)} rows hold what was anchored.", messages.SUCCESS
            )


@admin.register(Entry)
class EntryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Entries are written with their rows; here they can be read only."""

    list_display = ("created_at", "model", "object_id", "state", "short_hash")
    list_filter = ("status", "model", "intact")
    search_fields = ("hash__startswith", "=object_id")
    fields = (
        "row", "state", "hash", "pretty_record", "created_at", "pushed_at", "anchor_by", "checked_at",
        "error", "pretty_receipt", "download",
    )  # fmt: skip
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.receipt_view)
        return [path("<int:entry_id>/receipt.json", view, name="holdfast_receipt"), *super().get_urls()]

    def receipt_view(self, request: HttpRequest, entry_id: int) -> HttpResponse:
        entry = self.get_object(request, str(entry_id))
        if entry is None or entry.receipt is None or not self.has_view_permission(request, entry):
            return HttpResponse("There is no receipt.", status=404, content_type="text/plain")
        name = f"receipt-{entry.hash[2:18]}.json"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return HttpResponse(
            json.dumps(entry.receipt, indent=2), content_type="application/json", headers=headers
        )

    @admin.display(description="row")
    def row(self, entry: Entry) -> SafeString:
        name = f"{entry.model} {entry.object_id}"
        try:
            kind = apps.get_model(entry.model)
            found = kind._base_manager.filter(pk=entry.object_id).first()
            url = reverse(
                f"admin:{kind._meta.app_label}_{kind._meta.model_name}_change", args=[entry.object_id]
            )
        except (LookupError, ValueError, ValidationError, NoReverseMatch):
            return format_html("{}", name)
        if found is None:
            return format_html("{} (deleted)", name)
        return format_html('<a href="{}">{} {}</a>', url, kind._meta.verbose_name, str(found))

    @admin.display(description="state", ordering="status")
    def state(self, entry: Entry) -> SafeString:
        return badge(state_of(entry))

    @admin.display(description="hash", ordering="hash")
    def short_hash(self, entry: Entry) -> SafeString:
        return format_html("<code>{}…</code>", entry.hash[:12])

    @admin.display(description="record")
    def pretty_record(self, entry: Entry) -> SafeString:
        return _pre(_indented(entry.record)) if entry.record else format_html("{}", "not kept")

    @admin.display(description="receipt")
    def pretty_receipt(self, entry: Entry) -> SafeString:
        return _pre(json.dumps(entry.receipt, indent=2)) if entry.receipt else format_html("{}", "none yet")

    @admin.display(description="receipt as a file")
    def download(self, entry: Entry) -> SafeString:
        if entry.receipt is None:
            return format_html("{}", "")
        return format_html(
            '<a href="{}">Download the receipt</a>', reverse("admin:holdfast_receipt", args=[entry.pk])
        )


def state_of(entry: Entry) -> str:
    """Returns the state that the admin shows for an entry."""
    return "tampered" if entry.intact is False else entry.status


def _entry_url(entry: Entry) -> str:
    return reverse("admin:holdfast_entry_change", args=[entry.pk])


def _when(when: datetime) -> str:
    return date_format(localtime(when) if is_aware(when) else when, "DATETIME_FORMAT")


def _block(entry: Entry) -> str:
    if entry.receipt is None:
        return "–"
    anchor = min(entry.receipt["anchors"], key=lambda each: str(each["blockTime"]))
    when = datetime.fromisoformat(anchor["blockTime"].replace("Z", "+00:00"))
    return f"{_when(when)} ({anchor['chainId']})"


def _changes(before: Entry | None, entry: Entry) -> SafeString:
    """Tells what a version changed, from the copies of both records."""
    if before is None:
        return format_html("{}", "first version")
    if not before.record or not entry.record:
        return format_html("{}", "not kept")
    differs = compare_records(before.record, entry.record)[0]
    changes = ((each.field, each.anchored, each.now) for each in differs)
    return format_html_join(mark_safe("<br>"), "{}: {} → {}", changes)


def _differences(row: Any, entry: Entry) -> SafeString:
    """Lists where the row differs from its newest version."""
    differs = compare_row(row, entry)[0]
    if not differs:
        return format_html("<p>{}</p>", "The row holds again what was anchored. Check it once more.")
    lines = format_html_join("", "<li>{}</li>", ((str(each),) for each in differs))
    return format_html(
        '<p style="color:#b91c1c"><strong>This row was changed behind Django:</strong></p>{}', lines
    )


def _indented(record: str) -> str:
    try:
        return json.dumps(json.loads(record), indent=2, ensure_ascii=False)
    except ValueError:
        return record


def _pre(text: str) -> SafeString:
    return format_html('<pre style="margin:0;white-space:pre-wrap;word-break:break-all">{}</pre>', text)
