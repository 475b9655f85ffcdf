"""`modelyard models add` at a gateway elsewhere, whose flows' process carries it out."""

from collections.abc import Mapping
from typing import Any

from modelyard.registry.console import GatewayElsewhere, err, out, print_json
from modelyard.registry.errors import LocalOnly
from modelyard.registry.runs.orders_elsewhere import carried_out

SENT = (
    "repo",
    "revision",
    "file",
    "name",
    "private",
    "owner",
    "memory_gb",
    "allow_requantize",
)


def add_elsewhere(gateway: GatewayElsewhere, options: Mapping[str, Any]) -> None:
    """Order the ingest that the command's options describe, and follow its run to the end.

    Raises LocalOnly for a text to measure on, which the other machine does not have.
    """
    if options["eval_text"]:
        raise LocalOnly(
            "--eval-text names a file here, and MODELYARD_GATEWAY_URL names a gateway elsewhere.",
            fix="Leave it away: the bundled text is measured on.",
        )
    asked = {name: options[name] for name in SENT}
    asked["quantize"] = options["quantize"] or []
    if not options["as_json"]:
        err.print("The gateway's machine does it; Ctrl-C here does not end it.", style="dim")
    order = carried_out(gateway, "/api/v1/admin/ingests", asked, to_the_end=True)
    if options["as_json"]:
        print_json(order)
    else:
        out.print(order["run"]["message"], highlight=False, markup=False)
