"""How tasks travel and what runs when; read lazily by `secprof_site.celery`. What tasks do is in `policies.tasks`.

The broker carries work, never state: every job is a row first, and the scheduled tasks ask the rows what is due.
"""

from django.conf import settings

broker_url = settings.REDIS_URL
# A broker may serve others too.
task_default_queue = "secprof"
broker_connection_retry_on_startup = True
# Redis delivers a task a second time after `visibility_timeout`, so it is longer than any task and countdown.
# The other two make it look for the tasks of a killed worker every 5 s, not every 100 s.
broker_transport_options = {
    "visibility_timeout": 3600,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    # A person waits for the answer: without a broker the row stays, and `reconcile` sends it later.
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
}

task_serializer = "json"
result_serializer = "json"
accept_content = ["json"]
task_ignore_result = True

task_acks_late = True
task_reject_on_worker_lost = True
worker_prefetch_multiplier = 1
worker_hijack_root_logger = False
worker_send_task_events = False

timezone = "UTC"
enable_utc = True


def _every(seconds: float, task: str) -> dict[str, object]:
    # A tick that nobody took before the next one is worth nothing: the next one asks the same question.
    return {
        "task": f"policies.tasks.{task}",
        "schedule": seconds,
        "options": {"expires": seconds},
    }


beat_schedule = {
    "collect-due": _every(5.0, "collect_due"),
    "reconcile": _every(10.0, "reconcile"),
    "expire": _every(60.0, "expire"),
    "verify-trail": _every(600.0, "verify_trail"),
    "keep-trail-head": _every(600.0, "keep_trail_head"),
    "forget-old": _every(3600.0, "forget_old"),
}
