"""What is wrong with a batch's file is told with its line, and nothing of it is handed in."""

import io
import json
from itertools import pairwise

import pytest

from modelyard.registry.batches.batch import LineError
from modelyard.registry.billing.quota import Quota
from modelyard.registry.identity.caller import Caller, Role
from modelyard.serving.batches.file_check import LONGEST_LINE, MOST_ERRORS, FileCheck
from modelyard.serving.jobs.intake.acting import Acting
from modelyard.serving.jobs.intake.forming import Terms
from modelyard.serving.wire.openai.batches import MOST_LINES
from tests.serving.batches.served import CHAT, line, lines

ADA = Caller("u", "ada", Role.USER)


def checked(content: bytes, endpoint: str = CHAT) -> FileCheck:
    terms = Terms(60.0, 1, batch_id="batch_1")
    check = FileCheck(io.BytesIO(content), endpoint, Acting(ADA, ADA, Quota("u")), terms)
    while check.read(100):
        pass
    return check


def errors(content: bytes, endpoint: str = CHAT) -> list[LineError]:
    return checked(content, endpoint).errors


def spoilt(**fields: object) -> bytes:
    whole = json.loads(line("a")) | fields
    kept = {name: value for name, value in whole.items() if value is not None}
    return json.dumps(kept).encode() + b"\n"


def test_lines_that_hold_become_jobs() -> None:
    """Each with its own body and id, and all with what they share; blank lines are skipped."""
    file = b"\n" + line("a", max_tokens=3) + b"  \r\n" + line("b").rstrip()
    check = checked(file)
    assert check.errors == []
    assert check.first is not None
    jobs = [one.job(check.file, check.first, f"j{one.number}") for one in check.lines]
    assert [(job.id, job.place, job.custom_id) for job in jobs] == [("j2", 2, "a"), ("j4", 4, "b")]
    assert [job.output_tokens for job in jobs] == [3, 2]
    assert json.loads(jobs[1].body) == json.loads(line("b"))["body"]
    assert {(job.batch_id, job.priority, job.path) for job in jobs} == {("batch_1", 1, CHAT)}


@pytest.mark.parametrize(
    ("content", "code", "param"),
    [
        (b"", "empty_file", None),
        (b"\n\n", "empty_file", None),
        (b"{", "invalid_json_line", None),
        (b"[1]\n", "invalid_json_line", None),
        (b"\xff\xfe\n", "invalid_json_line", None),
        (b"[" * 5000 + b"\n", "invalid_json_line", None),
        (spoilt(custom_id=None), "invalid_json_line", None),
        (spoilt(custom_id=7), "invalid_json_line", "custom_id"),
        (spoilt(custom_id=""), "invalid_json_line", "custom_id"),
        (spoilt(custom_id="a" * 513), "invalid_json_line", "custom_id"),
        (spoilt(custom_id="a\x00"), "invalid_json_line", "custom_id"),
        (spoilt(method="GET"), "invalid_json_line", "method"),
        (spoilt(url="/v1/embeddings"), "mismatched_endpoint", "url"),
        (spoilt(body=[]), "invalid_json_line", None),
        (spoilt(body={"messages": []}), "invalid_value", "model"),
        (line("a", messages=7), "invalid_value", "body.messages"),
        (line("a", temperature=99), "invalid_value", "body.temperature"),
        (line("a", stream=True), "invalid_json_line", "body.stream"),
        (line("a", user="x" * LONGEST_LINE), "invalid_value", None),
    ],
)
def test_a_line_that_is_none_is_refused(content: bytes, code: str, param: str | None) -> None:
    """By what it lacks, or by the field that is wrong."""
    (error,) = errors(content)
    assert (error.code, error.param) == (code, param), error
    assert error.message
    assert error.line == (None if code == "empty_file" else 1)


def test_an_id_stands_once_and_a_batch_has_one_model() -> None:
    """The later line is at fault."""
    (twice,) = errors(line("a") + line("b") + line("a"))
    assert (twice.code, twice.line, twice.param) == ("duplicate_custom_id", 3, "custom_id")
    (other,) = errors(line("a") + line("b", "another"))
    assert (other.code, other.line) == ("mismatched_model", 2)
    assert "'another'" in other.message
    assert "'talker'" in other.message


@pytest.mark.slow(seconds=10)
def test_line_40000_is_told_by_its_number() -> None:
    """However long the file is: all before it hold."""
    one = line("x")
    many = b"".join(one.replace(b'"x"', b'"%d"' % number) for number in range(39_999))
    check = checked(many + b'{"custom_id": \n')
    (error,) = check.errors
    assert (error.code, error.line) == ("invalid_json_line", 40_000)
    assert len(check.lines) == 39_999


def test_no_more_errors_are_collected_than_anybody_reads() -> None:
    """Nor is the rest of the file read."""
    check = checked(b"{\n" * (MOST_ERRORS + 50))
    assert [error.line for error in check.errors] == [*range(1, MOST_ERRORS + 1)]


def test_a_file_has_no_more_requests_than_it_may() -> None:
    """One more than the most is one too many."""
    check = checked(lines(3))
    check.lines.extend(check.lines[:1] * (MOST_LINES - len(check.lines)))
    check.file = io.BytesIO(line("more"))
    assert not check.read(1)
    assert [error.code for error in check.errors] == ["too_many_requests"]


def test_prompts_that_begin_alike_come_one_after_the_other() -> None:
    """In the order of their prefixes; whatever order the file has them in."""
    system = ["You are a poet. " * 40, "You are a lawyer. " * 40, "You are a cook. " * 40]
    texts = [f"{system[n % 3]}{n}" for n in range(30)]
    content = b"".join(
        line(str(n), messages=[{"role": "user", "content": text}]) for n, text in enumerate(texts)
    )
    order = sorted(checked(content).lines, key=lambda one: one.prefix)
    kinds = [(one.number - 1) % 3 for one in order]
    assert sum(a != b for a, b in pairwise(kinds)) == 2
