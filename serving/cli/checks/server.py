"""One server that is asked over HTTP whether it takes a write from us."""

from collections.abc import Mapping
from dataclasses import dataclass

from modelyard.registry.logs.hidden import without_logins
from modelyard.serving.cli.checks.finding import Finding, fail, ok

PATIENCE_S = 3.0


@dataclass(frozen=True, slots=True)
class Write:
    """A request that makes something small, and the path at which a DELETE takes it away."""

    method: str
    path: str
    body: Mapping[str, object]
    undone_at: str


@dataclass(frozen=True, slots=True)
class Server:
    """A server's name, its address, and the settings that say address and login."""

    name: str
    url: str
    url_setting: str
    login_setting: str

    def written(self, write: Write, headers: Mapping[str, str]) -> Finding:
        """Whether it took the write; our own servers are asked without a proxy."""
        import httpx2

        base = self.url.rstrip("/")
        shown = without_logins(self.url)
        fix = f"Start it, or correct {self.url_setting}."
        try:
            with httpx2.Client(headers=headers, timeout=PATIENCE_S, trust_env=False) as client:
                answer = client.request(write.method, base + write.path, json=dict(write.body))
                client.delete(base + write.undone_at)
        except httpx2.HTTPError as error:
            return fail(self.name, f"{shown}: {error or type(error).__name__}", fix)
        if answer.status_code in {401, 403}:
            return fail(self.name, f"{shown} does not let us in", f"Set {self.login_setting}.")
        if not answer.is_success:
            found = f"{shown} answers {answer.status_code} to a write"
            return fail(self.name, found, f"See its log, or correct {self.url_setting}.")
        return ok(self.name, f"{shown} can be written")
