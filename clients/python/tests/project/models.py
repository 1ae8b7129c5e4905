from __future__ import annotations

import uuid

from django.db import models

from holdfast_client.django.models import HoldfastModel


class Carrier(models.Model):
    name = models.CharField(max_length=100)

    def __str__(self):
        return self.name


class Shipment(HoldfastModel):
    product = models.CharField(max_length=100)
    location = models.CharField(max_length=100, default="Basel")
    weight = models.DecimalField(max_digits=12, decimal_places=3)
    moved_at = models.DateTimeField(auto_now=True)
    carrier = models.ForeignKey(Carrier, null=True, on_delete=models.SET_NULL)
    remark = models.TextField(default="")

    def holdfast_record(self):
        return {
            "id": self.pk,
            "product": self.product,
            "location": self.location,
            "weight": self.weight,
            "moved": {"at": self.moved_at, "by": self.carrier},
        }


class Batch(HoldfastModel):
    """Keyed by UUID, without a copy of its record, hashed in an old form."""

    holdfast_hasher = "holdfast_client.django.hashers.sorted_json"
    holdfast_keep_record = False

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    yield_kg = models.FloatField()

    def holdfast_record(self):
        return {"id": self.pk, "yield": self.yield_kg}
