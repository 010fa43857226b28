"""Adopted versions as plain files, commits and tags in the campaign's own git repository."""

import os
import subprocess
from pathlib import Path

from labkit.candidate import Candidate
from labkit.errors import LineageError

_IDENTITY = ("-c", "user.name=labkit", "-c", "user.email=labkit@localhost")
_QUIET = ("-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false", "-c", "core.hooksPath=/dev/null")


class Lineage:
    """The versions of one campaign: versions/v3.py, a commit with the metrics as trailers, the tag v3."""

    def __init__(self, folder: Path, remote: str = "") -> None:
        self.folder, self.remote = folder, remote

    def path(self, version: int) -> Path:
        """Return the file of a version."""
        return self.folder / "versions" / f"v{version}.py"

    def adopt(self, version: int, candidate: Candidate, trailers: dict[str, str]) -> None:
        """Make sure that file, commit and tag of `version` stand; what stands already is left alone.

        Raises:
            LineageError: git refuses, or the tag points at another text.
        """
        if not (self.folder / ".git").exists():
            self._git("init", "--quiet", "--initial-branch=main")
        tag, name = f"v{version}", f"versions/v{version}.py"
        if self._git("tag", "--list", tag):
            if self._git("show", f"{tag}:{name}", strip=False) != candidate.source:
                raise LineageError(f"{self.folder}: tag {tag} holds another text than the ledger; someone changed it")
            return
        path = self.path(version)
        path.parent.mkdir(exist_ok=True)
        path.write_text(candidate.source, encoding="utf-8", newline="")
        self._git("add", "--force", name)
        if self._git("status", "--porcelain", "--", name):
            lines = [f"{key}: {value}" for key, value in trailers.items()]
            self._git("commit", "--quiet", "-m", f"{tag}: {candidate.hypothesis or candidate.proposer}",
                      "-m", "\n".join(lines), "--", name)  # fmt: skip
        self._git("tag", tag)
        if self.remote:
            self._git("push", "--quiet", self.remote, "HEAD:main", tag)

    def keep_rejected(self, number: int, candidate: Candidate, reasons: tuple[str, ...]) -> None:
        """Leave a rejected or failed source as a file, its reasons beside it."""
        folder = self.folder / "rejected"
        folder.mkdir(exist_ok=True)
        (folder / f"{number:04d}.py").write_text(candidate.source, encoding="utf-8", errors="replace", newline="")
        (folder / f"{number:04d}.txt").write_text("\n".join((candidate.hypothesis, *reasons)) + "\n", encoding="utf-8")

    def _git(self, *args: str, strip: bool = True) -> str:
        # a hook or a rebase that started us must not lend its repository
        environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        try:
            result = subprocess.run(
                ["git", *_IDENTITY, *_QUIET, *args], cwd=self.folder, env=environment,
                capture_output=True, check=False,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise LineageError("git is not installed; adopted versions are commits (apt-get install git)") from error
        if result.returncode != 0:
            reason = result.stderr.decode("utf-8", "replace").strip()
            raise LineageError(f"{self.folder}: git {args[0]} failed: {reason}")
        text = result.stdout.decode("utf-8", "surrogatepass")  # not text mode: a lone \r must come back as it was
        return text.strip() if strip else text
