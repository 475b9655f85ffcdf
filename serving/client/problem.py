"""What may go wrong between a program and the gateway."""

from typing import Any

import httpx2


class ApiProblem(Exception):
    """The gateway refused: `status` is HTTP's, `code` stable, `fix` what to do about it.

    `retry_after_s` is after how many seconds it may be tried again, where the gateway said so.
    """

    def __init__(self, status: int, code: str, message: str, fix: str) -> None:
        super().__init__(f"{message} {fix}".strip())
        self.status = status
        self.code = code
        self.message = message
        self.fix = fix
        self.retry_after_s: float | None = None

    @classmethod
    def of(cls, answer: httpx2.Response) -> "ApiProblem":
        """What an answer tells, in either of the gateway's forms; its body has to be read."""
        body = _document(answer)
        plain = f"The gateway answered {answer.status_code} {answer.reason_phrase}."
        error = body.get("error")
        if isinstance(error, dict):
            told: dict[str, Any] = error
            message = str(told.get("message") or plain)
            problem = cls(answer.status_code, str(told.get("code") or ""), message, "")
        else:
            message = str(body.get("detail") or plain)
            fix = str(body.get("fix") or "")
            problem = cls(answer.status_code, str(body.get("code") or ""), message, fix)
        problem.retry_after_s = retry_after_s(answer)
        return problem


class GatewaySilent(Exception):
    """The gateway did not answer, however often it was asked."""


def retry_after_s(answer: httpx2.Response) -> float | None:
    """Seconds of Retry-After; None where there is none, or it is a date."""
    try:
        return max(0.0, float(answer.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None


def _document(answer: httpx2.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
