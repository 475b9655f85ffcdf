"""Cleans texts of models and runs that were written before such texts were bounded and made plain.

Escape sequences in a licence or a run's subject reached terminals, and a licence of megabytes every
list. What decides an answer (chat templates, prompts of encoders) and names of files stay.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import sqlalchemy as sa
from alembic import op

from modelyard.registry.catalog.plain_text import plain_line, plain_text

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

Plain = Callable[[str], str]
_FACTS: Mapping[str, Plain] = {
    "licence": partial(plain_line, longest=200),
    "architecture": partial(plain_line, longest=100),
    "quantization": partial(plain_line, longest=100),
}
_COLUMNS: Mapping[str, Mapping[str, Plain]] = {
    "adapters": {"source": partial(plain_line, longest=500)},
    "runs": {
        "subject": partial(plain_line, longest=300),
        "message": partial(plain_text, longest=2000),
    },
}
_LABEL_CHARACTERS = 100
_AT_ONCE = 500
_VERSIONS = sa.table("versions", sa.column("id", sa.String), sa.column("facts", sa.JSON))


def upgrade() -> None:
    """Only rows that change are written; a licence of which nothing is left becomes null."""
    connection = op.get_bind()
    for version, facts in connection.execute(sa.select(_VERSIONS.c.id, _VERSIONS.c.facts)).all():
        plain = _plain_facts(facts)
        if plain != facts:
            change = sa.update(_VERSIONS).where(_VERSIONS.c.id == version).values(facts=plain)
            connection.execute(change)
    for name, columns in _COLUMNS.items():
        _clean(connection, name, columns)


def downgrade() -> None:
    """Nothing to bring back."""


def _plain_facts(facts: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        name: plain(facts[name]) or None
        for name, plain in _FACTS.items()
        if isinstance(facts.get(name), str)
    }
    if "architecture" in shown:
        shown["architecture"] = shown["architecture"] or "unknown"
    details: dict[str, Any] = facts.get("details") or {}
    if isinstance(labels := details.get("labels"), list):
        plain_labels = [plain_line(str(label), _LABEL_CHARACTERS) for label in labels]
        shown["details"] = details | {"labels": plain_labels}
    return facts | shown


def _clean(connection: sa.Connection, name: str, columns: Mapping[str, Plain]) -> None:
    table = sa.table(name, sa.column("id", sa.String), *(sa.column(c, sa.String) for c in columns))
    rows = connection.execute(sa.select(table)).mappings()
    changes = list[tuple[str, dict[str, str]]]()
    for batch in rows.partitions(_AT_ONCE):
        for row in batch:
            plain = {c: make(row[c] or "") for c, make in columns.items()}
            if any(plain[c] != (row[c] or "") for c in columns):
                changes.append((row["id"], plain))
    for row_id, plain in changes:
        connection.execute(sa.update(table).where(table.c.id == row_id).values(plain))
