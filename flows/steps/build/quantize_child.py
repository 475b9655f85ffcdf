"""Runs llama.cpp's quantizer in its own process, because it aborts on some files.

Reads one JSON document from standard input and exits when that closes, so that it never outlives
its parent; writes one JSON line per tensor.
"""

import ctypes
import json
import os
import re
import sys
import threading
from collections import deque
from typing import Any

_TENSOR = re.compile(rb"\[\s*(\d+)/\s*(\d+)\]")


def _say(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    os.read(0, 1)  # not sys.stdin: a thread holding its lock aborts the interpreter's shutdown
    os._exit(1)


def _quantize(ask: dict[str, Any]) -> str | None:
    """Write the target; returns llama.cpp's last messages if it failed."""
    import llama_cpp

    from modelyard.serving.engines.llama_cpp.quantizer import quantize

    said: deque[str] = deque(maxlen=5)

    @llama_cpp.llama_log_callback
    def listen(_level: int, text: bytes, _data: Any) -> None:
        if found := _TENSOR.search(text):
            _say(done=int(found[1]), total=int(found[2]))
        elif text.strip():
            said.append(text.decode("utf-8", "replace").strip())

    llama_cpp.llama_log_set(listen, ctypes.c_void_p(0))
    if quantize(ask["source"], ask["target"], ask["type"], ask["threads"]):
        return None
    return " ".join(said)[-500:] or "it gives no reason"


def main() -> None:
    ask = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _say(failed=_quantize(ask))


if __name__ == "__main__":
    main()
