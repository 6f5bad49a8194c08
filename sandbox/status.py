"""The status that a policy has once its webhooks stand, or the API server has compiled it, as far as anybody reads it."""

from sandbox import policy as engine
from sandbox.store import Manifest


def policy_status(manifest: Manifest, now: str) -> Manifest:
    """Build the status of a policy that is served; `now` is a timestamp as the API writes it."""
    policy = engine.read(manifest)
    if policy.is_cluster_policy:
        return _cluster_policy_status(policy, manifest, now)
    return _validating_policy_status(policy, manifest, now)


def native_status(manifest: Manifest) -> Manifest:
    """Build the status that the controller manager writes on a native policy."""
    return {"observedGeneration": manifest["metadata"]["generation"], "typeChecking": {}}


def _cluster_policy_status(policy: engine.Policy, manifest: Manifest, now: str) -> Manifest:
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "Succeeded",
        "message": "Ready",
        "lastTransitionTime": now,
    }
    generated = _generated_rules(policy, manifest)
    return {
        "autogen": {"rules": generated} if generated else {},
        "conditions": [ready],
        "rulecount": {"validate": len(policy.rules), "generate": 0, "mutate": 0, "verifyimages": 0},
        "validatingadmissionpolicy": {"generated": False, "message": ""},
    }


def _generated_rules(policy: engine.Policy, manifest: Manifest) -> list[Manifest]:
    """Name the derived rules. They repeat the match, so the status moves with an edit of it."""
    prefixes = ["autogen-"] if policy.controllers - {"CronJob"} else []
    if "CronJob" in policy.controllers:
        prefixes.append("autogen-cronjob-")
    return [
        {"name": (prefix + rule["name"])[:63], "match": rule["match"]}
        for rule in manifest["spec"]["rules"]
        for prefix in prefixes
    ]


def _validating_policy_status(policy: engine.Policy, manifest: Manifest, now: str) -> Manifest:
    reporting = (
        "Policy is ready for reporting."
        if policy.background
        else "Background scanning disabled; reporting permissions not required."
    )
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
            ("RBACPermissionsGranted", reporting),
        )
    ]
    configs = _configs(policy, manifest)
    return {
        "autogen": {"configs": configs} if configs else {},
        "conditionStatus": {"ready": True, "message": "", "conditions": conditions},
        "generated": False,
    }


def _configs(policy: engine.Policy, manifest: Manifest) -> Manifest:
    """Name the derived variants. They repeat the conditions, so the status moves with an edit of them."""
    spec = {"matchConditions": manifest["spec"].get("matchConditions", [])}
    configs: Manifest = {}
    if policy.controllers - {"CronJob"}:
        configs["defaults"] = {"spec": spec}
    if "CronJob" in policy.controllers:
        configs["cronjobs"] = {"spec": spec}
    return configs
