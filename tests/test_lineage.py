"""Lineage on real git repositories: file, commit with trailers, tag; whatever crashed, and whatever the user set up."""

import os
import subprocess
from pathlib import Path

import pytest

from labkit.candidate import Candidate
from labkit.errors import LineageError
from labkit.lineage import AUTHOR, Lineage

SOURCE = 'def compress_video_frame(frame, frame_index, config):\n    return b""\n'
FIRST = Candidate(SOURCE, "offline proposer (no LLM)", "Predict from the frame before")
SECOND = Candidate(SOURCE + "# better\n", "offline proposer (no LLM)", "Code the rest with fewer bits", FIRST.hash)
TRAILERS = {
    "Generation": "4",
    "Candidate": FIRST.hash,
    "Proposer": "offline proposer (no LLM)",
    "BD-rate-champion": "-12.34 %",
    "BD-rate-x265-medium": "none",
    "Isolation": "none",
}


@pytest.fixture(autouse=True)
def no_settings_of_this_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "runs" / "demo"
    path.mkdir(parents=True)
    return path


def git(folder: Path, *args: str, text: str = "") -> str:
    done = subprocess.run(["git", *args], cwd=folder, input=text.encode(), capture_output=True, check=True)
    return done.stdout.decode().strip()


def bare(path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(path)], check=True)
    return path


def stands(folder: Path, version: int, candidate: Candidate) -> None:
    """Assert that file, commit and tag of a version stand, byte for byte."""
    name = f"versions/v{version}.py"
    assert (folder / name).read_bytes() == candidate.source.encode()
    blob = subprocess.run(["git", "show", f"refs/tags/v{version}:{name}"], cwd=folder, capture_output=True, check=True)
    assert blob.stdout == candidate.source.encode()
    assert git(folder, "status", "--porcelain", "--", "versions") == ""
    assert git(folder, "merge-base", "--is-ancestor", f"v{version}", "main") == ""


def test_a_version_is_a_file_a_commit_with_trailers_and_a_tag(folder: Path) -> None:
    lineage = Lineage(folder)
    lineage.adopt(3, FIRST, TRAILERS)
    assert lineage.path(3) == folder / "versions" / "v3.py"
    stands(folder, 3, FIRST)
    assert git(folder, "tag") == "v3"
    assert git(folder, "log", "--format=%s|%an|%ae", "main") == f"v3: {FIRST.hypothesis}|labkit|labkit@localhost"
    message = git(folder, "log", "-1", "--format=%B")
    told = git(folder, "interpret-trailers", "--parse", text=message).splitlines()
    assert dict(line.split(": ", 1) for line in told) == TRAILERS
    assert git(folder, "log", "-1", "--format=%(trailers:key=BD-rate-champion,valueonly)") == "-12.34 %"


def test_the_author_is_the_lab_whoever_the_user_is_to_git(folder: Path) -> None:
    settings = "".join(f"[{who}]\n\tname = Ann\n\temail = ann@example.org\n" for who in ("user", "author", "committer"))
    (Path(os.environ["HOME"]) / ".gitconfig").write_text(settings)
    lineage = Lineage(folder)
    lineage.adopt(1, FIRST, TRAILERS)
    assert lineage.written_by(1) == {AUTHOR}


def test_versions_follow_each_other_and_nothing_is_done_twice(folder: Path) -> None:
    lineage = Lineage(folder)
    for _ in range(3):
        lineage.adopt(0, FIRST, TRAILERS)
        lineage.adopt(1, SECOND, TRAILERS)
    stands(folder, 0, FIRST)
    stands(folder, 1, SECOND)
    assert git(folder, "rev-list", "--count", "main") == "2"
    assert git(folder, "rev-parse", "v1^") == git(folder, "rev-parse", "v0")


def test_an_identical_text_may_become_a_version_again(folder: Path) -> None:
    for version in (0, 1):
        Lineage(folder).adopt(version, FIRST, TRAILERS)
    stands(folder, 1, FIRST)
    assert git(folder, "rev-list", "--count", "main") == "2"


