"""Sizes in the words of people."""


def size_text(size: float) -> str:
    """Bytes for people, such as 4.7 GB."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
