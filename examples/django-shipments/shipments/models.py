"""What a pharma distributor must be able to prove: where goods were, and how a batch was made."""

from django.db import models

from holdfast_client.django.models import HoldfastModel


class Shipment(HoldfastModel):
    number = models.CharField(max_length=20, unique=True)
    product = models.CharField(max_length=100)
    quantity = models.PositiveIntegerField()
    location = models.CharField(max_length=100)

    def __str__(self):
        return self.number

    def holdfast_record(self):
        return {
            "kind": "shipment",
            "number": self.number,
            "product": self.product,
            "quantity": self.quantity,
            "location": self.location,
        }


class HandOver(HoldfastModel):
    shipment = models.ForeignKey(Shipment, on_delete=models.PROTECT, related_name="hand_overs")
    origin = models.CharField(max_length=100)
    destination = models.CharField(max_length=100)
    handed_over_by = models.CharField(max_length=100)
    handed_over_at = models.DateTimeField(auto_now_add=True)
    celsius = models.DecimalField(max_digits=5, decimal_places=2)

    def __str__(self):
        return f"{self.shipment} to {self.destination}"

    def holdfast_record(self):
        return {
            "kind": "hand-over",
            "id": self.pk,
            "shipment": self.shipment.number,
            "from": self.origin,
            "to": self.destination,
            "by": self.handed_over_by,
            "at": self.handed_over_at,
            "celsius": self.celsius,
        }


class ProductionBatch(HoldfastModel):
    number = models.CharField(max_length=20, unique=True)
    product = models.CharField(max_length=100)
    made_on = models.DateField()
    yield_kg = models.DecimalField(max_digits=10, decimal_places=3)
    released_by = models.CharField(max_length=100)

    class Meta:
        verbose_name_plural = "production batches"

    def __str__(self):
        return self.number

    def holdfast_record(self):
        return {
            "kind": "production batch",
            "number": self.number,
            "product": self.product,
            "madeOn": self.made_on,
            "yieldKg": self.yield_kg,
            "releasedBy": self.released_by,
        }
