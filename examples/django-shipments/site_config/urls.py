from django.contrib import admin
from django.urls import include, path
from rest_framework.routers import SimpleRouter
from shipments.views import HandOverViewSet, ProductionBatchViewSet, ShipmentViewSet

router = SimpleRouter()
router.register("shipments", ShipmentViewSet)
router.register("hand-overs", HandOverViewSet)
router.register("batches", ProductionBatchViewSet)

urlpatterns = [path("admin/", admin.site.urls), path("api/", include(router.urls))]
