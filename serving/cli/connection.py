"""How local commands reach the gateway: its address, a key, and errors that say what to do."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelyard.registry.errors import (
    ModelyardError,
    NotAuthenticated,
    NotPermitted,
    SettingsInvalid,
    UnknownModel,
)
from modelyard.registry.logs.hidden import without_logins
from modelyard.registry.running import RunningUp, read_running
from modelyard.registry.settings import RegistrySettings, load
from modelyard.serving.cli.settings import ClientSettings

if TYPE_CHECKING:
    import httpx2


class GatewayAway(ModelyardError):
    """Nothing answers at the gateway's address."""

    code = "gateway_unreachable"
    exit_code = 10


class GatewayRefused(ModelyardError):
    """The gateway answered with an error."""

    code = "gateway_refused"


class RequestUnfit(GatewayRefused):
    """The gateway does not take a value that was sent."""

    code = "invalid_value"
    exit_code = 2


class RequestConflicts(GatewayRefused):
    """What was asked for does not go with what is there."""

    code = "conflict"
    exit_code = 5


class GatewayLacks(GatewayRefused):
    """Something that the gateway needs for it is not there now."""

    code = "gateway_unavailable"
    exit_code = 10


_REFUSALS: Mapping[int, type[ModelyardError]] = {
    400: RequestUnfit,
    401: NotAuthenticated,
    403: NotPermitted,
    404: UnknownModel,
    409: RequestConflicts,
    503: GatewayLacks,
}
"""Errors by HTTP status: a command ends as it would on the gateway's own machine."""


@dataclass(frozen=True, slots=True)
class GatewayConnection:
    """A gateway and a key for it."""

    url: str
    key: str = field(repr=False)

    def ask(self, method: str, path: str, body: object = None, *, wait_s: float = 600.0) -> Any:
        """One request's JSON; raises what `check` does, and GatewayAway."""
        with self.client() as client:
            response = client.request(method, path, json=body, timeout=wait_s)
        check(response)
        try:
            return response.json() if response.content else None
        except ValueError:
            message, fix = _as_no_gateway(response)
            raise GatewayRefused(message, fix=fix) from None

    @contextmanager
    def client(self) -> Generator["httpx2.Client"]:
        """HTTP to the gateway; raises GatewayAway where nothing answers."""
        import httpx2

        headers = {"Authorization": f"Bearer {self.key}"}
        timeout = httpx2.Timeout(600.0, connect=5.0)
        # A proxy from the environment is for other addresses.
        with httpx2.Client(
            base_url=self.url, headers=headers, timeout=timeout, trust_env=False
        ) as client:
            try:
                yield client
            except httpx2.TransportError as error:
                raise GatewayAway(
                    f"The gateway at {self.url} does not answer ({error or type(error).__name__}).",
                    fix="Is it running? `modelyard up` or `modelyard gateway` starts one.",
                ) from None


def elsewhere() -> GatewayConnection | None:
    """The gateway of MODELYARD_GATEWAY_URL, unless settings name an installation here as well."""
    is_set = bool(load(ClientSettings).gateway_url)
    return find() if is_set and not has_installation() else None


def has_installation() -> bool:
    """Whether settings name an installation on this machine: its folder or its database."""
    return bool({"data_dir", "database_url"} & load(RegistrySettings).model_fields_set)


def find() -> GatewayConnection:
    """From the settings, else from the running `up`; raises SettingsInvalid where neither says."""
    settings = load(ClientSettings)
    running = read_running(load(RegistrySettings).data_dir) or RunningUp()
    url = settings.gateway_url or running.gateway_url
    if not url:
        raise SettingsInvalid(
            "No gateway is known here.",
            fix="Start one with `modelyard up`; or set MODELYARD_GATEWAY_URL and _API_KEY.",
        )
    same = running.gateway_url.rstrip("/") == url.rstrip("/")
    key = settings.api_key.get_secret_value() or (running.admin_key if same else "")
    if not key:
        raise SettingsInvalid(
            f"There is no key for the gateway at {url}.",
            fix="Set MODELYARD_API_KEY; `modelyard keys create` makes a key.",
        )
    return GatewayConnection(url, key)


def check(response: "httpx2.Response") -> None:
    """Raise the error that an answer tells of; its body has to be read."""
    if response.is_success:
        return
    message, fix = _told(response)
    raise refusal(response.status_code, message, fix)


def refusal(status: int, message: str, fix: str) -> ModelyardError:
    """The error of a command that the gateway refuses with an HTTP status."""
    return _REFUSALS.get(status, GatewayRefused)(message, fix=fix)


def _told(response: "httpx2.Response") -> tuple[str, str]:
    """Message and fix, from either of the gateway's error forms."""
    try:
        body: Any = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return _as_no_gateway(response)
    error = body.get("error")
    if isinstance(error, dict):
        return str(error.get("message", "")), ""
    if "detail" in body:
        return str(body["detail"]), str(body.get("fix", ""))
    return _as_no_gateway(response)


def _as_no_gateway(response: "httpx2.Response") -> tuple[str, str]:
    """Message and fix where something else answers, such as another server at that port."""
    where = without_logins(str(response.url.copy_with(path="/", query=None)))
    return (
        f"{where} answered {response.status_code} {response.reason_phrase}, as no gateway does.",
        "Check the address: `modelyard status` shows it where the gateway runs.",
    )
