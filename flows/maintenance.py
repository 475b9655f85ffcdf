"""Daily maintenance: removes leftovers, embeds old cards again, thins device history."""

import time
from collections.abc import Callable
from pathlib import Path

from prefect import flow, get_run_logger
from prefect.runtime import flow_run as this_run

from modelyard.flows.context import FlowContext, open_context
from modelyard.flows.ingest.settling import settle
from modelyard.flows.runs.record import record_of
from modelyard.flows.upkeep.leftovers import FILES, PARTS, Leftovers
from modelyard.registry.database import utc_now
from modelyard.registry.errors import ModelyardError
from modelyard.registry.fleet.rollup import HistoryRollup
from modelyard.registry.settings import RegistrySettings, load

FLOW = "upkeep"
DAY_S = 24 * 3600.0


def _clear(context: FlowContext, told: Callable[[str], None]) -> None:
    """Remove leftovers, except what a later run may use or another installation may own."""
    leftovers = Leftovers(context, settle)
    try:
        found = leftovers.find()
    except ModelyardError as error:
        told(f"What belongs to nothing is looked for next time: {error}")
        return
    going = [each for each in found if not each.shared and each.kind not in {FILES, PARTS}]
    leftovers.clear(going)
    for each in going:
        told(f"Removed: {each.kind} {each.name}, {each.why}")


@flow(name=FLOW, persist_result=False)
def upkeep() -> None:
    """Settle dead runs, sweep, renew cards, thin history."""
    log = get_run_logger()
    with open_context() as context:
        record = record_of(context.registry.data_dir, this_run.get_id() or "")
        with record.held():
            for what in (*settle(context), *context.given_up.clear(utc_now())):
                log.info("%s", what)
            _clear(context, lambda sentence: log.info("%s", sentence))
            before = context.store.usage()
            context.store.sweep()
            after = context.store.usage()
            log.info("The store holds %d bytes, %d fewer.", after, before - after)
            problem = context.recarder.renew(
                lambda done, total: log.info("Cards: %d of %d", done, total)
            )
            if problem:
                log.warning("Cards are found by their words alone: %s", problem)
            fewer = HistoryRollup(context.db).run(utc_now())
            log.info("The devices' history has %d samples fewer.", fewer)
        record.forget()
        _mark(context.registry.data_dir).touch()


def is_overdue() -> bool:
    """Whether the last upkeep of this installation ended over a day ago; a new one has none due."""
    mark = _mark(load(RegistrySettings).data_dir)
    if not mark.exists():
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    return mark.stat().st_mtime < time.time() - DAY_S


def _mark(data_dir: Path) -> Path:
    """A file whose time says when upkeep last ended."""
    return data_dir / "run" / "upkeep"
