"""Daily maintenance: removes leftovers, embeds old cards again, thins device history."""

from prefect import flow, get_run_logger
from prefect.runtime import flow_run as this_run

from modelyard.flows.context import open_yard
from modelyard.flows.runs.record import record_of
from modelyard.flows.runs.settling import settle
from modelyard.registry.database import utc_now
from modelyard.registry.fleet.device_history import DeviceHistory

FLOW = "upkeep"


@flow(name=FLOW, persist_result=False)
def upkeep() -> None:
    """Settle dead runs, sweep, renew cards, thin history."""
    log = get_run_logger()
    with open_yard() as context:
        record = record_of(context.registry.data_dir, this_run.get_id() or "")
        with record.held():
            for what in (*settle(context), *context.given_up.clear(utc_now())):
                log.info("%s", what)
            if untold := context.aliases.tell():
                log.warning("%s", untold)
            before = context.store.usage()
            context.store.sweep()
            after = context.store.usage()
            log.info("The store holds %d bytes, %d fewer.", after, before - after)
            problem = context.recarder.renew(
                lambda done, total: log.info("Cards: %d of %d", done, total)
            )
            if problem:
                log.warning("Cards are found by their words alone: %s", problem)
            fewer = DeviceHistory(context.db).thin(utc_now())
            log.info("The devices' history has %d samples fewer.", fewer)
        record.forget()
