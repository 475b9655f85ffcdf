"""Daily maintenance: removes leftovers, embeds old cards again, thins device history."""

from prefect import flow, get_run_logger

from modelyard.flows.context import open_yard
from modelyard.registry.database import utc_now
from modelyard.registry.fleet.device_history import DeviceHistory

FLOW = "upkeep"


@flow(name=FLOW, persist_result=False)
def upkeep() -> None:
    """Sweep, renew cards, thin history; runs whose process is gone show as interrupted anyway."""
    log = get_run_logger()
    with open_yard() as context:
        for what in context.given_up.clear(utc_now()):
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
