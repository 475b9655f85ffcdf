"""GBNF building blocks of JSON: literals, primitive values, repetition."""

import json
from typing import Any

MAX_DIGITS = 15
"""Keeps integers within what a double represents exactly."""

PRIMITIVES = {
    "space": r'| " " | "\n" [ \t]{0,20}',
    "hex": "[0-9a-fA-F]",
    "escape": r'["\\/bfnrt] | "u" ([0-9abcefABCEF] hex hex hex | [dD] [0-7] hex hex)',
    "char": r'[^"\\\x7F\x00-\x1F] | "\\" escape',
    "string": r'"\"" char* "\""',
    "integer": f'"-"? ("0" | [1-9] [0-9]{{0,{MAX_DIGITS - 1}}})',
    "number": 'integer ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,2})?',
    "boolean": '"true" | "false"',
    "null": '"null"',
    "member": 'string space ":" space value',
    "object": '"{" space (member (space "," space member)* space)? "}"',
    "array": '"[" space (value (space "," space value)* space)? "]"',
    "value": "object | array | string | number | boolean | null",
    "year": "[0-9]{4}",
    "date": 'year "-" (long-month | short-month | "02-" ("0" [1-9] | "1" [0-9] | "2" [0-8]))',
    "long-month": '("0" [13578] | "1" [02]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])',
    "short-month": '("0" [469] | "11") "-" ("0" [1-9] | [12] [0-9] | "30")',
    "time": '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{1,6})? zone',
    "zone": '"Z" | [-+] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9]',
    "uuid": 'hex{8} "-" hex{4} "-" hex{4} "-" hex{4} "-" hex{12}',
}
FORMATS = {
    "date": r'"\"" date "\""',
    "time": r'"\"" time "\""',
    "date-time": r'"\"" date "T" time "\""',
    "uuid": r'"\"" uuid "\""',
}


def text(written: str) -> str:
    """A GBNF literal for exactly this text."""
    escaped = written.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r") + '"'


def constant(value: Any) -> str:
    """A GBNF literal for this value as compact JSON."""
    return text(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def times(item: str, least: int, most: int | None) -> str:
    """`item`, repeated `least` to `most` times."""
    return f"{item}{{{least},{'' if most is None else most}}}"


def whole_numbers(least: int, most: int) -> str:
    """The integers from `least` to `most`, both within MAX_DIGITS digits."""
    parts: list[str] = []
    if least < 0:
        parts += [f'"-" {part}' for part in _naturals(max(1, -most), -least)]
    if most >= 0:
        parts += _naturals(max(0, least), most)
    return " | ".join(parts)


def _naturals(least: int, most: int) -> list[str]:
    """One alternative for each number of digits."""
    lengths = range(len(str(least)), len(str(most)) + 1)
    starts = [max(least, 10 ** (n - 1) if n > 1 else 0) for n in lengths]
    ends = [min(most, 10**n - 1) for n in lengths]
    return [_between(str(a), str(b)) for a, b in zip(starts, ends, strict=True)]


def _between(least: str, most: str) -> str:
    """Digit strings from `least` to `most`, which have the same length."""
    if not least:
        return ""
    rest = len(least) - 1
    if least == "0" * (rest + 1) and most == "9" * (rest + 1):
        return times("[0-9]", rest + 1, rest + 1)
    if least[0] == most[0]:
        return f'"{least[0]}" {_between(least[1:], most[1:])}'.strip()
    low = int(least[0])
    high = int(most[0])
    parts = [f'"{low}" {_between(least[1:], "9" * rest)}'.strip()]
    if low + 1 < high:
        middle = f"[{low + 1}-{high - 1}]"
        parts.append(f"{middle} {times('[0-9]', rest, rest)}" if rest else middle)
    parts.append(f'"{high}" {_between("0" * rest, most[1:])}'.strip())
    return f"({' | '.join(parts)})"
