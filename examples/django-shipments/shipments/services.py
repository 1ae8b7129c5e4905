"""What the service does. Nothing here knows of Holdfast: rows and their entries are one transaction by themselves."""

from decimal import Decimal

from django.db import transaction

from .models import HandOver, Shipment


@transaction.atomic
def update_shipment_location(number: str, location: str, *, by: str, celsius: Decimal) -> HandOver:
    """Moves a shipment and records the hand-over; both or neither."""
    shipment = Shipment.objects.select_for_update().get(number=number)
    hand_over = HandOver.objects.create(
        shipment=shipment, origin=shipment.location, destination=location, handed_over_by=by, celsius=celsius
    )
    shipment.location = location
    shipment.save()
    return hand_over
