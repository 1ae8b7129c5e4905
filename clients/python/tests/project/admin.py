from __future__ import annotations

from django.contrib import admin

from holdfast_client.django.admin import HoldfastAdmin

from .models import Batch, Shipment


@admin.register(Shipment)
class ShipmentAdmin(HoldfastAdmin):
    list_display = ("product", "location", "weight")


@admin.register(Batch)
class BatchAdmin(HoldfastAdmin):
    list_display = ("pk", "yield_kg")
