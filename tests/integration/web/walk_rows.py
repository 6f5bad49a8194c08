"""The rows of the table, by the name of the address. See `walk_table` for how to read and write one."""

from policies.domain.controls import Mechanism
from policies.domain.profiles.examples import EXAMPLES
from policies.queries.specs import spec_of
from policies.web.variant_forms import typed_parameters
from tests.integration.actions.test_clusters import kubeconfig
from tests.integration.web import walk_table as t
from tests.integration.web.walk_company import Company
from tests.integration.web.walk_table import Visit, get, post

TEXT = EXAMPLES[Mechanism.SECCOMP]
NEXT = TEXT.replace('"stat"', '"statx"')
OPEN, HOME = t.OPEN, (303, 303, 303, 303)


def _typed(c: Company, **more: object) -> dict[str, object]:
    """What the form of a variant holds, as a browser sends it."""
    fields = typed_parameters(spec_of(c.variant).parameters)
    sent = {
        name: "\n".join(value) if name.endswith(("allowed", "denied", "namespaces")) else value
        for name, value in fields.items()
        if value is not None and name != "excluded_labels"
    }
    return {**sent, "excluded_namespaces": "", **more}


_ROLL_BACK = [
    *(
        post(
            answers,
            t.variant,
            roles=t.DOERS,
            data=lambda _, names=names: {"namespace": names, "reason": "it breaks"},
        )
        for answers, names in (
            ((502, 502, 502, 502), ["shopfront"]),
            ((502, 502, 404, 404), ["paydesk"]),
            ((502, 502, 404, 404), ["paydesk", "shopfront"]),
        )
    ),
    post((409, 409, 409, 409), t.variant, data=lambda _: {"reason": "none named"}),
    post(
        (502, 404, 404, 404),
        t.far_variant,
        roles=t.DOERS,
        data=lambda _: {"namespace": "hiddenvale", "reason": "it breaks"},
    ),
]

SESSIONS: dict[str, list[Visit]] = {
    "healthz": [get(OPEN, none=200, anonymous=200)],
    "login": [get((302, 302, 302, 302), none=302, anonymous=200)],
    "logout": [post(HOME, none=303, anonymous=303)],
    "theme": [post(HOME, none=303, anonymous=303, data=lambda _: {"theme": "dark"})],
    "rights": [get(OPEN, none=200)],
    "step-up": [get(OPEN, none=200)],
    "sessions": [get(OPEN, none=200)],
    "sessions-end-others": [post(HOME, none=303)],
    "session-end": [post((409, 409, 409, 409), lambda _: (987654,), none=409)],
}

CLUSTERS: dict[str, list[Visit]] = {
    "clusters": [get(OPEN)],
    "cluster-new": [
        get((200, 403, 403, 403), roles=t.ADMINS),
        post(
            (303, 403, 403, 403),
            roles=t.ADMINS,
            data=lambda _: {"name": "fresh", "kubeconfig": kubeconfig()},
        ),
    ],
    "cluster": [
        get(t.ON_ATLAS, t.atlas),
        get(t.ON_BOREALIS, t.borealis),
        get((404, 404, 404, 404), lambda _: (987654,)),
    ],
    "engine": [
        get(t.ON_ATLAS, t.atlas),
        get(t.ON_BOREALIS, t.borealis),
        get((404, 404, 404, 404), lambda _: (987654,)),
    ],
    "cluster-test": t.done_on_clusters(303, t.OPERATORS),
    "cluster-collect": t.done_on_clusters(303, t.DOERS),
    "cluster-credential": t.done_on_clusters(
        303, t.ADMINS, data=lambda _: {"kubeconfig": kubeconfig()}
    ),
}

