"""Names of models, past ones too: no two that MLflow could confuse, no number given twice."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    names = op.create_table(
        "model_names",
        sa.Column("folded", sa.String(length=400), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("folded", name="pk_model_names"),
    )
    rows = op.get_bind().execute(
        sa.text("SELECT name, last_number FROM models ORDER BY created_at, id")
    )
    known: dict[str, dict[str, object]] = {}
    for name, number in rows:
        folded = name.lower().replace("/", "--")
        known.setdefault(folded, {"folded": folded, "name": name, "last_number": number})
    if known:
        op.bulk_insert(names, list(known.values()))


def downgrade() -> None:
    op.drop_table("model_names")
