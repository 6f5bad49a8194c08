"""Send a task by its name, after the transaction that decided it. Not the place where work is done.

A message that is lost costs only time: `tasks.reconcile` and `tasks.collect_due` find what is due from the rows.
"""

import logging
from functools import partial

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

CARRY_OUT_EXCEPTION = "policies.tasks.carry_out_exception"
COLLECT_CLUSTER = "policies.tasks.collect_cluster"
REHEARSE = "policies.tasks.rehearse"
RUN_ROLLOUT = "policies.tasks.run_rollout"


def enqueue(task_name: str, **arguments: str | int) -> None:
    """Send the task when the current transaction commits; at once outside one."""
    transaction.on_commit(partial(_send, task_name, arguments))


def _send(task_name: str, arguments: dict[str, str | int]) -> None:
    try:
        current_app.send_task(task_name, kwargs=arguments, retry=False)
    except OperationalError:
        # The row is there and says what is due; the next reconcile sends it again.
        logger.warning("dispatch.broker_unreachable", extra={"task": task_name})
