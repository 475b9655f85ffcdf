"""Set-up goes from build to build until llama.cpp computes rightly on this processor."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from modelyard.deployments.ladder import BuildFailed, Ladder
from modelyard.deployments.llama_builds import Compiling, builds_for
from modelyard.serving.engines.llama_cpp.trial.build_record import Built, read_built
from modelyard.serving.engines.llama_cpp.trial.processor import Processor
from modelyard.serving.engines.llama_cpp.trial.trial import Trial, try_library
from tests.models.broken_llama import KERNELS, broken_llama

PROCESSOR = Processor("x86_64", frozenset({"avx", "avx2", "avx512f", "amx_int8"}))
FIRST, NO_AMX, NO_AVX512, ANY_AVX2, LAST = (build.name for build in builds_for(PROCESSOR, ""))
FOUND = "as it was found"


@pytest.fixture(scope="module")
def dying(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return broken_llama(tmp_path_factory.mktemp("dying") / "lib", KERNELS.format("q4_K"))


@dataclass(slots=True)
class Place:
    """An environment, and an installer that compiles nothing: a build is a library made before.

    The builds of these names are `broken`, those do not compile (`impossible`), all others are the
    installed library.
    """

    folder: Path
    dying: Path
    broken: set[str] = field(default_factory=set[str])
    impossible: set[str] = field(default_factory=set[str])
    installed: list[str] = field(default_factory=list[str])
    said: list[str] = field(default_factory=list[str])

    def install(self, built: Built | None) -> None:
        name = built.name if built else FOUND
        if name in self.impossible:
            raise BuildFailed
        self.installed.append(name)

    def trial(self) -> Trial:
        broken = self.installed[-1] in self.broken
        environment = {"LLAMA_CPP_LIB_PATH": str(self.dying)} if broken else {}
        return try_library(("F16", "Q4_K_M"), environment=environment)

    def ladder(
        self, cmake_args: str = "", *, processor: Processor = PROCESSOR, version: str = "1"
    ) -> Ladder:
        compiling = Compiling(processor, version, {"CMAKE_ARGS": cmake_args})
        return Ladder(self.folder, compiling, self.install, self.trial, self.said.append)

    def set_up(self, installed: str = "") -> Trial:
        ladder = self.ladder()
        ladder.begin(installed)
        return ladder.settle()

    @property
    def built(self) -> Built | None:
        return read_built(self.folder)


@pytest.fixture
def place(tmp_path: Path, dying: Path) -> Callable[..., Place]:
    def made(*broken: str) -> Place:
        return Place(tmp_path, dying, set(broken))

    return made


def test_the_first_build_that_works_is_the_one(place: Callable[..., Place]) -> None:
    """Nothing is said, nothing else is built."""
    here = place()
    assert here.set_up().works
    assert (here.installed, here.said) == ([FIRST], [])
    assert here.built
    assert (here.built.name, here.built.because) == (FIRST, "")


def test_a_build_that_fails_its_trial_is_followed_by_the_next(place: Callable[..., Place]) -> None:
    """What failed is said, and noted with the build that is used now."""
    here = place(FIRST, NO_AMX)
    assert here.set_up().works
    assert here.installed == [FIRST, NO_AMX, NO_AVX512]
    assert here.said == [
        "llama.cpp fails on this processor: SIGILL with Q4_K_M.",
        f"It is built once more, {NO_AMX}, which takes some minutes.",
        "llama.cpp fails on this processor: SIGILL with Q4_K_M.",
        f"It is built once more, {NO_AVX512}, which takes some minutes.",
        f"llama.cpp works on this processor, built {NO_AVX512}.",
    ]
    assert here.built
    assert str(here.built) == f"{NO_AVX512}, because the one before failed: SIGILL with Q4_K_M"


def test_what_was_found_once_is_built_no_more(place: Callable[..., Place]) -> None:
    """The next set-up begins with the build that worked; a new version begins at the first."""
    here = place(FIRST)
    here.set_up()
    here.installed.clear()
    assert here.set_up().works
    assert here.installed == [NO_AMX]
    here.broken.clear()
    here.ladder(version="2").begin("1")
    assert here.installed == [NO_AMX, FIRST]


def test_an_environment_from_another_machine_is_found_out(place: Callable[..., Place]) -> None:
    """Its library stays while it works; where it fails, this processor's builds begin."""
    here = place()
    here.set_up()
    newer = Processor("x86_64", frozenset({"avx", "avx2"}))
    moved = here.ladder(processor=newer)
    assert moved.settle().works
    assert here.installed == [FIRST]
    here.installed.append(FOUND)  # the same library, on this processor
    here.broken = {FOUND}
    assert moved.settle().works
    assert here.installed[-1] == FIRST
    assert here.built
    assert here.built.processor == newer.identity


def test_somebody_elses_library_stays_as_long_as_it_works(place: Callable[..., Place]) -> None:
    """One that is there without a note of ours, as in an environment of before."""
    here = place()
    assert here.set_up("1").works
    assert here.installed == [FOUND]
    assert here.built is None
    here.broken = {FOUND}
    assert here.set_up("1").works
    assert here.installed == [FOUND, FOUND, FIRST]


def test_somebody_elses_library_of_another_version_goes(place: Callable[..., Place]) -> None:
    """What has to be built anyway is built as we build it."""
    here = place()
    assert here.set_up("0").works
    assert here.installed == [FIRST]


def test_other_arguments_are_another_build(place: Callable[..., Place]) -> None:
    """Who asks for CUDA later gets it; who says nothing keeps it, also in a reduced build."""
    here = place()
    here.set_up()
    with_cuda = here.ladder("-DGGML_CUDA=on")
    assert with_cuda.lacks("1")
    with_cuda.begin("1")
    assert not here.ladder().lacks("1")
    assert here.ladder().lacks("")
    here.broken = {FIRST}
    assert here.ladder().settle().works
    assert here.built
    assert (here.built.name, here.built.cmake_args) == (NO_AMX, "-DGGML_CUDA=on")


def test_a_build_that_does_not_compile_is_passed_over(place: Callable[..., Place]) -> None:
    """The next may; but where the first does not, set-up ends."""
    here = place(FIRST)
    here.impossible = {NO_AMX}
    assert here.set_up().works
    assert here.installed == [FIRST, NO_AVX512]
    other = place()
    other.impossible = {NO_AVX512}
    with pytest.raises(BuildFailed):
        other.set_up()


def test_where_none_works_the_last_stays_and_nothing_is_built_again(
    place: Callable[..., Place],
) -> None:
    """What still fails is what the trial says."""
    here = place(FIRST, NO_AMX, NO_AVX512, ANY_AVX2, LAST)
    assert here.set_up().faults == {"Q4_K_M": "SIGILL"}
    assert here.installed[-1] == LAST
    count = len(here.installed)
    assert not here.ladder().settle().works
    assert len(here.installed) == count
