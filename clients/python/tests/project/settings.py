"""A Django project for the tests: SQLite, or PostgreSQL where DATABASE_URL is given."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

SECRET_KEY = "tests"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "project.urls"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "holdfast_client.django",
    "project",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
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
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
HOLDFAST = {"URL": "http://127.0.0.1:1", "API_KEY": "hf_none", "TIMEOUT": 0.5}

_postgres = urlsplit(os.environ.get("DJANGO_DATABASE_URL", ""))
if _postgres.scheme:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": _postgres.hostname,
            "PORT": _postgres.port,
            "USER": _postgres.username,
            "PASSWORD": _postgres.password,
            "NAME": _postgres.path.lstrip("/"),
        }
    }
else:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
