"""YAML documents: objects whose fields know their lines."""

from collections.abc import Iterator
from typing import Any

import msgspec
import yaml

from policies.domain.manifests.paths import malformed, place_of, steps
from policies.domain.manifests.records import NotUnderstood
from policies.domain.manifests.yaml_values import Builder, Places


class YamlObject:
    """One object, or whatever else a document or an item of a List is."""

    __slots__ = ("_line", "_places", "_value", "api_version", "kind")

    def __init__(self, value: Any, line: int, places: Places) -> None:
        self._value = value
        self._line = line
        self._places = places
        self.api_version = self._text("apiVersion")
        self.kind = self._text("kind")

    def _text(self, key: str) -> str:
        value = self._value.get(key) if isinstance(self._value, dict) else None
        return value if isinstance(value, str) else ""

    def items(self) -> tuple["YamlObject", ...]:
        items = self._value.get("items")
        if items is None:
            return ()
        if not isinstance(items, list):
            raise NotUnderstood("items: this is no list.", self.line_of("items"))
        lines: Any = self._places[id(items)]
        return tuple(YamlObject(item, lines[at], self._places) for at, item in enumerate(items))

    def decode(self, shape: type[msgspec.Struct]) -> msgspec.Struct:
        try:
            return msgspec.convert(self._value, type=shape)
        except msgspec.ValidationError as error:
            raise NotUnderstood(malformed(error), self.line_of(place_of(error)[0])) from None

    def check(self) -> None:
        """What stands twice was found when the document was read."""

    def plain(self) -> Any:
        return self._value

    def line_of(self, field: str) -> int:
        value, line = self._value, self._line
        for step in steps(field):
            places: Any = self._places.get(id(value))
            try:
                line, value = places[step], value[step]
            except (TypeError, KeyError, IndexError):
                break
        return line


def read_yaml(content: bytes, line: int) -> Iterator[YamlObject | NotUnderstood | None]:
    """Give what each document holds; at the first that cannot be read the rest is lost. `line` is that of the beginning."""
    builder = Builder(line)
    try:
        for event in yaml.parse(content, Loader=yaml.CSafeLoader):
            builder.take(event)
            if isinstance(event, yaml.DocumentEndEvent):
                built = builder.built
                is_empty = built.value is None
                yield None if is_empty else YamlObject(built.value, built.line, built.places)
    except NotUnderstood as problem:
        yield problem
    except yaml.reader.ReaderError as error:
        at = line + content.count(b"\n", 0, error.position)
        yield NotUnderstood(f"The YAML cannot be read: {error.reason}.", at)
    except yaml.MarkedYAMLError as error:
        at = line + (error.problem_mark.line if error.problem_mark else 0)
        yield NotUnderstood(f"The YAML cannot be read: {error.problem}.", at)
