"""Explains how a process ended: the signal, its usual cause, and the fix."""

import signal
from dataclasses import dataclass

_DOCTOR = "`modelyard doctor` tries this machine's engines and says what to do."

_BEHIND: dict[int, tuple[str, str]] = {
    signal.SIGILL: (
        "it ran an instruction that this processor refuses: built for another one, or wrongly",
        f"{_DOCTOR} `make setup` builds llama.cpp anew without what fails here.",
    ),
    signal.SIGSEGV: (
        "a library used memory that is not its own, by a fault of its own or a broken file",
        _DOCTOR,
    ),
    signal.SIGBUS: (
        "a file that it had open became shorter or could not be read, or the disk is full",
        "Check the disk and its free space, and that nothing writes to the model's file.",
    ),
    signal.SIGFPE: ("a library divided by nothing: a fault of its own or a broken file", _DOCTOR),
    signal.SIGABRT: (
        "a library gave up on what it found, and says so in its last words",
        "The file may be broken, or memory too short; its last words say more.",
    ),
    signal.SIGKILL: (
        "killed from outside: by the kernel where memory ran out, by a limit, or by hand",
        "See the kernel's log (`dmesg`) and the container's limit of memory; load less at once.",
    ),
    signal.SIGSYS: (
        "it asked the kernel for what is forbidden to it here",
        "See the seccomp profile of the container.",
    ),
    signal.SIGXCPU: ("it used all the processor time that it may have", ""),
    signal.SIGXFSZ: ("it wrote a larger file than it may", ""),
    signal.SIGTERM: ("it was asked to end", ""),
    signal.SIGINT: ("it was asked to end from the keyboard", ""),
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended; `cause` and `fix` are empty if unknown."""

    how: str
    cause: str = ""
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.how} ({self.cause})" if self.cause else self.how


def ending(code: int) -> Ending:
    """Explain a return code as subprocess gives it: a negative one is a signal's number."""
    if code >= 0:
        return Ending(f"ended with code {code}")
    return Ending(f"was ended by {_name(-code)}", *_BEHIND.get(-code, ("", "")))


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal between the first and the last has no name
        return f"signal {number}"
