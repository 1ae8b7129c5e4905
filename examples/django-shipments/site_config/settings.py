"""A small Django project. Marked with "Holdfast": all that the app needs here."""

import os
from pathlib import Path

FOLDER = Path(os.environ.get("SHIPMENTS_STATE", Path(__file__).parent.parent / ".state"))
FOLDER.mkdir(exist_ok=True)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "holdfast_client.django",  # Holdfast
    "shipments",
]

# Holdfast: address and key come from HOLDFAST_URL and HOLDFAST_API_KEY.
HOLDFAST = {
    "RPC_URLS": [os.environ.get("RPC_URL", "http://127.0.0.1:8545")],
    "PUBLISHER": os.environ.get("PUBLISHER"),
}

# Holdfast: rows are pushed right after their commit; this retries, and fetches receipts.
CELERY_BEAT_SCHEDULE = {"holdfast": {"task": "holdfast.sweep", "schedule": 2.0}}

# A broker without a server. In production: redis://… or amqp://….
CELERY_BROKER_URL = "filesystem://"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    name: str(FOLDER / "queue") for name in ("data_folder_in", "data_folder_out", "processed_folder")
} | {"control_folder": str(FOLDER / "control"), "polling_interval": 0.1}
(FOLDER / "queue").mkdir(exist_ok=True)

SECRET_KEY = os.environ.get("SECRET_KEY", "only for this example")
DEBUG = True
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "site_config.urls"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / "shipments.sqlite3",
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
USE_TZ = True
TIME_ZONE = "UTC"
