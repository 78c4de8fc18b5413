"""YAML as JSON in other clothes: PyYAML's safe loader, less what JSON has no word for. Needs PyYAML.

Differs from YAML 1.1: ``1e-3`` is a number, as everybody who writes a learning rate expects.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from ecg_core.errors import ConfigError

__all__ = ["dump", "parse"]


class _Loader(yaml.SafeLoader):
    """Refuses tags, aliases and repeated keys, each with its line."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            self._refuse(self.peek_event(), "an alias (*) cannot stand in a configuration; write the values out")
        event = self.peek_event()
        tag = getattr(event, "tag", None)
        if tag is not None:
            self._refuse(event, f"the tag {tag} cannot stand in a configuration, which names components and never Python objects")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
            value = self.construct_object(key, deep=True)
            if isinstance(value, (dict, list)):
                self._refuse(key, "a key is a word, not a list or a mapping")
            if value in seen:
                self._refuse(key, f"the key '{value}' stands twice in one mapping; keep one of them")
            seen.add(value)
        return super().construct_mapping(node, deep=deep)

    def _refuse(self, at: Any, message: str) -> None:
        raise yaml.MarkedYAMLError(problem=message, problem_mark=at.start_mark)


class _Dumper(yaml.SafeDumper):
    """Puts into quotes what the loader would take for a number."""


for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
    )


def parse(text: str, where: str) -> Any:
    """The values in a YAML text.

    Raises:
        ConfigError: It is malformed, or says what JSON cannot say; ``where`` begins the message.
    """
    try:
        return _Loader(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = where if mark is None else f"{where}:{mark.line + 1}:{mark.column + 1}"
        raise ConfigError(f"{place}: {'not YAML (' + str(error.problem) + ')' if error.context else error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{where}: not YAML ({error})") from None


def dump(values: Any) -> str:
    """Plain values as YAML, keys in their order, letters of any language as they are."""
    text = _dumped(values, readable=True)
    # PyYAML writes a few control characters so that they are read as spaces; escaped they come back.
    return text if parse(text, "") == values else _dumped(values, readable=False)


def _dumped(values: Any, *, readable: bool) -> str:
    return str(yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=readable, default_flow_style=None, width=120))
