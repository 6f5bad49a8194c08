"""A report as text for people, or as JSON, SARIF or JUnit for other programs."""

from collections.abc import Callable

from policies.domain.manifests.formats.json_report import as_json
from policies.domain.manifests.formats.junit import as_junit
from policies.domain.manifests.formats.sarif import as_sarif
from policies.domain.manifests.formats.text import as_text
from policies.domain.manifests.records import Report

FORMATS: dict[str, Callable[[Report], bytes]] = {
    "text": as_text,
    "json": as_json,
    "sarif": as_sarif,
    "junit": as_junit,
}
