"""The Prefect deployments that requests may start, as the flows' process last saw them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select

from modelyard.registry.database import Database
from modelyard.registry.errors import FlowsAway, ParametersUnfit, UnknownDeployment
from modelyard.registry.runs.flow_processes import FlowProcesses
from modelyard.registry.runs.tables import ServedFlowRow

MOST_NAMES = 20
"""Names that an error lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedFlow:
    """A deployment of a name; `parameters` are the names of those that it takes.

    Those of `required` have no default. `takes_any` says that it takes others too.
    """

    name: str
    flow: str
    deployment_id: str
    parameters: tuple[str, ...]
    required: tuple[str, ...]
    takes_any: bool = False

    def check(self, given: Mapping[str, Any]) -> None:
        """Raises ParametersUnfit, which names what is unknown or missing; Prefect checks types."""
        unknown = [] if self.takes_any else sorted(given.keys() - set(self.parameters))
        if unknown:
            raise ParametersUnfit(
                f"payload: the deployment '{self.name}' has no parameter {_listed(unknown)}.",
                fix=f"It takes: {_listed(self.parameters) or 'none'}.",
            )
        if missing := [name for name in self.required if name not in given]:
            raise ParametersUnfit(
                f"payload: the deployment '{self.name}' needs {_listed(missing)}.",
                fix=f"It takes: {_listed(self.parameters)}.",
            )


@dataclass(frozen=True, slots=True)
class ServedFlows:
    """The table of them."""

    db: Database

    def of(self, name: str) -> ServedFlow:
        """The deployment that runs jobs of that type, such as `training`.

        Raises UnknownDeployment, which lists those there are, and FlowsAway where no process is
        there that would start it.
        """
        with self.db.read() as session:
            row = session.get(ServedFlowRow, name)
            known = list(session.scalars(select(ServedFlowRow.name).order_by(ServedFlowRow.name)))
        if not FlowProcesses(self.db).is_served():
            raise FlowsAway(
                "No process serves the flows: nothing would be done about it.",
                fix="Start `modelyard up`, or `modelyard flows` where its Prefect server is.",
            )
        if row is None:
            raise UnknownDeployment(
                f"type: no Prefect deployment is named '{name[:50]}'.",
                fix=f"There is: {_listed(known)}." if known else "There is none yet: deploy one.",
            )
        return _served(row)

    def list(self) -> list[ServedFlow]:
        """By name."""
        with self.db.read() as session:
            rows = session.scalars(select(ServedFlowRow).order_by(ServedFlowRow.name))
            return [_served(row) for row in rows]

    def replace(self, served: Sequence[ServedFlow]) -> None:
        """Write down those that there are now; all others are gone."""
        with self.db.begin() as session:
            names = [flow.name for flow in served]
            session.execute(delete(ServedFlowRow).where(ServedFlowRow.name.not_in(names)))
            for flow in served:
                session.merge(
                    ServedFlowRow(
                        name=flow.name,
                        flow=flow.flow[:200],
                        deployment_id=flow.deployment_id,
                        parameters=list(flow.parameters),
                        required=list(flow.required),
                        takes_any=flow.takes_any,
                    )
                )


def _served(row: ServedFlowRow) -> ServedFlow:
    return ServedFlow(
        name=row.name,
        flow=row.flow,
        deployment_id=row.deployment_id,
        parameters=tuple(row.parameters),
        required=tuple(row.required),
        takes_any=row.takes_any,
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name[:50]}'" for name in names[:MOST_NAMES])
    more = len(names) - MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown
