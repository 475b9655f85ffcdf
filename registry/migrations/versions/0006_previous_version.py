"""The version that an alias pointed at before."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("aliases") as aliases:
        aliases.add_column(sa.Column("previous_id", sa.String(length=36), nullable=True))
        aliases.create_foreign_key(
            "fk_aliases_previous_id", "versions", ["previous_id"], ["id"], ondelete="SET NULL"
        )


def downgrade() -> None:
    with op.batch_alter_table("aliases") as aliases:
        aliases.drop_constraint("fk_aliases_previous_id", type_="foreignkey")
        aliases.drop_column("previous_id")
