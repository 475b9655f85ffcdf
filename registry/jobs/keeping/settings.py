"""Settings of the queue on which all that take jobs from it must agree."""

from pydantic import Field

from modelyard.registry.settings import Section


class QueueSettings(Section):
    """How long a process that says nothing keeps a job, and how long ended ones are kept."""

    request_lease_s: float = Field(
        default=30.0,
        ge=1,
        le=600,
        description="Seconds without a sign of life of the process that has a queued request in "
        "hand, until another may take it.",
    )
    requests_days: float = Field(
        default=30.0,
        gt=0,
        le=3650,
        description="Days after its end for which a queued request, its body and its result are "
        "kept.",
    )
