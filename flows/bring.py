"""Have an order done from this process: at once where all is here, else by the Prefect flow."""

from dataclasses import asdict, dataclass
from typing import Any, cast

from rich.markup import escape

from flows import prefect_address
from flows.errors import Interrupted
from flows.order import Order
from flows.steps.choose import choose
from flows.steps.resolve import resolve
from flows.temporary_prefect import start_temporary_prefect
from flows.watch import watching
from flows.yard import Yard, open_yard
from registry.console import err
from registry.names import ModelRef, ModelVersion


@dataclass(frozen=True, slots=True)
class Brought:
    """The versions that were asked for; `new` where there was anything to do."""

    versions: list[ModelVersion]
    new: bool


def bring(order: Order) -> Brought:
    """Ingest, telling on standard error how it goes; needs no Prefect where all is here."""
    with open_yard() as yard:
        known = _known(yard, order)
        if known and not yard.recarder.is_behind(known):
            brought = Brought(known, new=False)
        else:
            found = [yard.catalog.find(ModelRef.parse(name)) for name in _run_flow(yard, order)]
            brought = Brought(found, new=not known)
        if problem := yard.aliases.tell(order.model):
            err.print(f"[yellow]Note:[/yellow] {escape(problem)}", highlight=False)
        return brought


def _known(yard: Yard, order: Order) -> list[ModelVersion] | None:
    snapshot = resolve(yard.settings.hub, order.repo, order.revision)
    choice = choose(snapshot, order.wish(yard.device_memory()))
    known = yard.known.versions(order.model, snapshot, choice, order.quantize)
    order.check_kept(known or ())
    return known


def _run_flow(yard: Yard, order: Order) -> list[str]:
    _find_prefect(yard)
    from flows.ingest import ingest

    try:
        with watching(yard.board, order.subject, err):
            return cast("list[str]", ingest(**_parameters(order)))
    except KeyboardInterrupt:
        raise Interrupted(
            "Interrupted. What was downloaded and built is kept.",
            fix="Run the same command again: it continues from there.",
        ) from None


def _find_prefect(yard: Yard) -> None:
    """Have Prefect in this process speak to a server: to one of our own where there is no other."""
    data_dir, settings = yard.registry.data_dir, yard.settings
    login = settings.prefect_auth.get_secret_value()
    server = prefect_address.find(settings.prefect_url, login, data_dir)
    if server is not None:
        prefect_address.prepare(server)
        prefect_address.confirm(server)
        return
    err.print("Starting a temporary Prefect server, about 15 s (`modelyard up` keeps one)…")
    home = data_dir / "run" / "prefect"
    prefect_address.prepare(start_temporary_prefect(home), home)


def _parameters(order: Order) -> dict[str, Any]:
    """The flow's parameters, in forms that Prefect can show and send."""
    return asdict(order) | {"quantize": list(order.quantize)}
