"""The steps of the flows as plain functions, independent of Prefect."""
