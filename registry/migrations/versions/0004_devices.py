"""Devices: admins' orders, measurements over time, and the memory that models really took."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "device_orders",
        sa.Column("device_id", sa.String(length=100), nullable=False),
        sa.Column("maintenance", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cleared_ecc", sa.BigInteger(), nullable=False),
        sa.Column("changed_by", sa.String(length=100), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("device_id", name="pk_device_orders"),
    )
    _samples()
    op.create_table(
        "memory_observations",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("device_kind", sa.String(length=100), nullable=False),
        sa.Column("likeness", sa.JSON(), nullable=False),
        sa.Column("estimated", sa.JSON(), nullable=False),
        sa.Column("measured", sa.JSON(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_memory_observations"),
    )
    op.create_index("ix_memory_observations_device_kind", "memory_observations", ["device_kind"])


def _samples() -> None:
    op.create_table(
        "gpu_samples",
        sa.Column("device_id", sa.String(length=100), nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("utilization", sa.Float(), nullable=True),
        sa.Column("memory_used", sa.BigInteger(), nullable=True),
        sa.Column("temperature", sa.Float(), nullable=True),
        sa.Column("power_usage", sa.Float(), nullable=True),
        sa.Column("throttle", sa.String(length=200), nullable=False),
        sa.Column("active_requests", sa.Float(), nullable=False),
        sa.Column("queued_requests", sa.Float(), nullable=False),
        sa.Column("tokens_per_s", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "at", name="pk_gpu_samples"),
    )


def downgrade() -> None:
    for table in ("memory_observations", "gpu_samples", "device_orders"):
        op.drop_table(table)
