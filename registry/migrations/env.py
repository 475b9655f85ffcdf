"""Alembic's entry point: run the migrations on the connection from `modelyard.registry.migrate`."""

from alembic import context

from modelyard.registry import tables
from modelyard.registry.database import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite alters a table by recreating it
)
with context.begin_transaction():
    context.run_migrations()

__all__ = ["tables"]  # imported so that the metadata knows them
