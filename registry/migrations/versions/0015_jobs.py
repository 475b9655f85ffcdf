"""Jobs with their bodies and results, users' files, batches, callbacks, flows for jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _jobs()
    _files()
    _batches()
    _callbacks()
    _served_flows()


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("asked_by", sa.String(length=36), nullable=False),
        sa.Column("model", sa.String(length=300), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("path", sa.String(length=100), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("rank", sa.Float(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("resources", sa.JSON(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("eligible_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lapses", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("claimer", sa.String(length=150), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_cancel_asked", sa.Boolean(), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("version", sa.String(length=300), nullable=True),
        sa.Column("device_id", sa.String(length=100), nullable=True),
        sa.Column("result_status", sa.Integer(), nullable=True),
        sa.Column("error_code", sa.String(length=50), nullable=True),
        sa.Column("error", sa.String(length=2000), nullable=True),
        sa.Column("callback_url", sa.String(length=2048), nullable=True),
        sa.Column("batch_id", sa.String(length=50), nullable=True),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("custom_id", sa.String(length=512), nullable=True),
        sa.Column("run_id", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    waiting = "status = 'queued'"
    _partial("jobs_by_turn", waiting, "model", "priority", "rank", "deadline")
    _partial("jobs_by_age", waiting, "model", "priority", "submitted_at", "rank")
    _partial("jobs_by_waiter", waiting, "user_id", "model", "priority", "rank")
    _partial("jobs_by_lease", "status = 'processing'", "lease_until")
    _partial("jobs_by_deadline", "ended_at IS NULL", "deadline")
    _partial("jobs_by_batch", "batch_id IS NOT NULL", "batch_id", "status", "place")
    op.create_index("jobs_by_user", "jobs", ["user_id", "submitted_at", "id"])
    op.create_index("jobs_by_time", "jobs", ["submitted_at", "id"])
    op.create_index("jobs_by_end", "jobs", ["ended_at"])
    _job_contents()
    if op.get_bind().dialect.name == "postgresql":
        _vacuum_often("jobs", "job_bodies", "job_results", "marks")


def _vacuum_often(*tables: str) -> None:
    """Rows of a queue change all the time: what is gone must not wait for a fifth of the table."""
    for table in tables:
        op.execute(
            f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.01, "
            "autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.05, "
            "autovacuum_vacuum_cost_delay = 0)"
        )


def _partial(name: str, where: str, *columns: str) -> None:
    part = sa.text(where)
    op.create_index(name, "jobs", list(columns), postgresql_where=part, sqlite_where=part)


def _job_contents() -> None:
    op.create_table(
        "job_bodies",
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_job_bodies_job_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name="pk_job_bodies"),
    )
    op.create_table(
        "job_results",
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_job_results_job_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name="pk_job_results"),
    )


def _files() -> None:
    op.create_table(
        "user_files",
        sa.Column("id", sa.String(length=50), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("purpose", sa.String(length=50), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_user_files"),
    )
    op.create_index("user_files_by_user", "user_files", ["user_id", "created_at", "id"])
    op.create_index("ix_user_files_expires_at", "user_files", ["expires_at"])


def _batches() -> None:
    op.create_table(
        "batches",
        sa.Column("id", sa.String(length=50), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("asked_by", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("endpoint", sa.String(length=100), nullable=False),
        sa.Column("model", sa.String(length=300), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("completion_window", sa.String(length=20), nullable=False),
        sa.Column("input_file_id", sa.String(length=50), nullable=True),
        sa.Column("output_file_id", sa.String(length=50), nullable=True),
        sa.Column("error_file_id", sa.String(length=50), nullable=True),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("errors", sa.JSON(), nullable=False),
        sa.Column("about", sa.JSON(), nullable=False),
        sa.Column("callback_url", sa.String(length=2048), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("in_progress_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finalizing_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelling_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
    )
    op.create_index("batches_by_user", "batches", ["user_id", "created_at", "id"])
    op.create_index("ix_batches_status", "batches", ["status"])


def _callbacks() -> None:
    op.create_table(
        "callbacks",
        sa.Column("id", sa.String(length=50), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("subject", sa.String(length=50), nullable=False),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("url", sa.String(length=2048), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_callbacks"),
    )
    op.create_index("callbacks_by_time", "callbacks", ["state", "due_at"])
    op.create_index("callbacks_by_subject", "callbacks", ["subject"])
    op.create_index("callbacks_by_user", "callbacks", ["user_id", "created_at", "id"])
    op.create_index("ix_callbacks_ended_at", "callbacks", ["ended_at"])
    op.create_table(
        "callback_tries",
        sa.Column("callback_id", sa.String(length=50), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Float(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(length=300), nullable=True),
        sa.ForeignKeyConstraint(
            ["callback_id"],
            ["callbacks.id"],
            name="fk_callback_tries_callback_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("callback_id", "number", name="pk_callback_tries"),
    )
    op.create_table(
        "callback_addresses",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("url", sa.String(length=2048), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_callback_addresses"),
    )
    op.create_index("ix_callback_addresses_user_id", "callback_addresses", ["user_id"])
    op.create_table(
        "callback_secrets",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("secret", sa.String(length=500), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_callback_secrets"),
    )
    op.create_index("ix_callback_secrets_user_id", "callback_secrets", ["user_id"])


def _served_flows() -> None:
    op.create_table(
        "served_flows",
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("flow", sa.String(length=200), nullable=False),
        sa.Column("deployment_id", sa.String(length=36), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("required", sa.JSON(), nullable=False),
        sa.Column("takes_any", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_served_flows"),
    )


def downgrade() -> None:
    for table in (
        "served_flows",
        "callback_secrets",
        "callback_addresses",
        "callback_tries",
        "callbacks",
        "batches",
        "user_files",
        "job_results",
        "job_bodies",
        "jobs",
    ):
        op.drop_table(table)
