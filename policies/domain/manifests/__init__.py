"""Manifests as people write them, judged without a cluster: YAML and JSON, several documents, Lists, every kind.

What cannot be understood is named and does not hide the rest.
"""

from policies.domain.manifests.checking import Checker
from policies.domain.manifests.formats import FORMATS
from policies.domain.manifests.records import Misread, Report, Row, Tally

__all__ = ["FORMATS", "Checker", "Misread", "Report", "Row", "Tally"]