def test_other_files_of_the_campaign_are_not_committed(folder: Path) -> None:
    (folder / "ledger.sqlite").write_text("large")
    Lineage(folder).adopt(0, FIRST, TRAILERS)
    assert git(folder, "ls-tree", "-r", "--name-only", "main") == "versions/v0.py"


# --- crashes -----------------------------------------------------------------------------------------

STEPS = ("folder", "init", "half a file", "file", "add", "commit", "tag")


@pytest.mark.parametrize("last", STEPS)
def test_it_goes_on_after_a_crash(folder: Path, last: str) -> None:
    Lineage(folder).adopt(0, FIRST, TRAILERS)
    crash_after(folder, STEPS.index(last))
    Lineage(folder).adopt(1, SECOND, TRAILERS)
    stands(folder, 0, FIRST)
    stands(folder, 1, SECOND)
    assert git(folder, "rev-list", "--count", "main") == "2"


def crash_after(folder: Path, step: int) -> None:
    """Do what adopting v1 would have done up to a step of STEPS."""
    path = folder / "versions" / "v1.py"
    if step >= STEPS.index("half a file"):
        path.write_bytes(SECOND.source.encode()[:20])
    if step >= STEPS.index("file"):
        path.write_bytes(SECOND.source.encode())
    if step >= STEPS.index("add"):
        git(folder, "add", "--force", "versions/v1.py")
    if step >= STEPS.index("commit"):
        git(folder, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-m", "v1: by hand")
    if step >= STEPS.index("tag"):
        git(folder, "tag", "v1")


@pytest.mark.parametrize("left", [(), ("HEAD",), ("HEAD", "objects", "refs", "config")])
def test_a_repository_that_was_cut_short_is_mended_and_none_around_it_is_touched(
    tmp_path: Path, folder: Path, left: tuple[str, ...]
) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")  # the checkout that runs/ lies in
    git(folder, "init", "--quiet", "--initial-branch=main")
    for path in (folder / ".git").iterdir():
        if path.name not in left:
            subprocess.run(["rm", "-r", str(path)], check=True)
    Lineage(folder).adopt(0, FIRST, TRAILERS)
    stands(folder, 0, FIRST)
    assert git(tmp_path, "for-each-ref") == ""
    assert not (tmp_path / ".git" / "index").exists()


def test_a_file_that_was_deleted_comes_back(folder: Path) -> None:
    lineage = Lineage(folder)
    lineage.adopt(0, FIRST, TRAILERS)
    lineage.path(0).unlink()
    lineage.adopt(0, FIRST, TRAILERS)
    stands(folder, 0, FIRST)


def test_a_tag_with_another_text_is_refused(folder: Path) -> None:
    lineage = Lineage(folder)
    lineage.adopt(0, FIRST, TRAILERS)
    with pytest.raises(LineageError, match="tag v0 holds another text than the ledger"):
        lineage.adopt(0, SECOND, TRAILERS)
    stands(folder, 0, FIRST)


def test_a_tag_without_the_file_is_refused(folder: Path) -> None:
    lineage = Lineage(folder)
    lineage.adopt(0, FIRST, TRAILERS)
    git(folder, "tag", "v1", "v0")
    with pytest.raises(LineageError, match="git show failed"):
        lineage.adopt(1, SECOND, TRAILERS)


# --- texts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [
    "a = 1\r\nb = 2\r\n", "a = 1\rb = 2\r", "mixed\r\nends\nof\rlines", "# ünïcödé 日本 \U0001f3a5\n", "no = 'newline'",
    "", "\n\n\n", "  spaces around  \n  ", "\ufeff# a byte order mark\n", "tab\t\x0c\x1b[31m\0nul\n", "$Id$\n",
])  # fmt: skip
@pytest.mark.parametrize("autocrlf", ["true", "input"])
def test_every_text_comes_back_byte_for_byte(folder: Path, source: str, autocrlf: str) -> None:
    home = Path(os.environ["HOME"])
    (home / ".gitconfig").write_text(f"[core]\n\tautocrlf = {autocrlf}\n\tsafecrlf = true\n")
    (home / ".config" / "git").mkdir(parents=True)
    (home / ".config" / "git" / "attributes").write_text("*.py text=auto eol=lf ident\n")
    candidate = Candidate(source, "someone", "odd text")
    for _ in range(2):
        Lineage(folder).adopt(0, candidate, TRAILERS)
    assert (folder / "versions" / "v0.py").read_bytes() == source.encode()
    (home / ".gitconfig").unlink()
    blob = subprocess.run(["git", "show", "v0:versions/v0.py"], cwd=folder, capture_output=True, check=True)
    assert blob.stdout == source.encode()


