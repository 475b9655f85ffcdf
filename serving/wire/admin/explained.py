"""The reply of GET /api/v1/route/explain."""

from pydantic import BaseModel, ConfigDict


class CandidateShape(BaseModel):
    """One worker with its terms; times in seconds, `strain` how much slower it says to be."""

    model_config = ConfigDict(from_attributes=True)

    device_id: str
    feasible: bool
    reason: str
    state: str
    cached_tokens: int
    queue_s: float
    slot_s: float
    load_s: float
    prefill_s: float
    decode_s: float
    toll_s: float
    cost_s: float
    strain: float


class ExplanationShape(BaseModel):
    """Candidates; what each term weighs where it is not 1.

    cost_s = queue_s + slot_s + load_s + prefill_s + decode_weight * decode_s + toll_weight * toll_s
    """

    model_config = ConfigDict(from_attributes=True)

    version: str
    chosen: str | None
    prompt_tokens: int
    expected_output_tokens: float
    decode_weight: float
    toll_weight: float
    candidates: list[CandidateShape]
