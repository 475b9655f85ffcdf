"""Requests as they were recorded: when they came, how long they were, what they had in common."""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.routing.faults import BadInput, number, whole

BLOCK = 512
"""Tokens of one prefix block; equal ids mean equal text from the prompt's beginning."""

FORMATS = ("azure", "mooncake")
_COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
_SECONDS_DIGITS = 26  # the trace writes seven decimals, datetime reads six


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request: seconds since the first, tokens in and out, ids of its prefix blocks."""

    at_s: float
    prompt: int
    output: int
    blocks: tuple[int, ...] = ()


def read_trace(path: Path, form: str) -> list[Recorded]:
    """The requests in the order of their arrival; raises BadInput with the line."""
    reader = {"azure": _azure, "mooncake": _mooncake}[form]
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            found = sorted(reader(path, lines), key=lambda r: r.at_s)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not a text file ({error.reason}).") from None
    if not found:
        raise BadInput(f"{path}: no requests in it.")
    first = found[0].at_s
    return [Recorded(r.at_s - first, r.prompt, r.output, r.blocks) for r in found]


def _azure(path: Path, lines: Iterable[str]) -> Iterator[Recorded]:
    rows = csv.DictReader(lines)
    missing = [c for c in _COLUMNS if c not in (rows.fieldnames or ())]
    if missing:
        raise BadInput(f"{path}, line 1: no column {', '.join(missing)}.")
    for row in rows:
        where = f"{path}, line {rows.line_num}"
        prompt = whole(row["ContextTokens"], f"{where}, ContextTokens", least=1)
        output = whole(row["GeneratedTokens"], f"{where}, GeneratedTokens", least=1)
        yield Recorded(_seconds(row["TIMESTAMP"], where), prompt, output)


def _seconds(text: str, where: str) -> float:
    try:
        return datetime.fromisoformat(text[:_SECONDS_DIGITS]).timestamp()
    except ValueError:
        expected = "a time such as 2023-11-16 18:15:46.6805900"
        raise BadInput(f"{where}, TIMESTAMP: expected {expected}, found {text!r}.") from None


def _mooncake(path: Path, lines: Iterable[str]) -> Iterator[Recorded]:
    for line, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        where = f"{path}, line {line}"
        try:
            row = json.loads(text)
        except ValueError as error:
            raise BadInput(f"{where}: not JSON ({error}).") from None
        if not isinstance(row, dict):
            raise BadInput(f"{where}: expected a JSON object.")
        yield _recorded(row, where)


def _recorded(row: dict[str, Any], where: str) -> Recorded:
    absent = [f for f in ("timestamp", "input_length", "output_length") if f not in row]
    if absent:
        raise BadInput(f"{where}: no field {', '.join(absent)}.")
    ids = row.get("hash_ids", [])
    if not isinstance(ids, list) or not all(isinstance(i, int) for i in ids):
        raise BadInput(f"{where}, hash_ids: expected a list of whole numbers.")
    return Recorded(
        number(row["timestamp"], f"{where}, timestamp", least=0) / 1000,
        whole(row["input_length"], f"{where}, input_length", least=1),
        max(1, whole(row["output_length"], f"{where}, output_length", least=0)),
        tuple(ids),
    )
