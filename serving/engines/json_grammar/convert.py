"""Converts a JSON schema to GBNF: sometimes narrower than the schema, never wider."""

from typing import Any

from modelyard.serving.engines.json_grammar import words
from modelyard.serving.engines.json_grammar.alternatives import Alternatives
from modelyard.serving.engines.json_grammar.constants import constants
from modelyard.serving.engines.json_grammar.keywords import (
    Schema,
    head_of,
    list_at,
    names_at,
    range_at,
    schema_at,
    schemas_at,
    types_at,
)
from modelyard.serving.engines.json_grammar.numbers import integers, numbers
from modelyard.serving.errors import InvalidRequest, UnsupportedParameter
from modelyard.serving.wire.openai.chat.response_format import JsonForm

MAX_DEPTH = 32
MAX_RULES = 4000
MAX_REPEATS = 100_000
"""llama.cpp expands every repetition and copies them all for each answer."""

_SPEAK_OF = {
    "properties": "object",
    "required": "object",
    "additionalProperties": "object",
    "items": "array",
    "prefixItems": "array",
    "minItems": "array",
    "maxItems": "array",
    "minLength": "string",
    "maxLength": "string",
    "format": "string",
    "minimum": "integer",
    "maximum": "integer",
    "exclusiveMinimum": "integer",
    "exclusiveMaximum": "integer",
}


def grammar_of(form: JsonForm) -> str:
    """GBNF whose `root` generates what the schema allows.

    Raises UnsupportedParameter for unsupported keywords, InvalidRequest for malformed schemas.
    """
    rules = Rules()
    return rules.written(rules.of(form))