@pytest.mark.parametrize("hypothesis", [
    "one\n\nCandidate: 0000\nGeneration: 99\n", "", "--amend", "# not a comment", "a\0b", "\ud800", "ü" * 300_000, "\n",
])  # fmt: skip
def test_no_hypothesis_forges_a_trailer_or_stops_a_commit(folder: Path, hypothesis: str) -> None:
    Lineage(folder).adopt(0, Candidate(SOURCE, "someone", hypothesis), {**TRAILERS, "Proposer": "two\nlines: 1"})
    message = git(folder, "log", "-1", "--format=%B")
    assert message.startswith("v0:")
    told = git(folder, "interpret-trailers", "--parse", text=message).splitlines()
    assert dict(line.split(": ", 1) for line in told) == {**TRAILERS, "Proposer": "two lines: 1"}


def test_rejected_sources_stand_beside_their_reasons(folder: Path) -> None:
    candidate = Candidate("x = '\ud800'\r\n", "someone", "an idea \udfff")
    Lineage(folder).keep_rejected(7, candidate, ("got worse: +3.00 %", "and a block too \ud800"))
    assert (folder / "rejected" / "0007.py").read_bytes() == b"x = '?'\r\n"
    told = (folder / "rejected" / "0007.txt").read_text()
    assert told == "an idea \\udfff\ngot worse: +3.00 %\nand a block too \\ud800\n"


# --- what the user has set up ------------------------------------------------------------------------


