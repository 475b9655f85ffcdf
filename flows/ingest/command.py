"""Runs an ingest request: at once if everything is already here, else through the Prefect flow."""

from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from rich.markup import escape

from modelyard.flows.context import FlowContext, open_context
from modelyard.flows.errors import HubOffline, Interrupted, RunCancelled
from modelyard.flows.ingest.offline import registered_offline
from modelyard.flows.ingest.request import IngestRequest
from modelyard.flows.ingest.run import FLOW
from modelyard.flows.ingest.watch import watching
from modelyard.flows.prefect import address
from modelyard.flows.prefect.temporary import start_temporary_prefect
from modelyard.flows.steps.choose.choose import choose
from modelyard.flows.steps.hub.resolve import check_access, resolve
from modelyard.registry.catalog.model import ModelRef, ModelVersion
from modelyard.registry.console import err
from modelyard.registry.errors import ModelyardError


@dataclass(frozen=True, slots=True)
class IngestResult:
    """The requested versions; `new` is True if there was anything to do."""

    versions: list[ModelVersion]
    new: bool


def run_ingest(request: IngestRequest) -> IngestResult:
    """Ingest with progress on standard error; needs no Prefect if everything is already here."""
    with open_context() as context:
        try:
            known = _known(context, request)
        except HubOffline as error:
            return IngestResult(_known_offline(context, request, error), new=False)
        except ModelyardError as error:
            context.board.refuse(
                FLOW,
                request.subject,
                str(error),
                visibility=request.visibility,
                owner_id=request.owner_id,
            )
            raise
        if known and not context.recarder.is_behind(known):
            result = IngestResult(known, new=False)
        else:
            found = [
                context.catalog.find(ModelRef.parse(name)) for name in _run_flow(context, request)
            ]
            result = IngestResult(found, new=not known)
        if problem := context.aliases.tell(result.versions[0].model):
            err.print(f"[yellow]Note:[/yellow] {escape(problem)}", highlight=False)
        return result


def _known(context: FlowContext, request: IngestRequest) -> list[ModelVersion] | None:
    hub = replace(context.settings.hub, waiting=_waiting)
    snapshot = resolve(hub, request.repo, request.revision)
    request = request.called(snapshot.repo)
    choice = choose(snapshot, request.wish(context.device_memory()))
    check_access(hub, snapshot, choice.model.parts[0])
    known = context.known.versions(request.model, snapshot, choice, request.quantize)
    request.check_kept(known or ())
    return known


def _waiting(seconds: float) -> AbstractContextManager[object]:
    return err.status(f"The Hub asks to wait {seconds:.0f} s: its limit of requests is reached.")


def _known_offline(
    context: FlowContext, request: IngestRequest, error: HubOffline
) -> list[ModelVersion]:
    """What is registered of it; raises `error` where the Hub would have to be asked."""
    known = registered_offline(context.catalog, request)
    if known is None:
        raise error
    request.check_kept(known)
    err.print("HF_HUB_OFFLINE is set: nobody asked the Hub whether there is a newer one.")
    return known


def _run_flow(context: FlowContext, request: IngestRequest) -> list[str]:
    _find_prefect(context)
    from prefect.exceptions import Abort, TerminationSignal

    from modelyard.flows.ingest.flow import ingest
    from modelyard.flows.ingest.settling import settle

    settle(context)
    try:
        with watching(context.board, request.subject, err):
            return cast("list[str]", ingest(**_parameters(request)))
    except (KeyboardInterrupt, TerminationSignal):
        raise Interrupted(
            "Interrupted. What was downloaded and built is kept.",
            fix="Run the same command again: it continues from there.",
        ) from None
    except Abort as error:
        raise RunCancelled(str(error)) from None


def _find_prefect(context: FlowContext) -> None:
    """Point Prefect in this process at a server, starting a temporary one if there is none."""
    data_dir = context.registry.data_dir
    settings = context.settings
    login = settings.prefect_auth.get_secret_value()
    server = address.find(settings.prefect_url, login, data_dir)
    if server is not None:
        address.prepare(server)
        address.confirm(server)
        return
    err.print("Starting a temporary Prefect server, about 15 s (`modelyard up` keeps one)…")
    home = data_dir / "run" / "prefect"
    address.prepare(start_temporary_prefect(home), home)


def _parameters(request: IngestRequest) -> dict[str, Any]:
    """The flow's parameters, in types that Prefect can display and send."""
    return asdict(request) | {"quantize": list(request.quantize)}
