"""Fixtures that several test files share."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def real_clips() -> Path:
    """The folder of real clips that LABKIT_CLIPS names."""
    folder = os.environ.get("LABKIT_CLIPS")
    if not folder:
        pytest.skip("needs LABKIT_CLIPS: a folder of real clips")
    return Path(folder)


@pytest.fixture(scope="session", autouse=True)
def lab_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of the tests' own: no cache or clip of the user's helps a test to pass, none is touched."""
    home = tmp_path_factory.mktemp("labkit-home")
    os.environ["LABKIT_HOME"] = str(home)
    return home
