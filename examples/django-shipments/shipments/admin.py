from django.contrib import admin

from holdfast_client.django.admin import HoldfastAdmin

from .models import HandOver, ProductionBatch, Shipment


@admin.register(Shipment)
class ShipmentAdmin(HoldfastAdmin):
    list_display = ("number", "product", "quantity", "location")


@admin.register(HandOver)
class HandOverAdmin(HoldfastAdmin):
    list_display = ("shipment", "origin", "destination", "handed_over_by", "handed_over_at", "celsius")


@admin.register(ProductionBatch)
class ProductionBatchAdmin(HoldfastAdmin):
    list_display = ("number", "product", "made_on", "yield_kg", "released_by")
