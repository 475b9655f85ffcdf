"""Formats sizes for people."""


def size_text(size: float) -> str:
    """A size in bytes as text, such as 4.7 GB."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