READINESS: dict[str, list[Visit]] = {
    "home": [get(OPEN)],
    "readiness": [
        get(OPEN),
        get(t.ON_ATLAS, data=lambda _: {"cluster": "atlas", "system": "1"}),
        get(t.ON_ATLAS, data=lambda _: {"cluster": "atlas", "verdict": "blocked"}),
        get(t.ON_ATLAS, data=lambda _: {"cluster": "atlas", "stage": "audit", "q": "e"}),
        get(t.ON_BOREALIS, data=lambda _: {"cluster": "borealis"}),
    ],
    "cell": t.seen_in_each(get),
    "review": t.seen_in_each(get),
    "review-rehearse": t.done_in_each(303, t.DOERS),
    "validation": [
        *t.seen_in_each(get),
        get(t.IN_SHOPFRONT, lambda c: (c.twin_variant.pk, "shopfront")),
        *t.done_in_each(200, t.DOERS),
    ],
    "posture": [
        get(OPEN),
        get(t.ON_ATLAS, data=lambda _: {"cluster": "atlas", "control": "require-seccomp"}),
        get(t.ON_BOREALIS, data=lambda _: {"cluster": "borealis"}),
    ],
    "denials": [
        get(OPEN),
        get(OPEN, data=lambda _: {"cluster": "borealis", "since": "week"}),
        get(OPEN, data=lambda _: {"namespace": "paydesk", "attempt": "controller"}),
    ],
    "trail": [get(OPEN), get(OPEN, data=lambda _: {"q": "e"})],
}

POLICIES: dict[str, list[Visit]] = {
    "variants": [get(OPEN), get(OPEN, data=lambda _: {"cluster": "atlas"})],
    "variant-compare": [get(OPEN, data=lambda _: {"template": "seccomp"})],
    "variant-new": [
        get(OPEN),
        get(OPEN, data=lambda c: {"cluster": c.atlas.pk}),
        post(
            (422, 422, 403, 403),
            roles=t.OPERATORS,
            data=lambda c: _typed(c, cluster=c.atlas.pk, name="another", template="seccomp"),
        ),
        post(
            (422, 404, 404, 403),
            roles=t.OPERATORS,
            data=lambda c: _typed(c, cluster=c.borealis.pk, name="another", template="seccomp"),
        ),
        post(
            OPEN,
            data=lambda c: _typed(c, cluster=c.borealis.pk, template="seccomp", intent="preview"),
        ),
    ],
    "variant": [
        get(t.ON_ATLAS, t.variant),
        get(t.ON_ATLAS, lambda c: (c.twin_variant.pk,)),
        get(t.ON_BOREALIS, t.far_variant),
    ],
    "variant-edit": [
        get(t.WHOLE_ATLAS, t.variant),
        get((200, 404, 404, 403), t.far_variant),
        post(
            (303, 303, 403, 403),
            t.variant,
            roles=t.OPERATORS,
            data=lambda c: _typed(c, note="why", based_on=c.variant.revision_number),
        ),
    ],
    "variant-refresh": t.done_on_clusters(409, t.OPERATORS, t.variant, t.far_variant),
    "variant-roll-back": _ROLL_BACK,
    "policies": [get(OPEN), get(OPEN, data=lambda _: {"cluster": "borealis"})],
    "policy-lint": [
        get(OPEN),
        post(OPEN, data=lambda c: {"text": "kind: Pod", "cluster": c.borealis.pk}),
    ],
    "policy": [
        get(t.WHOLE_ATLAS, lambda c: ("atlas", "ClusterPolicy", "second-policy-enforce")),
        get((200, 404, 404, 403), lambda c: ("borealis", "ClusterPolicy", c.far_variant.name)),
        get(t.WHOLE_ATLAS, lambda _: ("atlas", "ClusterPolicy", "adopted")),
        get((404, 404, 404, 404), lambda _: ("atlas", "ClusterPolicy", "no-such-policy")),
    ],
}

