"""Separates text from tool calls while an answer is generated."""

from dataclasses import dataclass, field

from modelyard.serving.engines.tool_calls.forms import PYTHON, CallPart, CallPlan
from modelyard.serving.engines.tool_calls.objects import CallObject

_BETWEEN = " \t\r\n,;"


@dataclass(slots=True)
class Heard:
    """The text and calls in an answer's next piece."""

    text: str = ""
    calls: list[CallPart] = field(default_factory=list[CallPart])


@dataclass(slots=True)
class CallReader:
    """Passes text through and extracts calls, dropping white space around them.

    Text that only looked like a call is passed on. `ended` means the only allowed call is complete.
    """

    plan: CallPlan
    calls: int = 0
    ended: bool = False
    _rest: str = ""
    _call: CallObject | None = None
    _inside: bool = False
    _said: bool = False

    def push(self, text: str) -> Heard:
        """Parse the next piece of the answer."""
        self._rest += text
        heard = Heard()
        while not self.ended and self._advance(heard):
            pass
        return heard

    def finish(self) -> str:
        """The text held back, once no more comes; an incomplete call stays as it is."""
        call, self._call = self._call, None
        rest, self._rest = self._rest, ""
        if self.plan.form.opening:
            return "" if self._inside or (self.calls and not rest.strip()) else rest
        if call is not None and call.name is None:
            return call.raw
        return "" if self._inside else rest

    def _advance(self, heard: Heard) -> bool:
        if self._call is not None:
            return self._hear(self._call, heard)
        return self._look(heard) if self._inside else self._read(heard)

    def _read(self, heard: Heard) -> bool:
        """Pass text on, up to what may become a call."""
        if not self.plan.form.opening:
            return self._read_whole(heard)
        opening = self.plan.form.opening
        at = self._rest.find(opening)
        if at >= 0:
            self._say(self._rest[:at].rstrip(), heard)
            self._rest, self._inside = self._rest[at + len(opening) :], True
            return True
        safe = self._rest[: len(self._rest) - _overlap(self._rest, opening)].rstrip()
        self._say(safe, heard)
        self._rest = self._rest[len(safe) :]
        return False

    def _read_whole(self, heard: Heard) -> bool:
        """For formats without a mark: an answer that begins as JSON may be a call."""
        start = self._rest.lstrip()
        if not self._said and start.startswith(PYTHON):
            self._rest = start[len(PYTHON) :]
            return True
        if not self._said and start.startswith("{"):
            self._inside = True
            return True
        if self._said or (start and not PYTHON.startswith(start)):
            self._say(self._rest, heard)
            self._rest = ""
        return False

    def _look(self, heard: Heard) -> bool:
        """After a mark, find the next call, the end of calls, or plain text."""
        form = self.plan.form
        skipped = _BETWEEN + ("[]" if form.listed else "")
        self._rest = self._rest.lstrip(skipped)
        for mark, is_over in ((form.closing, True), (form.opening, False)):
            if mark and self._rest.startswith(mark):
                self._rest, self._inside = self._rest[len(mark) :], not is_over
                return True
            if mark and mark.startswith(self._rest):
                return False
        if form.named:
            return self._look_for_name(heard)
        if self._rest.startswith("{"):
            self._call = CallObject(form.key)
            return True
        return self._give_up(self._rest, heard)

    def _look_for_name(self, heard: Heard) -> bool:
        name, mark, rest = self._rest.partition(self.plan.form.named)
        if mark:
            self._call = CallObject("", name.strip(), bare=True)
            self._rest = rest
            self._open(self._call, heard)
            return True
        return self._give_up(name, heard) if "{" in name else False

    def _hear(self, call: CallObject, heard: Heard) -> bool:
        known = call.name is not None
        arguments, rest = call.push(self._rest)
        self._rest = ""
        is_ours = self.plan.form.opening or call.name in self.plan.names
        if call.failed or (call.name is not None and not known and not is_ours):
            return self._give_up(call.raw, heard)
        if call.name is not None and not known:
            self._open(call, heard)
        if arguments:
            heard.calls.append(CallPart(self.calls, arguments))
        if call.done:
            self.calls, self._call, self._rest = self.calls + 1, None, rest
            self.ended = self.plan.once
        return call.done

    def _open(self, call: CallObject, heard: Heard) -> None:
        heard.calls.append(CallPart(self.calls, "", self.plan.form.new_id(), call.name))

    def _give_up(self, raw: str, heard: Heard) -> bool:
        """Emit it as text, since it is not a call."""
        self._call = None
        self._inside = False
        self._rest = ""
        self._say(self.plan.form.opening + raw, heard)
        return False

    def _say(self, text: str, heard: Heard) -> None:
        self._said = self._said or bool(text)
        heard.text += text


def _overlap(text: str, mark: str) -> int:
    """Number of trailing characters that could begin the mark."""
    longest = min(len(text), len(mark) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(mark[:n])), 0)
