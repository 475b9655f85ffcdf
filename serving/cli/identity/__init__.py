"""Commands about users, their keys and their quotas."""
