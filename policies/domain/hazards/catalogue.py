"""The hazards that can be told from version and settings, in plain words. What else there is to know is in the lints and gates."""

from dataclasses import dataclass

from policies.domain.hazards import told
from policies.domain.hazards.records import Weight
from policies.domain.hazards.told import Teller

DANGER, CAUTION, NOTE = Weight


@dataclass(frozen=True, slots=True)
class Entry:
    """One hazard, and how it is told."""

    trap: str
    weight: Weight
    tell: Teller
    title: str
    means: str
    remedy: str


CATALOGUE: tuple[Entry, ...] = (
    Entry(
        "T2",
        DANGER,
        told.shared_selector,
        "Policies that select namespaces silence each other",
        "ValidatingPolicies that share a webhook share one selector, that of the last of them. Outside it Kyverno is not "
        "asked about any, and nothing is refused.",
        "Stage by matchConditions instead of namespaceSelector, as secprof's policies do, or upgrade to 1.19.",
    ),
    Entry(
        "T3",
        DANGER,
        told.override_hole,
        "An override switches a rule off everywhere else",
        "A rule with overrides is judged only in the namespaces that these name: elsewhere it neither refuses nor audits.",
        "Upgrade to 1.13.3 or newer before anybody writes an override. secprof writes none.",
    ),
    Entry(
        "T4",
        DANGER,
        told.unheeded_selector,
        "Overrides by namespaceSelector refuse nothing",
        "Kyverno decides twice, and the first time it looks at names alone: an override that picks namespaces by label "
        "looks like Enforce and does not refuse.",
        "Write names, or upgrade to 1.16.3. The page of each policy shows where the two disagree.",
    ),
    Entry(
        "T4",
        CAUTION,
        told.one_action,
        "One rule's action may count for the whole policy",
        "In a policy with a webhook of its own the first rule that states an action speaks for all others.",
        "Give all rules of a policy the same action, or upgrade to 1.19.",
    ),
    Entry(
        "T6",
        DANGER,
        told.limited_reports,
        "Clean reports do not mean clean workloads",
        "Results are missing by the engine's own settings, so that no failing result says nothing.",
        "Turn them on again before you count on reports; posture and rehearsal do not depend on them.",
    ),
    Entry(
        "T7",
        DANGER,
        told.ending_kinds,
        "ClusterPolicies may not be writable any more",
        "From 1.20 on, writing the kyverno.io kinds may be refused, a rollback included, and stored ones may not be judged.",
        "Move variants to ValidatingPolicy. Every plan is tried with a dry-run first.",
    ),
    Entry(
        "T7",
        NOTE,
        told.deprecated_kinds,
        "ClusterPolicies are deprecated",
        "They are judged as ever, and every write is answered with a warning. An upgrade to 1.20 may end that.",
        "Move variants to ValidatingPolicy before you upgrade to 1.20.",
    ),
    Entry(
        "T8",
        CAUTION,
        told.changing_chart,
        "The chart of standard policies changes their kind",
        "Chart 3.9 of kyverno-policies writes ValidatingPolicies under the same names and drops overrides: Enforce with "
        "Audit overrides becomes Deny everywhere.",
        "Set policyType in its values, and compare what it renders before you upgrade it.",
    ),
    Entry(
        "T9",
        DANGER,
        told.exceptions_anywhere,
        "An exception may lie anywhere and exempt everybody",
        "Where an exception lies limits nothing. Whoever may create one in any namespace may exempt workloads of all; "
        "since 1.19 the stock role admin includes that.",
        "Set --exceptionNamespace to one namespace that few may write to.",
    ),
    Entry(
        "T10",
        CAUTION,
        told.unchecked_exceptions,
        "A broken exception freezes its policy",
        "Expressions in exceptions are not checked when written. One that does not compile keeps the policy as it was, "
        "so that a flip or a rollback has no effect while the policy says Ready.",
        "secprof proves each flip by pods. Upgrade to 1.19.1, which refuses such exceptions.",
    ),
    Entry(
        "T11",
        CAUTION,
        told.filters,
        "Some requests are never judged",
        "What the ConfigMap leaves out is admitted unseen, and reports tell of it all the same.",
        "See below which namespaces are not enforceable, and take out of the ConfigMap what should be judged.",
    ),
    Entry(
        "T11",
        CAUTION,
        told.unread_conditions,
        "Conditions decide which requests are judged",
        "They are written in CEL and ask more than the name of a namespace: whom they leave out is not known here.",
        "Read them below. What a flip enforces is proven by pods all the same.",
    ),
    Entry(
        "T12",
        DANGER,
        told.forced_ignore,
        "Enforcement stops when Kyverno does",
        "All webhooks fail open: while Kyverno does not answer in time everything is admitted.",
        "Take --forceFailurePolicyIgnore off. Until then count on enforcement only while the engine answers.",
    ),
    Entry(
        "T12",
        DANGER,
        told.fixed_webhooks,
        "Webhooks do not follow policies",
        "A new policy, or one that matches more, is not asked about until somebody edits the webhooks by hand.",
        "Turn --autoUpdateWebhooks on.",
    ),
    Entry(
        "T12",
        DANGER,
        told.no_webhook,
        "Nobody asks Kyverno about pods",
        "Without a webhook nothing is refused, whatever policies say.",
        "Restart the admission controller: it writes its webhooks again.",
    ),
    Entry(
        "T12",
        DANGER,
        told.no_replica,
        "Kyverno does not run",
        "Webhooks that fail closed refuse every request, and the others admit all.",
        "Bring the admission controller up again.",
    ),
    Entry(
        "T13",
        CAUTION,
        told.generated_policies,
        "Kyverno may hand policies over to the API server",
        "A policy of which a native one is generated leaves Kyverno: other refusals, no reports by default since 1.17, and "
        "overrides by selector do not count.",
        "See on the page of each policy whether it was generated. secprof never asks for it.",
    ),
    Entry(
        "T14",
        CAUTION,
        told.lost_autogen,
        "A namespaceSelector limits a policy to bare pods",
        "A ValidatingPolicy with a namespaceSelector, objectSelector or exclusion is not generated for Deployments and Jobs "
        "before 1.19: reports are silent about them.",
        "Use matchConditions on request.namespace, as secprof's policies do.",
    ),
    Entry(
        "T15",
        CAUTION,
        told.missing_namespace_object,
        "Conditions on namespaceObject fail",
        "In matchConditions it is empty: under Fail every request is refused, under Ignore none is judged.",
        "Use request.namespace there, or upgrade to 1.19.",
    ),
    Entry(
        "T16",
        CAUTION,
        told.mixed_versions,
        "Controllers run different versions",
        "An upgrade is under way, or was not finished: admission and reports may judge differently.",
        "Wait with flips until all run the same version.",
    ),
    Entry(
        "T16",
        NOTE,
        told.several_replicas,
        "Replicas settle one by one",
        "After a write some replicas still judge by the old policy for a moment.",
        "secprof proves a flip several times in a row before it says Enforced.",
    ),
    Entry(
        "T18",
        DANGER,
        told.silent_reports,
        "Nobody writes reports",
        "Reports stay as they are, and look quiet.",
        "Bring the reports controller up again; until then the results of policies are unknown.",
    ),
    Entry(
        "T22",
        DANGER,
        told.other_reports,
        "Reports are written elsewhere",
        "What lies under the old group is not renewed any more.",
        "secprof reads wgpolicyk8s.io: take the flag off, or count results as unknown.",
    ),
    Entry(
        "T23",
        CAUTION,
        told.omitted_events,
        "Refusals leave no events",
        "What is refused is not seen among events: silence after a flip does not mean that nobody is hit.",
        "Take PolicyViolation out of --omitEvents.",
    ),
    Entry(
        "T25",
        NOTE,
        told.other_webhooks,
        "Others judge pods too",
        "A pod may be refused by somebody else first, which proves nothing about a policy.",
        "secprof reads the name of the webhook in each refusal, and counts its own policy's alone.",
    ),
    Entry(
        "T34",
        CAUTION,
        told.unheeded_expiry,
        "Exceptions do not end by themselves",
        "Kyverno before 1.19 knows no end of an exception.",
        "secprof deletes its own when they end, and proves it. Others stay until somebody removes them.",
    ),
    Entry(
        "T34",
        NOTE,
        told.late_expiry,
        "Exceptions end late",
        "Kyverno looks at the end of an exception only when something else happens, and scans pass over it.",
        "secprof deletes its own on time.",
    ),
    Entry(
        "T35",
        CAUTION,
        told.unheeded_exceptions,
        "Exceptions do nothing",
        "They are stored without a word, and exempt nobody.",
        "Set --enablePolicyException=true and --exceptionNamespace, in all three controllers alike.",
    ),
    Entry(
        "T35",
        CAUTION,
        told.differing_exceptions,
        "Admission and reports disagree about exceptions",
        "Reports say fail of what admission lets in, or the other way round.",
        "Give admission, background and reports controller the same flags about exceptions.",
    ),
    Entry(
        "V2",
        NOTE,
        told.slow_webhooks,
        "A hung Kyverno slows every pod down",
        "Creating a pod waits for the webhook's time limit, also where it fails open.",
        "Set a shorter --webhookTimeout, or timeoutSeconds on policies.",
    ),
    Entry(
        "T12",
        NOTE,
        told.closed_webhooks,
        "A dead Kyverno stops pods in Audit too",
        "Policies of others share a webhook that fails closed: while Kyverno is down no pod that it is asked about is created, "
        "whether they enforce or not.",
        "secprof's policies have webhooks of their own. Give policies in Audit failurePolicy Ignore.",
    ),
    Entry(
        "V13",
        DANGER,
        told.dropped_conditions,
        "The API server drops conditions of webhooks",
        "Before Kubernetes 1.28 matchConditions are lost: a policy staged by them alone denies in every namespace.",
        "secprof's ClusterPolicies name their namespaces in their match as well. Use these here.",
    ),
)
"""In the order of the traps. One trap may be told in several ways."""
