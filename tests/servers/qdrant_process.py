"""What stands in for a Qdrant server in a process of its own: it asks for the key it is given."""

import os
import threading

from tests.servers.qdrant_wire import running_qdrant_wire

if __name__ == "__main__":
    with running_qdrant_wire(("0.0.0.0", 6333), os.environ["QDRANT__SERVICE__API_KEY"]):  # noqa: S104 - in a network of its own
        threading.Event().wait()