FLIPS: dict[str, list[Visit]] = {
    "plan-new": [
        get((502, 502, 502, 502), data=lambda c: t.planned(c, "shopfront")),
        get((502, 502, 404, 404), data=lambda c: t.planned(c, "paydesk", "shopfront")),
        get((502, 502, 403, 403), data=lambda c: t.planned(c, verb="install")),
        get((409, 409, 409, 409), data=t.planned),
        get((502, 502, 404, 404), data=lambda c: t.planned(c, "no-such-namespace")),
    ],
    "flip-request": [
        post(
            (502, 502, 502, 502),
            roles=t.OPERATORS,
            data=lambda c: t.planned(c, "shopfront", reason="clean"),
        ),
        post(
            (502, 502, 404, 404),
            roles=t.OPERATORS,
            data=lambda c: t.planned(c, "paydesk", "shopfront", reason="clean"),
        ),
        post(
            (502, 502, 403, 403),
            roles=t.OPERATORS,
            data=lambda c: t.planned(c, verb="install", reason="clean"),
        ),
    ],
    "flips": [
        get(OPEN, data=lambda _, show=show: {"show": show}) for show in ("open", "mine", "all")
    ],
    "flip": t.flip_visits(get),
    "flip-progress": t.flip_visits(get),
    "flip-approve": t.flip_visits(post, 409, roles=t.APPROVERS, data=t.digest),
    "flip-decline": t.flip_visits(post, 303, roles=t.APPROVERS, data=lambda _: {"comment": "no"}),
    "flip-withdraw": t.flip_visits(post, 403),
}

PROFILES: dict[str, list[Visit]] = {
    "profiles": [get(OPEN)],
    "profile": [get(OPEN, t.profile)],
    "profile-download": [get(OPEN, t.profile)],
    "profile-new": [
        get(OPEN),
        post(
            (303, 403, 403, 403),
            roles=t.OPERATORS,
            data=lambda _: {"name": "fresh", "mechanism": "seccomp", "text": TEXT},
        ),
    ],
    "profile-new-check": [post(OPEN, data=lambda _: {"mechanism": "seccomp", "text": TEXT})],
    "profile-check": [post(OPEN, t.profile, data=lambda _: {"mechanism": "seccomp", "text": TEXT})],
    "profile-edit": [
        get(OPEN, t.profile),
        post(
            (303, 403, 403, 403),
            t.profile,
            roles=t.OPERATORS,
            data=lambda _: {"mechanism": "seccomp", "text": NEXT, "base": 1},
        ),
    ],
    "profile-retire": [post((303, 403, 403, 403), t.profile, roles=t.OPERATORS)],
    "profile-recording": [get(OPEN)],
    "profile-recording-read": [post((422, 422, 422, 422), data=lambda _: {"objects": "x"})],
    "profile-nodes": [
        get(OPEN),
        get(t.ON_ATLAS, data=lambda _: {"cluster": "atlas"}),
        get(t.ON_BOREALIS, data=lambda _: {"cluster": "borealis"}),
    ],
    "profile-nodes-pool": [
        get(t.ON_ATLAS, data=lambda _: t.of_pool("atlas")),
        get(t.ON_BOREALIS, data=lambda _: t.of_pool("borealis")),
    ],
    "profile-pool-declare": t.done_on_clusters(303, t.ADMINS, data=t.pool_form),
    "profile-pool-withdraw": t.done_on_clusters(303, t.ADMINS, t.pool, t.far_pool),
    "profile-declare": t.done_on_clusters(
        303,
        t.ADMINS,
        t.pool,
        t.far_pool,
        data=lambda _: {"mechanism": "seccomp", "value": "profiles/more.json"},
    ),
    "profile-withdraw": [post((303, 303, 403, 403), t.declared, roles=t.ADMINS)],
}

_ON_EVERYTHING = {"roles": t.ADMINS}
GRANTS: dict[str, list[Visit]] = {
    "grants": [get((200, 403, 403, 403), **_ON_EVERYTHING)],
    "grant-preview": [
        get(
            (200, 403, 403, 403),
            data=lambda _: {"part": "labels", "selector": "team=payteam"},
            **_ON_EVERYTHING,
        )
    ],
    "grant-give": [
        post(
            (303, 403, 403, 403),
            data=lambda _: {
                "holder": "group",
                "name": "team-pay",
                "role": "owner",
                "part": "namespace",
                "namespace": "paydesk",
            },
            **_ON_EVERYTHING,
        )
    ],
    "grant-withdraw": [post((303, 403, 403, 403), lambda c: (c.grant.pk,), **_ON_EVERYTHING)],
}

