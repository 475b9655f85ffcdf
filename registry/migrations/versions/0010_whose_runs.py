"""Who may see a lifecycle run."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("visibility", sa.String(length=20), nullable=True))
    op.add_column("runs", sa.Column("owner_id", sa.String(length=36), nullable=True))
    op.execute("UPDATE runs SET visibility = 'private'")  # nobody knows what they were about
    with op.batch_alter_table("runs") as runs:
        runs.alter_column("visibility", existing_type=sa.String(length=20), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("runs") as runs:
        runs.drop_column("owner_id")
        runs.drop_column("visibility")