def test_the_environment_of_a_hook_lends_no_repository(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    for name, value in {
        "GIT_DIR": str(other / ".git"), "GIT_WORK_TREE": str(other), "GIT_INDEX_FILE": str(other / "index"),
        "GIT_AUTHOR_NAME": "somebody else", "GIT_OBJECT_DIRECTORY": str(other / ".git" / "objects"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    Lineage(folder).adopt(0, FIRST, TRAILERS)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_AUTHOR_NAME", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.delenv(name)
    stands(folder, 0, FIRST)
    assert git(folder, "log", "--format=%an") == "labkit"
    assert git(other, "for-each-ref") == ""
    assert not (other / "index").exists()


def test_hooks_signatures_and_templates_of_the_user_do_no_harm(tmp_path: Path, folder: Path) -> None:
    home, marker = Path(os.environ["HOME"]), tmp_path / "hook ran"
    for hooks in (home / "hooks", home / "template" / "hooks"):
        hooks.mkdir(parents=True)
        for name in ("pre-commit", "commit-msg", "prepare-commit-msg", "post-commit", "reference-transaction"):
            (hooks / name).write_text(f"#!/bin/sh\ntouch '{marker}'\nexit 1\n")
            (hooks / name).chmod(0o755)
    (home / ".gitignore").write_text("*.py\nversions/\n")
    (home / ".gitconfig").write_text(
        f"[core]\n\thooksPath = {home / 'hooks'}\n\texcludesFile = {home / '.gitignore'}\n"
        f"[init]\n\ttemplateDir = {home / 'template'}\n\tdefaultBranch = trunk\n"
        "[commit]\n\tgpgSign = true\n[tag]\n\tgpgSign = true\n\tforceSignAnnotated = true\n"
        "[gpg]\n\tprogram = /bin/false\n[user]\n\tuseConfigOnly = true\n[i18n]\n\tcommitEncoding = latin1\n"
    )
    Lineage(folder).adopt(0, FIRST, TRAILERS)
    assert not marker.exists()
    # positive control: the same hook stops a commit that labkit does not make
    (folder / "new.txt").write_text("x")
    git(folder, "add", "--force", "new.txt")
    with pytest.raises(subprocess.CalledProcessError):
        git(folder, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "--no-gpg-sign", "-m", "x")
    assert marker.exists()
    (home / ".gitconfig").unlink()
    git(folder, "-c", "core.hooksPath=/dev/null", "reset", "--quiet", "--hard", "v0")
    stands(folder, 0, FIRST)


def test_a_folder_of_another_user_is_written_like_any_other(folder: Path) -> None:
    # as in a container whose volume belongs to the user outside: git would call its owner dubious
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    Lineage(folder).adopt(0, FIRST, TRAILERS)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65534, 65534)
    with pytest.raises(subprocess.CalledProcessError):
        git(folder, "log")  # positive control
    Lineage(folder).adopt(1, SECOND, TRAILERS)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 0, 0)
    stands(folder, 1, SECOND)


# --- remotes -----------------------------------------------------------------------------------------


def test_versions_are_pushed_to_the_remote_that_the_user_names(tmp_path: Path, folder: Path) -> None:
    remote = bare(tmp_path / "shared.git")
    lineage = Lineage(folder, str(remote))
    lineage.adopt(0, FIRST, TRAILERS)
    assert git(remote, "rev-parse", "main", "v0").split() == [git(folder, "rev-parse", "v0")] * 2
    lineage.adopt(1, SECOND, TRAILERS)
    assert git(remote, "show", "v1:versions/v1.py") == SECOND.source.strip()
    assert git(remote, "rev-parse", "main") == git(folder, "rev-parse", "main")


def test_without_a_remote_nothing_is_pushed(tmp_path: Path, folder: Path) -> None:
    remote = bare(tmp_path / "shared.git")
    Lineage(folder, "").adopt(0, FIRST, TRAILERS)
    git(folder, "remote", "add", "origin", str(remote))
    Lineage(folder, "").adopt(1, SECOND, TRAILERS)
    assert git(remote, "for-each-ref") == ""


@pytest.mark.parametrize("name", ["no/such/place.git", "nobody", "file:///no/such/place.git", "--all"])
def test_a_remote_that_does_not_exist_is_named_and_the_version_stands(folder: Path, name: str) -> None:
    with pytest.raises(LineageError) as caught:
        Lineage(folder, name).adopt(0, FIRST, TRAILERS)
    assert repr(name) in str(caught.value)
    assert "version 0 stands in" in str(caught.value)
    assert "\n" not in str(caught.value)
    stands(folder, 0, FIRST)


def test_what_could_not_be_pushed_is_pushed_by_the_next_call(tmp_path: Path, folder: Path) -> None:
    place = tmp_path / "shared.git"
    lineage = Lineage(folder, str(place))
    for version, candidate in enumerate((FIRST, SECOND)):
        with pytest.raises(LineageError):
            lineage.adopt(version, candidate, TRAILERS)
    remote = bare(place)
    lineage.adopt(1, SECOND, TRAILERS)
    assert git(remote, "tag").split() == ["v0", "v1"]
    assert git(remote, "rev-parse", "main") == git(folder, "rev-parse", "v1")


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(LineageError, match="is gone"):
        Lineage(tmp_path / "nowhere").adopt(0, FIRST, TRAILERS)


def test_without_git_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(LineageError, match="apt-get install git"):
        Lineage(folder).adopt(0, FIRST, TRAILERS)
