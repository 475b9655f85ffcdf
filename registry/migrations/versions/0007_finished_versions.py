"""When a version was finished, and which version of each alias was last sent to MLflow."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Earlier versions gave unfinished versions an alias. Those aliases are deleted, and a candidate
# whose model is then without a champion becomes champion.
_STEPS = """
UPDATE versions SET finished_at = created_at WHERE mlflow_version IS NOT NULL;
DELETE FROM aliases WHERE version_id IN (SELECT id FROM versions WHERE finished_at IS NULL);
UPDATE aliases SET previous_id = NULL
  WHERE previous_id IN (SELECT id FROM versions WHERE finished_at IS NULL);
UPDATE aliases SET recorded_id = version_id;
UPDATE aliases SET alias = 'champion', recorded_id = NULL
  WHERE alias = 'candidate' AND model_id NOT IN (
    SELECT model_id FROM aliases WHERE alias = 'champion'
  );
"""


def upgrade() -> None:
    op.add_column("versions", sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("aliases", sa.Column("recorded_id", sa.String(length=36), nullable=True))
    for step in filter(str.strip, _STEPS.split(";")):
        op.execute(sa.text(step))


def downgrade() -> None:
    # In place: SQLite's batch mode recreates the table, and the cascade would delete its files.
    op.drop_column("aliases", "recorded_id")
    op.drop_column("versions", "finished_at")
