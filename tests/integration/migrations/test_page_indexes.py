"""The migration that puts the digests of a revision's objects beside their manifests."""

from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection

from policies.models import DesiredRevision
from tests import factories

pytestmark = pytest.mark.django_db

migration = import_module("policies.migrations.0017_page_indexes")


def test_digests_of_revisions_from_before_are_those_of_their_objects() -> None:
    factories.installed(factories.cluster())
    written = list(DesiredRevision.objects.values_list("pk", "digests"))
    DesiredRevision.objects.update(digests={})

    migration.digests(apps, connection.schema_editor())

    assert written == list(DesiredRevision.objects.values_list("pk", "digests"))
    assert written[0][1] == {"require-seccomp": "digest-of-require-seccomp"}
