"""Formats sizes for people."""


def size_text(size: float) -> str:
    """A size in bytes as text, such as 4.4 GiB: the units of memory, for files as well."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