EXCEPTIONS: dict[str, list[Visit]] = {
    "exceptions": [
        get(OPEN),
        get(OPEN, data=lambda _: {"show": "not-ours"}),
        get(OPEN, data=lambda _: {"show": "in-force", "q": "e"}),
    ],
    "exception": t.exception_visits(get, 200),
    "exception-progress": t.exception_visits(get, 200),
    "exception-foreign": [get((200, 200, 404, 404), lambda c: (c.pay_stray,))],
    "exception-new": [
        get(OPEN),
        *(
            visit
            for pk, name, seen in (
                ("variant", "shopfront", t.IN_SHOPFRONT),
                ("variant", "paydesk", t.IN_PAYDESK),
                ("far_variant", "hiddenvale", t.IN_HIDDENVALE),
            )
            for visit in (
                get(
                    seen,
                    data=lambda c, pk=pk, name=name: {
                        "variant": getattr(c, pk).pk,
                        "namespace": name,
                    },
                ),
                post(
                    tuple(303 if answer == 200 else answer for answer in seen),
                    roles=t.ASKERS,
                    data=lambda c, pk=pk, name=name: {
                        "variant": getattr(c, pk).pk,
                        **t.wish(name),
                    },
                ),
            )
        ),
    ],
    "exception-edit": [
        *t.exception_visits(get, 200),
        *t.exception_visits(post, 403, roles=t.NOBODY, data=lambda _: t.wish("shopfront")),
    ],
    "exception-approve": t.exception_visits(post, 409, roles=t.APPROVERS, data=t.decision),
    "exception-decline": t.exception_visits(post, 409, roles=t.APPROVERS, data=t.decision),
    "exception-withdraw": t.exception_visits(post, 403, roles=t.NOBODY),
    "exception-try-again": t.exception_visits(post, 409, roles=t.ASKERS),
    "exception-end": t.exception_visits(
        post,
        409,
        roles=t.ASKERS | t.APPROVERS,
        data=lambda _: {"ending": "revoked", "reason": "it breaks"},
    ),
}

TRENDS: dict[str, list[Visit]] = {
    name: [
        *opened,
        get(t.ON_ATLAS, data=lambda _: {"cluster": "atlas"}),
        get(t.ON_ATLAS, data=lambda _: {"cluster": "atlas", "namespace": "shopfront"}),
        get(t.ON_BOREALIS, data=lambda _: {"cluster": "borealis"}),
    ]
    for name, opened in (
        ("trends", [get(OPEN)]),
        ("trend-findings", [get(OPEN)]),
        ("trend-download", [get((404, 404, 404, 404))]),
    )
}

TRAIL: dict[str, list[Visit]] = {
    "trail-export": [
        post((200, 403, 403, 403), roles=t.AUDITORS, data=lambda _: {"format": "jsonl"})
    ],
    # There is no key to sign with.
    "trail-head": [post((409, 403, 403, 403), roles=t.AUDITORS)],
    "trail-event": [
        get(OPEN, lambda c: (c.shop_event,)),
        get((200, 200, 404, 404), lambda c: (c.pay_event,)),
        get((200, 404, 404, 404), lambda c: (c.far_event,)),
        get((404, 404, 404, 404), lambda _: (987654,)),
    ],
}

ROWS: dict[str, list[Visit]] = {
    **TRAIL,
    **TRENDS,
    **EXCEPTIONS,
    **SESSIONS,
    **CLUSTERS,
    **READINESS,
    **POLICIES,
    **FLIPS,
    **PROFILES,
    **GRANTS,
}
