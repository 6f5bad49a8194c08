"""The installation: settings, Celery, URLs, and the one-command start. No product rules live here."""

from secprof_site.celery import app as celery_app

__all__ = ("celery_app",)
