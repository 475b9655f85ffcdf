"""Renames two kinds of models: `write` to `generate`, `mark` to `token_classify`."""

from collections.abc import Mapping

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_NAMES = {"write": "generate", "mark": "token_classify"}
_VERSIONS = sa.table("versions", sa.column("id", sa.String), sa.column("facts", sa.JSON))


def upgrade() -> None:
    _rename(_NAMES)


def downgrade() -> None:
    _rename({new: old for old, new in _NAMES.items()})


def _rename(names: Mapping[str, str]) -> None:
    connection = op.get_bind()
    for version, facts in connection.execute(sa.select(_VERSIONS.c.id, _VERSIONS.c.facts)).all():
        details = facts.get("details") or {}
        kind = names.get(details.get("kind", ""))
        if kind is not None:
            renamed = facts | {"details": details | {"kind": kind}}
            change = sa.update(_VERSIONS).where(_VERSIONS.c.id == version).values(facts=renamed)
            connection.execute(change)
