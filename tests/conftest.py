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
