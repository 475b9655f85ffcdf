"""Routes about users: who they are, their keys and their quotas."""
