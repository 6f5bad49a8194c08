"""From pasted text to plain mappings: bounded in size and depth, no aliases, no types but YAML's own."""

from collections.abc import Iterable
from typing import Any

import yaml

MAX_BYTES = 256 * 1024
MAX_DEPTH = 24
LONGEST_NUMBER = 40

Mapping = dict[Any, Any]


class InvalidKubeconfig(ValueError):
    """A kubeconfig that is not accepted; the message is one sentence for whoever pasted it."""


class _Loader(yaml.CSafeLoader):
    """YAML as it is safe, less its long numbers: `1:1:1…` is a number, too, and takes for ever to build."""


def _construct_number(loader: _Loader, node: yaml.ScalarNode) -> Any:
    if len(node.value) > LONGEST_NUMBER:
        raise ValueError("too long a number")
    name = node.tag.rpartition(":")[2]
    return getattr(loader, f"construct_yaml_{name}")(node)


for _tag in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _construct_number)


def load(text: str) -> Mapping:
    """Read the text of a kubeconfig. Raises InvalidKubeconfig."""
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise InvalidKubeconfig(f"The kubeconfig is larger than {MAX_BYTES // 1024} kB.")
    try:
        _check_shape(yaml.parse(text, Loader=yaml.CSafeLoader))
        config = yaml.load(text, Loader=_Loader)  # noqa: S506 - a CSafeLoader that builds less
    except InvalidKubeconfig:
        raise
    # The causes could quote what was pasted, so they are cut off.
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" (line {mark.line + 1})" if mark else ""
        raise InvalidKubeconfig(f"This is not valid YAML{where}.") from None
    except (yaml.YAMLError, ValueError):
        raise InvalidKubeconfig("This is not valid YAML.") from None
    if not isinstance(config, dict) or config.get("kind", "Config") != "Config":
        raise InvalidKubeconfig(
            "This is not a kubeconfig; paste what `kubectl config view --minify --flatten --raw` prints."
        )
    return config


def _check_shape(events: Iterable[yaml.Event]) -> None:
    """Refuse what makes a small text large or deep, before anything is built from it."""
    depth = 0
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            raise InvalidKubeconfig(
                "The kubeconfig uses YAML aliases (`*name`); write each value out in full."
            )
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise InvalidKubeconfig(f"The kubeconfig is nested deeper than {MAX_DEPTH} levels.")
