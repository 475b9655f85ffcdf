"""Migrations of the database, one numbered step per file."""
