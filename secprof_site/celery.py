"""The Celery application of this installation. Configured by `secprof_site.celery_config`, when first used."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "secprof_site.settings")

app = Celery("secprof")
app.config_from_object("secprof_site.celery_config")
app.autodiscover_tasks(["policies"])
