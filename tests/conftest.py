"""Fixtures that several test files share."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from labkit.campaign import Campaign


@pytest.fixture
def real_clips() -> Path:
    """The folder of real clips that LABKIT_CLIPS names."""
    folder = os.environ.get("LABKIT_CLIPS")
    if not folder:
        pytest.skip("needs LABKIT_CLIPS: a folder of real clips")
    return Path(folder)


@pytest.fixture(autouse=True)
def usual_scheduling() -> Iterator[None]:
    """No test leaves its process at another priority: whatever is started later would inherit it."""
    before = os.sched_getscheduler(0)
    yield
    assert os.sched_getscheduler(0) == before


@pytest.fixture(scope="session", autouse=True)
def lab_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of the tests' own: no cache or clip of the user's helps a test to pass, none is touched."""
    home = tmp_path_factory.mktemp("labkit-home")
    os.environ["LABKIT_HOME"] = str(home)
    return home


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory, lab_home: Path) -> Path:
    """The folder of a recorded campaign with each outcome, for tests of what people see."""
    from tiny_campaign import make  # seconds that other tests need not spend

    return make(tmp_path_factory.getbasetemp() / "lived")


@pytest.fixture
def campaign(lived: Path) -> "Iterator[Campaign]":
    from tiny_campaign import reopened

    with reopened(lived) as campaign:
        yield campaign
