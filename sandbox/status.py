"""The status that Kyverno writes on a policy once its webhooks stand, as far as anybody reads it."""

from sandbox import policy as engine
from sandbox.store import Manifest


def policy_status(manifest: Manifest, now: str) -> Manifest:
    """Build the status of a policy that is served; `now` is a timestamp as the API writes it."""
    policy = engine.read(manifest)
    if policy.is_cluster_policy:
        return _cluster_policy_status(policy, now)
    return _validating_policy_status(now)


def _cluster_policy_status(policy: engine.Policy, now: str) -> Manifest:
    names = [rule.name for rule in policy.rules]
    prefixes = []
    if policy.controllers - {"CronJob"}:
        prefixes.append("autogen-")
    if "CronJob" in policy.controllers:
        prefixes.append("autogen-cronjob-")
    generated = [{"name": (prefix + name)[:63]} for name in names for prefix in prefixes]
    return {
        "autogen": {"rules": generated} if generated else {},
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Succeeded",
                "message": "Ready",
                "lastTransitionTime": now,
            }
        ],
        "rulecount": {"validate": len(names), "generate": 0, "mutate": 0, "verifyimages": 0},
        "validatingadmissionpolicy": {"generated": False, "message": ""},
    }


def _validating_policy_status(now: str) -> Manifest:
    conditions = [
        {
            "type": kind,
            "status": "True",
            "reason": "Succeeded",
            "message": message,
            "lastTransitionTime": now,
        }
        for kind, message in (
            ("WebhookConfigured", "Webhook configured."),
            ("RBACPermissionsGranted", "Policy is ready for reporting."),
        )
    ]
    return {
        "autogen": {},
        "conditionStatus": {"ready": True, "message": "", "conditions": conditions},
        "generated": False,
    }
