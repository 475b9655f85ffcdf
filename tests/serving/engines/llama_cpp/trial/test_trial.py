"""The installed llama.cpp is tried on this processor: what dies or is wrong is named."""

import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.flows.steps.choose.quantizations import MAKEABLE
from modelyard.serving.engines.child.environment import child_environment
from modelyard.serving.engines.llama_cpp.trial.trial import (
    LOADING,
    MADE,
    TYPES,
    Trial,
    TrialImpossible,
    try_library,
)
from tests.models.broken_llama import AT_LOAD, BASE, KERNELS, RETURN, broken_llama

FEW = ("F16", "Q8_0", "Q4_K_M")


def lying_in(folder: Path) -> dict[str, str]:
    return {"LLAMA_CPP_LIB_PATH": str(folder)}


def test_everything_that_we_make_is_tried() -> None:
    """A quantization more in the flows is one more here."""
    assert set(MADE) == set(MAKEABLE)
    assert set(MADE) < set(TYPES)


def test_the_installed_one_works_here() -> None:
    """With every quantization; it says what it uses of the processor."""
    trial = try_library()
    assert trial.works, str(trial)
    assert trial.features


def test_what_dies_is_named_with_the_signal_and_the_rest_is_tried(tmp_path: Path) -> None:
    """An illegal instruction in the kernels of one type: only what contains that type fails."""
    broken = broken_llama(tmp_path / "lib", KERNELS.format("q4_K"))
    trial = try_library((*FEW, "Q4_K_S"), environment=lying_in(broken))
    assert trial.faults == {"Q4_K_M": "SIGILL", "Q4_K_S": "SIGILL"}
    assert str(trial) == "SIGILL with Q4_K_M, Q4_K_S"
    assert trial.features
    assert not trial.useless


def test_wrong_results_are_a_fault_too(tmp_path: Path) -> None:
    """A kernel that returns and has computed nothing kills nobody, and is found."""
    broken = broken_llama(tmp_path / "lib", KERNELS.format("q8_0"), RETURN)
    trial = try_library(FEW, environment=lying_in(broken))
    assert trial.faults == {"Q8_0": "wrong results"}


def test_a_quantizer_that_dies_is_found(tmp_path: Path) -> None:
    """Made, not only computed."""
    broken = broken_llama(tmp_path / "lib", "quantize_q8_0", library=BASE)
    assert try_library(FEW, environment=lying_in(broken)).faults == {"Q8_0": "SIGILL"}


def test_a_library_that_dies_when_it_is_loaded_fails_as_a_whole(tmp_path: Path) -> None:
    """As one built for another processor does, before anything is computed."""
    broken = broken_llama(tmp_path / "lib", AT_LOAD)
    trial = try_library(FEW, environment=lying_in(broken))
    assert trial.faults == {LOADING: "SIGILL"}
    assert trial.useless
    assert trial.fault_of("Q8_0") == "SIGILL"


def test_one_that_hangs_is_ended_and_named(tmp_path: Path) -> None:
    """A child that says nothing within its time fails, and no other is started."""
    trial = try_library(FEW, patience_s=0.01)
    assert [*trial.faults.values()] == ["no end within 0 s"]


def test_what_is_not_the_librarys_fault_is_none(tmp_path: Path) -> None:
    """A library that cannot be opened was not tried: another build would be no better."""
    with pytest.raises(TrialImpossible, match=r"llama.* not found"):
        try_library(FEW, environment=lying_in(tmp_path))


def test_a_mixture_fails_like_the_other_of_its_kind() -> None:
    """Of Q3_K three mixtures are published, one is tried."""
    trial = Trial({"Q3_K_M": "SIGILL"})
    assert trial.fault_of("Q3_K_S") == "SIGILL"
    assert trial.fault_of("Q4_K_S") is None


def test_it_runs_by_itself(tmp_path: Path) -> None:
    """Before anything is set up; exit code 1 where something fails."""
    command = [sys.executable, "-m", "modelyard.serving.engines.llama_cpp.trial.trial"]
    broken = broken_llama(tmp_path / "lib", AT_LOAD)
    surroundings = child_environment() | lying_in(broken)
    well = subprocess.run(command, env=child_environment(), capture_output=True, check=False)
    ill = subprocess.run(command, env=surroundings, capture_output=True, check=False)
    assert (well.returncode, ill.returncode) == (0, 1)
    assert b"SIGILL" in ill.stdout
