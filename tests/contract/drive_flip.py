"""Run as a program in an installation of its own: bring a flip to its approval, and leave the rest to its worker.

Prints the flip's id. Arguments: the kubeconfig's path, the name of the control plane, the kind of policy.
"""

import sys
from pathlib import Path

import django


def main(kubeconfig: str, name: str, target: str) -> None:
    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.utils import timezone

    from policies.actions import clusters
    from policies.domain.lifecycle import FlipVerb, RolloutStatus
    from tests.world import People, World

    call_command("migrate", verbosity=0)
    people = People(get_user_model())
    cluster = clusters.add_cluster(
        name=name,
        kubeconfig=Path(kubeconfig).read_text(encoding="utf-8"),
        context=None,
        by=people.admin,
        now=timezone.now(),
    )
    world = World(people, cluster)
    world.collect()
    variant = world.variant(target)
    if world.flip(variant, FlipVerb.INSTALL) is not RolloutStatus.PROVEN:
        sys.exit("the variant was not installed")
    flip = world.approve(
        world.request(variant, FlipVerb.ENFORCE, "team-a", override="an empty namespace")
    )
    sys.stdout.write(f"{flip.pk}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