class Rules:
    """The rules of one grammar; references resolve within the schema being read."""

    def __init__(self) -> None:
        self._schema: Schema = {}
        self._where = ""
        self._rules: dict[str, str] = {}
        self._references: dict[str, str] = {}
        self._depth = 0
        self._repeats = 0
        self._shapes = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": integers,
            "number": numbers,
            "boolean": lambda _schema, _where: "boolean",
            "null": lambda _schema, _where: "null",
        }

    def written(self, root: str) -> str:
        """The whole grammar as GBNF."""
        rules = {"root": root} | self._rules | words.PRIMITIVES
        return "\n".join(f"{name} ::= {rule}" for name, rule in rules.items())

    def of(self, form: JsonForm) -> str:
        """The name of a rule for the values that a whole schema allows."""
        self._schema = form.schema
        self._where = form.where
        self._references = {}
        self._depth = 0
        return self.value(form.schema, form.where)

    def put(self, name: str, body: str) -> None:
        """Set the body of a rule that already has a name."""
        self._rules[name] = body

    def rule(self, body: str) -> str:
        """Add a rule and return its name."""
        if len(self._rules) >= MAX_RULES:
            raise InvalidRequest(
                f"'{self._where}' is too large: it makes more than {MAX_RULES} grammar rules.",
                param=self._where,
            )
        name = f"r{len(self._rules)}"
        self._rules[name] = body
        return name

    def _times(self, what: str, least: int, most: int | None) -> str:
        """`what`, repeated `least` to `most` times; raises InvalidRequest beyond MAX_REPEATS."""
        self._repeats += least if most is None else most
        if self._repeats > MAX_REPEATS:
            raise InvalidRequest(
                f"'{self._where}' is too large: its lengths add up to more than {MAX_REPEATS}.",
                param=self._where,
                fix="Ask for lower 'maxLength' and 'maxItems', or leave them out.",
            )
        return words.times(what, least, most)

    def value(self, schema: Schema, where: str) -> str:
        """The name of a rule for the values that a schema allows."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise InvalidRequest(
                f"'{self._where}' is nested more than {MAX_DEPTH} deep.", param=self._where
            )
        head = head_of(schema, where)
        if head == "$ref":
            name = self._reference(schema["$ref"], f"{where}.$ref")
        else:
            name = self.rule(self._whole(schema, head, where) if head else self._any(schema, where))
        self._depth -= 1
        return name

    def _whole(self, schema: Schema, head: str, where: str) -> str:
        place = f"{where}.{head}"
        if head in ("const", "enum"):
            return self._constants(schema, head, where)
        parts = schemas_at(schema[head], place)
        if head == "allOf" and len(parts) > 1:
            raise UnsupportedParameter(
                f"'{place}' with more than one schema cannot be kept to here.", param=place
            )
        Alternatives(self._target).check(parts, place)
        return " | ".join(self.value(part, f"{place}[{i}]") for i, part in enumerate(parts))

    def _constants(self, schema: Schema, head: str, where: str) -> str:
        place = f"{where}.{head}"
        values = [schema["const"]] if head == "const" else list_at(schema["enum"], place)
        if "type" in schema:
            allowed = types_at(schema, where)
            values = [value for value in values if any(_is(value, name) for name in allowed)]
        if not values:
            raise InvalidRequest(f"'{place}' has no value of the type asked for.", param=place)
        return constants(values)

    def _any(self, schema: Schema, where: str) -> str:
        spoken = list(dict.fromkeys(_SPEAK_OF[w] for w in schema if w in _SPEAK_OF))
        kinds = types_at(schema, where) if "type" in schema else spoken
        return " | ".join(self._shapes[kind](schema, where) for kind in kinds) or "value"

    def _reference(self, pointer: object, where: str) -> str:
        """The rule of a pointer's target, registered before it is built, so it may be recursive."""
        if not isinstance(pointer, str) or not (pointer == "#" or pointer.startswith("#/")):
            raise UnsupportedParameter(
                f"'{where}' is {str(pointer)[:80]!r}: only '#/…' can be followed.", param=where
            )
        if pointer not in self._references:
            self._references[pointer] = name = self.rule("")
            found = schema_at(self._found(pointer, where), f"{self._where}{pointer[1:]}")
            self.put(name, self.value(found, where))
        return self._references[pointer]

    def _target(self, pointer: str) -> object:
        """What a pointer leads to; None if nowhere, which is refused when its rule is made."""
        try:
            return self._found(pointer, self._where)
        except InvalidRequest:
            return None

    def _found(self, pointer: str, where: str) -> object:
        found: Any = self._schema
        for step in pointer.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or key not in found:
                raise InvalidRequest(f"'{where}' leads nowhere: {pointer[:80]!r}.", param=where)
            found = found[key]
        return found

    def _object(self, schema: Schema, where: str) -> str:
        """The named properties in their order and no others: narrower than some schemas."""
        given = schema_at(schema.get("properties", {}), f"{where}.properties")
        required = names_at(schema.get("required", []), f"{where}.required")
        further = schema.get("additionalProperties", True)
        members = {
            name: schema_at(value, f"{where}.properties.{name[:100]}")
            for name, value in given.items()
        }
        for name in required:
            if name not in members and further is False:
                raise InvalidRequest(
                    f"'{where}.required' names {name[:80]!r}, which no property may be called.",
                    param=f"{where}.required",
                )
            if name not in members:
                members[name] = schema_at(further, f"{where}.additionalProperties")
        if members:
            return self._members(members, set(required), where)
        return self._map(further, f"{where}.additionalProperties")

    def _map(self, values: object, where: str) -> str:
        if values is True:
            return "object"
        if values is False:
            return '"{" space "}"'
        value = self.value(schema_at(values, where), where)
        member = self.rule(f'string space ":" space {value}')
        return self.rule(f'"{{" space ({member} (space "," space {member})* space)? "}}"')

    def _members(self, members: dict[str, Schema], required: set[str], where: str) -> str:
        """Two chains of rules: what may follow a member, and what may open the object."""
        after = self.rule('space "}"')
        first = self.rule('"}"')
        for name, schema in reversed(members.items()):
            value = self.value(schema, f"{where}.properties.{name[:100]}")
            pair = self.rule(f'{words.constant(name)} space ":" space {value}')
            skipped = ("", "") if name in required else (f" | {first}", f" | {after}")
            first = self.rule(f"{pair} {after}{skipped[0]}")
            after = self.rule(f'space "," space {pair} {after}{skipped[1]}')
        return self.rule(f'"{{" space {first}')

    def _array(self, schema: Schema, where: str) -> str:
        least, most = range_at(schema, "minItems", "maxItems", where)
        if "prefixItems" in schema:
            return self._tuple(schema, least, most, where)
        item = self.value(schema_at(schema.get("items", True), f"{where}.items"), f"{where}.items")
        if most == 0:
            return '"[" space "]"'
        more = self._times(
            f'(space "," space {item})', max(least - 1, 0), None if most is None else most - 1
        )
        filled = f"{item} {more} space"
        return self.rule(f'"[" space {filled if least else f"({filled})?"} "]"')

    def _tuple(self, schema: Schema, least: int, most: int | None, where: str) -> str:
        """Exactly the prefix items, with none after them."""
        parts = schemas_at(schema["prefixItems"], f"{where}.prefixItems")
        if least > len(parts) or (most is not None and most < len(parts)):
            raise UnsupportedParameter(
                f"'{where}.prefixItems' with another number of items cannot be kept to here.",
                param=f"{where}.prefixItems",
            )
        items = [self.value(p, f"{where}.prefixItems[{i}]") for i, p in enumerate(parts)]
        inner = ' space "," space '.join(items)
        return self.rule(f'"[" space {inner} space "]"')

    def _string(self, schema: Schema, where: str) -> str:
        least, most = range_at(schema, "minLength", "maxLength", where)
        form = schema.get("format")
        if form is None:
            plain = not least and most is None
            return (
                "string" if plain else self.rule(rf'"\"" {self._times("char", least, most)} "\""')
            )
        if form not in words.FORMATS or least or most is not None:
            known = ", ".join(words.FORMATS)
            raise UnsupportedParameter(
                f"'{where}.format' is {str(form)[:80]!r}: kept to are {known}, without a length.",
                param=f"{where}.format",
            )
        return self.rule(words.FORMATS[form])


def _is(value: object, kind: str) -> bool:
    """Whether a value has the JSON type `kind`; booleans are not numbers."""
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    shapes: dict[str, type | tuple[type, ...]] = {
        "object": dict, "array": list, "string": str, "number": (int, float), "null": type(None),
    }  # fmt: skip
    return kind in shapes and isinstance(value, shapes[kind])
