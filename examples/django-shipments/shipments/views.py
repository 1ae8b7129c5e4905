from rest_framework.decorators import action
from rest_framework.response import Response
from rest_framework.serializers import CharField, DecimalField, ModelSerializer, Serializer
from rest_framework.viewsets import ModelViewSet, ReadOnlyModelViewSet

from holdfast_client.django.drf import HoldfastVerifyMixin, entry_document

from .models import HandOver, ProductionBatch, Shipment
from .services import update_shipment_location


class ShipmentSerializer(ModelSerializer):
    class Meta:
        model = Shipment
        fields = "__all__"


class HandOverSerializer(ModelSerializer):
    class Meta:
        model = HandOver
        fields = "__all__"


class ProductionBatchSerializer(ModelSerializer):
    class Meta:
        model = ProductionBatch
        fields = "__all__"


class MoveSerializer(Serializer):
    location = CharField(max_length=100)
    by = CharField(max_length=100)
    celsius = DecimalField(max_digits=5, decimal_places=2)


class ShipmentViewSet(HoldfastVerifyMixin, ModelViewSet):
    queryset = Shipment.objects.order_by("number")
    serializer_class = ShipmentSerializer

    @action(detail=True, methods=["post"])
    def move(self, request, pk):
        """Answers at once: the hand-over is pushed after the commit, by a worker."""
        wanted = MoveSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        hand_over = update_shipment_location(self.get_object().number, **wanted.validated_data)
        return Response(HandOverSerializer(hand_over).data, status=201)

    @action(detail=True)
    def journey(self, request, pk):
        """All hand-overs of the shipment, oldest first, each with its receipt."""
        hand_overs = self.get_object().hand_overs.order_by("pk")
        return Response(
            [
                {**HandOverSerializer(each).data, "holdfast": entry_document(each.holdfast_entries.first())}
                for each in hand_overs
            ]
        )


class HandOverViewSet(HoldfastVerifyMixin, ReadOnlyModelViewSet):
    queryset = HandOver.objects.order_by("pk")
    serializer_class = HandOverSerializer


class ProductionBatchViewSet(HoldfastVerifyMixin, ModelViewSet):
    queryset = ProductionBatch.objects.order_by("number")
    serializer_class = ProductionBatchSerializer
