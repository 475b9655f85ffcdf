"""Alembic's entry: run the steps on the connection that `modelyard.registry.migrate` hands over."""

from alembic import context

from modelyard.registry import tables
from modelyard.registry.database import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite changes a table by making it anew
)
with context.begin_transaction():
    context.run_migrations()

__all__ = ["tables"]  # imported so that the metadata knows them
