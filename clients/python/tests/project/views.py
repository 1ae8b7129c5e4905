from __future__ import annotations

from rest_framework.serializers import ModelSerializer
from rest_framework.viewsets import ModelViewSet

from holdfast_client.django.drf import HoldfastVerifyMixin

from .models import Batch, Shipment


class ShipmentSerializer(ModelSerializer):
    class Meta:
        model = Shipment
        fields = "__all__"


class ShipmentViewSet(HoldfastVerifyMixin, ModelViewSet):
    queryset = Shipment.objects.order_by("pk")
    serializer_class = ShipmentSerializer


class BatchSerializer(ModelSerializer):
    class Meta:
        model = Batch
        fields = "__all__"


class BatchViewSet(HoldfastVerifyMixin, ModelViewSet):
    queryset = Batch.objects.order_by("pk")
    serializer_class = BatchSerializer
