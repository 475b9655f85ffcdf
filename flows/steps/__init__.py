"""The work of the flows as plain functions, free of Prefect."""
