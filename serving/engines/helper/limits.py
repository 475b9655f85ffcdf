"""What a helper process may use for one request, and how it keeps to it."""

import json
import resource
import signal
from dataclasses import asdict, dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class HelperLimits:
    """Processor seconds a request, bytes of private memory of the process, seconds to answer.

    `answer_s` is real time: only a process that is stopped, or a machine that is far behind, ever
    takes as long.
    """

    cpu_s: float = 2.0
    memory: int = 512 * MIB
    answer_s: float = 30.0

    def as_argument(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_argument(cls, argument: str) -> "HelperLimits":
        return cls(**json.loads(argument))

    def hold(self) -> None:
        """Limit this process' memory; it writes no files, not even a core dump."""
        # Not the address space: what libraries map and never touch would count.
        for kind, most in (
            (resource.RLIMIT_DATA, self.memory),
            (resource.RLIMIT_FSIZE, 0),
            (resource.RLIMIT_CORE, 0),
        ):
            resource.setrlimit(kind, (most, most))
        # The default action ends the process also within a long call of a library.
        signal.signal(signal.SIGPROF, signal.SIG_DFL)

    def begin(self) -> None:
        """From now on the process has `cpu_s` seconds until `end`, or it is killed."""
        signal.setitimer(signal.ITIMER_PROF, self.cpu_s)

    @staticmethod
    def end() -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
