"""How the Hub says no: a status, a message, and the code its clients turn into an exception."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class Refusal(Exception):
    """An answer that is an error; `code` is the Hub's `X-Error-Code`, empty where it has none."""

    def __init__(self, status: int, message: str, code: str = "", commit: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.commit = commit

    @property
    def headers(self) -> dict[str, str]:
        named = {
            "X-Error-Code": self.code,
            "X-Error-Message": self.message,
            "X-Repo-Commit": self.commit,  # lets the client remember that the file is not there
        }
        return {name: value for name, value in named.items() if value}


def answer(_: Request, error: Exception) -> Response:
    """The HTTP form of a Refusal."""
    if not isinstance(error, Refusal):
        raise error
    return JSONResponse({"error": error.message}, error.status, error.headers)


def unknown_address(request: Request, _: Exception) -> Response:
    """An address we do not know is taken for a repository we do not have."""
    return answer(request, Refusal(404, "Repository not found", "RepoNotFound"))
