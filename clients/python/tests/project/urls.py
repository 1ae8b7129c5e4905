from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from rest_framework.routers import SimpleRouter

from .views import BatchViewSet, ShipmentViewSet

router = SimpleRouter()
router.register("shipments", ShipmentViewSet)
router.register("batches", BatchViewSet)

urlpatterns = [path("admin/", admin.site.urls), path("api/", include(router.urls))]
