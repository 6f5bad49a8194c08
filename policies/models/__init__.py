"""The rows of secprof: fields, constraints and indexes; rules live in `policies.domain`."""

from policies.models.audit_event import AuditEvent
from policies.models.cluster import Cluster
from policies.models.collection import ClusterTraffic, CollectionRun, KindSnapshot
from policies.models.denial import Denial
from policies.models.engine_state import EngineState
from policies.models.exception import ExceptionRequest
from policies.models.flip import Flip
from policies.models.grant import Grant
from policies.models.history import ClosedFinding, CollectedDay, DailyTally, DailyTotal
from policies.models.inventory import (
    DeclaredPool,
    DeclaredProfile,
    ObservedNode,
    ObservedOperator,
    ObservedProfile,
    ObservedProfileStatus,
    ReferencedProfile,
)
from policies.models.mirror import ReportOrigin, ReportPart, SeenObject
from policies.models.observed import (
    ObservedNamespace,
    ObservedPolicy,
    ObservedResult,
    ObservedWorkload,
    PostureTally,
    ResultTally,
)
from policies.models.observed_exception import (
    ExceptionNeed,
    ObservedController,
    ObservedException,
)
from policies.models.profile import Profile, ProfileVersion
from policies.models.provider_group import ProviderGroup
from policies.models.rehearsal import Rehearsal, RehearsedWorkload
from policies.models.rollout import Rollout, RolloutStep
from policies.models.trail import KeptHead, TrailCheck, TrailHead
from policies.models.variant import DesiredRevision, Stage, Variant, VariantRevision

__all__ = [
    "AuditEvent",
    "ClosedFinding",
    "Cluster",
    "ClusterTraffic",
    "CollectedDay",
    "CollectionRun",
    "DailyTally",
    "DailyTotal",
    "DeclaredPool",
    "DeclaredProfile",
    "Denial",
    "DesiredRevision",
    "EngineState",
    "ExceptionNeed",
    "ExceptionRequest",
    "Flip",
    "Grant",
    "KeptHead",
    "KindSnapshot",
    "ObservedController",
    "ObservedException",
    "ObservedNamespace",
    "ObservedNode",
    "ObservedOperator",
    "ObservedPolicy",
    "ObservedProfile",
    "ObservedProfileStatus",
    "ObservedResult",
    "ObservedWorkload",
    "PostureTally",
    "Profile",
    "ProfileVersion",
    "ProviderGroup",
    "ReferencedProfile",
    "Rehearsal",
    "RehearsedWorkload",
    "ReportOrigin",
    "ReportPart",
    "ResultTally",
    "Rollout",
    "RolloutStep",
    "SeenObject",
    "Stage",
    "TrailCheck",
    "TrailHead",
    "Variant",
    "VariantRevision",
]
