"""How secprof writes YAML that people read: a text of several lines stands as it reads, and nothing is an alias."""

from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from yaml import SafeDumper as _Dumper
else:
    # libyaml writes the same many times as fast, where it is there.
    _Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class ReadableDumper(_Dumper):
    """A namespace more is a line more in a diff; what stands in a manifest twice is written out twice."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _write_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


ReadableDumper.add_representer(str, _write_text)
