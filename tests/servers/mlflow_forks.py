"""MLflow's server, imported once and forked: killed, it is there again in a moment.

Run as a module with a port and the URI of a database; reads `start` or `kill` a line on standard
input and answers each with a line.
"""

import os
import signal
import sys


def main(port: int, uri: str) -> None:
    os.environ |= {
        "_MLFLOW_SERVER_FILE_STORE": uri,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SGI_NAME": "uvicorn",
    }
    import uvicorn
    from mlflow.server.fastapi_app import app

    child = 0
    _say("ready")
    for line in sys.stdin:
        if line == "kill\n":
            child = _killed(child)
        else:
            child = os.fork()
            if not child:
                uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")
                os._exit(0)
        _say("done")
    _killed(child)  # whoever told us what to do is gone


def _killed(child: int) -> int:
    if child:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
