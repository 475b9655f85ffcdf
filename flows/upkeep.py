"""Housekeeping, once a day: leftovers leave, old cards are embedded anew, history is thinned."""

from prefect import flow, get_run_logger

from flows.yard import open_yard
from registry.database import utc_now
from registry.device_history import DeviceHistory

FLOW = "upkeep"


@flow(name=FLOW, persist_result=False)
def upkeep() -> None:
    """Sweep, renew cards, thin history; runs whose process is gone show as interrupted anyway."""
    log = get_run_logger()
    with open_yard() as yard:
        for what in yard.given_up.clear(utc_now()):
            log.info("%s", what)
        if untold := yard.aliases.tell():
            log.warning("%s", untold)
        before = yard.store.usage()
        yard.store.sweep()
        after = yard.store.usage()
        log.info("The store holds %d bytes, %d fewer.", after, before - after)
        problem = yard.recarder.renew(lambda done, total: log.info("Cards: %d of %d", done, total))
        if problem:
            log.warning("Cards are found by their words alone: %s", problem)
        fewer = DeviceHistory(yard.db).thin(utc_now())
        log.info("The devices' history has %d samples fewer.", fewer)
