"""One clear sentence for every refused scenario: place, found, allowed.

pydantic finds what is wrong; its own text is written for programmers and lists several errors over several lines. Here its first error
is said in the words of the file. Reporting all errors at once was rejected: after a typo the rest are mostly consequences of it.
"""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from cluster.errors import InputError, spelled

FOUND_CHARACTERS_MAX = 80
_KEY = re.compile(r"[A-Za-z0-9_.-]+")


def shown(value: object) -> str:
    """A found value as a short, printable text (control characters escaped)."""
    text = value if isinstance(value, str) and value.isprintable() and value else spelled(value)
    return text if len(text) <= FOUND_CHARACTERS_MAX else text[: FOUND_CHARACTERS_MAX - 1] + "…"


def refuse(file: str, key: str, found: object, allowed: str | Iterable[str], *, line: int | None = None, why: str = "") -> InputError:
    """An InputError whose sentence names file, line, key, what was found and what is allowed."""
    text = allowed if isinstance(allowed, str) else ", ".join(allowed)
    place = f"{file}:{line}" if line else file
    reason = f"{why}; " if why else ""
    sentence = f"{place}: {shown(key)}: {reason}found {shown(found)}, allowed: {text}"
    return InputError(sentence, file=file, line=line, key=key, found=_plain(found), allowed=text)


def impossible(found: object, allowed: str) -> PydanticCustomError:
    """What a validator of a model raises: the value found and what is allowed, in words."""
    return PydanticCustomError("impossible", "{allowed}", {"found": found, "allowed": allowed})


class Place:
    """The file an error is about, with its text for line numbers; ``given`` are keys that an option gave instead, and that option."""

    def __init__(self, file: str, text: str = "", given: Mapping[str, str] | None = None) -> None:
        self.file, self.text, self.given = file, text, given or {}

    def of(self, key: str) -> tuple[str, int | None]:
        """(file or option, line) of a key."""
        for given, option in self.given.items():
            if key == given or key.startswith((given + ".", given + "[")):
                return option, None
        for given, option in self.given.items():
            if given.startswith(key + "."):
                return f"{self.file} with {option} {given}", None
        return self.file, line_of(self.text, key)

    def refuse(self, key: str, found: object, allowed: str | Iterable[str], why: str = "") -> InputError:
        """The InputError about ``key``."""
        file, line = self.of(key)
        return refuse(file, key, found, allowed, line=line, why=why)


def refusal_of(error: ValidationError, model: type[BaseModel], place: Place) -> InputError:
    """The first of pydantic's errors about ``model`` as an InputError."""
    first = error.errors(include_url=False)[0]
    keys = _without_tags(first["loc"], model)
    found, allowed = _found_and_allowed(first, model, keys)
    why = {"extra_forbidden": "unknown key", "missing": "missing"}.get(first["type"], "")
    return place.refuse(key_path(keys) or "scenario", found, allowed, why)


def key_path(parts: Sequence[str | int]) -> str:
    """``["faults", 0, "cpu"]`` as ``faults[0].cpu``."""
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _found_and_allowed(first: Any, model: type[BaseModel], keys: list[str | int]) -> tuple[object, str]:
    context = first.get("ctx", {})
    match first["type"]:
        case "extra_forbidden":
            return keys[-1], _allowed_keys(model, keys)
        case "missing":
            return "nothing", f"{keys[-1]} must be given"
        case "impossible":
            return context["found"], context["allowed"]
        case "literal_error":
            return first["input"], context["expected"]
        case "greater_than_equal":
            return first["input"], f"an integer of {context['ge']} or more"
        case "less_than_equal":
            return first["input"], f"an integer of {context['le']} or less"
        case "int_type" | "int_from_float" | "int_parsing":
            return first["input"], "an integer"
        case "bool_type" | "bool_parsing":
            return first["input"], "true or false"
        case "string_type":
            return first["input"], "a text in quotes"
        case "list_type" | "tuple_type":
            return first["input"], "a list"
        case "model_type" | "dict_type" | "model_attributes_type":
            return first["input"], "a table"
        case _:
            return first["input"], first["msg"][:1].lower() + first["msg"][1:]


def _without_tags(location: Sequence[str | int], model: type[BaseModel]) -> list[str | int]:
    """pydantic's location without the names it gives to the members of a union (``literal['all']``, ``list[str]``, ``int``)."""
    keys: list[str | int] = []
    kind: Any = model
    for part in location:
        kind = _without_none(kind)
        if get_origin(kind) in (Union, types.UnionType):
            kind = None
        elif isinstance(part, int) or _KEY.fullmatch(part):
            keys.append(part)
            kind = _below(kind, part)
    return keys


def _without_none(kind: Any) -> Any:
    """The annotation, of ``X | None`` X: None is no member that pydantic names, nor are constraints."""
    if get_origin(kind) is Annotated:
        return _without_none(get_args(kind)[0])
    members = [part for part in get_args(kind) if part is not types.NoneType]
    return _without_none(members[0]) if get_origin(kind) in (Union, types.UnionType) and len(members) == 1 else kind


def _below(kind: Any, part: str | int) -> Any:
    """The annotation of what a model, a list or a dictionary has under this key; None if that cannot be told."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(str(part))
        return field.annotation if field else None
    arguments = get_args(kind)
    return arguments[-1] if get_origin(kind) in (list, dict) and arguments else None


def _allowed_keys(model: type[BaseModel], keys: list[str | int]) -> str:
    table: type[BaseModel] | None = model
    for key in keys[:-1]:
        if table is None or isinstance(key, int):
            continue
        field = table.model_fields.get(key)
        table = _model_in(field.annotation) if field else None
    if table is None:
        return "a known key"
    names = sorted(field.alias or name for name, field in table.model_fields.items())
    near = difflib.get_close_matches(str(keys[-1]), names, n=1)
    return (f"{near[0]} (did you mean that?), or " if near and near[0] != keys[-1] else "") + ", ".join(names)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside ``list[Model]``, ``Model | None`` or ``Annotated[...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (list, tuple, dict, Union, types.UnionType):
        return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
    return None


def line_of(text: str, key: str) -> int | None:
    """The line on which ``key`` (such as ``machine.costs.trap_ns`` or ``faults[1].cpu``) is written, or None if it cannot be told."""
    table, _, leaf = key.rpartition(".")
    wanted, number = _array_index(table)
    seen, here = -1, table == ""
    for line, content in enumerate(text.splitlines(), 1):
        stripped = content.strip()
        if stripped.startswith("["):
            name = stripped.split("#")[0].strip().strip("[] ")
            seen += name == wanted
            here = name == wanted and (number is None or seen == number)
            if name == key:
                return line
        elif here and stripped.split("=")[0].strip().strip("\"'") == leaf.split("[")[0]:
            return line
    return None


def _array_index(table: str) -> tuple[str, int | None]:
    name, bracket, number = table.partition("[")
    return (name, int(number.rstrip("]"))) if bracket and number.rstrip("]").isdigit() else (table, None)


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | bool | list | dict | None) else spelled(value)
