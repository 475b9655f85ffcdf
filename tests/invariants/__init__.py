"""Rules that must hold whatever happens: processes killed, callers leaving, long runs."""
