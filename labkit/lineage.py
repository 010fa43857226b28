"""Adopted versions as plain files, commits and tags in the campaign's own git repository."""

import os
import subprocess
from pathlib import Path

from labkit.candidate import Candidate
from labkit.errors import LineageError
from labkit.jail.wire import printable

_NAME, _EMAIL = "labkit", "labkit@localhost"
AUTHOR = f"{_NAME} <{_EMAIL}>"
# author and committer, too: git takes them before "user" where somebody has set them up
_IDENTITY = tuple(
    word
    for who in ("user", "author", "committer")
    for word in ("-c", f"{who}.name={_NAME}", "-c", f"{who}.email={_EMAIL}")
)
# what the user has set up for other repositories must neither stop a commit nor change a byte of a source
_OWN_WAYS = (
    "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false", "-c", "core.hooksPath=/dev/null",
    "-c", "core.autocrlf=false", "-c", "core.attributesFile=/dev/null", "-c", "i18n.commitEncoding=utf-8",
)  # fmt: skip
_FOR_PUSHING = ("GIT_SSH", "GIT_ASKPASS", "GIT_SSL", "GIT_PROXY", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM")


class Lineage:
    """The versions of one campaign: versions/v3.py, a commit with the metrics as trailers, the tag v3.

    Args:
        remote: a URL, a path (from `folder`, if relative) or a name that the campaign's repository knows.
    """

    def __init__(self, folder: Path, remote: str = "") -> None:
        self.folder, self.remote = folder, remote

    def path(self, version: int) -> Path:
        """Return the file of a version."""
        return self.folder / "versions" / f"v{version}.py"

    def adopt(self, version: int, candidate: Candidate, trailers: dict[str, str]) -> None:
        """Make sure that file, commit and tag of `version` stand, here and at the remote; what stands is left alone.

        Raises:
            LineageError: git refuses, or the tag points at another text.
        """
        self._git("init", "--quiet", "--initial-branch=main")  # also mends one that was cut short
        tag, name, path = f"v{version}", f"versions/v{version}.py", self.path(version)
        tagged = bool(self._git("tag", "--list", tag))
        if tagged and self._git("show", f"refs/tags/{tag}:{name}") != candidate.source.encode():
            raise LineageError(f"{self.folder}: tag {tag} holds another text than the ledger; someone changed it")
        if not (tagged and path.exists()):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(candidate.source.encode())
        if not tagged:
            self._git("add", "--force", name)
            if self._git("status", "--porcelain", "--", name):
                self._git("commit", "--quiet", "-F", "-", "--", name, text=_message(tag, candidate, trailers))
            self._git("tag", tag)
        if self.remote:
            self._push(version)

    def tags(self) -> set[str]:
        """Return the names of all tags; raises as `tagged` does."""
        return set(self._git("tag", "--list").decode("utf-8", "replace").split())

    def tagged(self, version: int) -> tuple[bytes, str]:
        """Return the text that the tag of a version points at, and its commit's message; nothing is written.

        Raises:
            LineageError: there is no such tag or text, or git refuses.
        """
        tag = f"refs/tags/v{version}"
        message = self._git("log", "-1", "--format=%B", f"{tag}^{{commit}}", "--")
        return self._git("show", f"{tag}:versions/v{version}.py"), message.decode("utf-8", "replace")

    def written_by(self, version: int) -> set[str]:
        """Return who wrote and who committed a version, as git shows them; raises as `tagged` does."""
        told = self._git("log", "-1", "--format=%an <%ae>%n%cn <%ce>", f"refs/tags/v{version}^{{commit}}", "--")
        return set(told.decode("utf-8", "replace").split("\n")) - {""}

    def _push(self, version: int) -> None:
        try:
            # every version, not only this one: a push may have failed before, or the remote may be new
            self._git("push", "--quiet", "--", self.remote, "HEAD:refs/heads/main", "refs/tags/v*:refs/tags/v*")
        except LineageError as error:
            raise LineageError(
                f"version {version} stands in {self.folder} but not at the remote {self.remote!r}; "
                f"mend that or name another, and call again: {error}"
            ) from error

    def keep_rejected(self, number: int, candidate: Candidate, reasons: tuple[str, ...]) -> None:
        """Leave a rejected or failed source as a file, its reasons beside it."""
        folder = self.folder / "rejected"
        folder.mkdir(exist_ok=True)
        for name, data in rejected_files(number, candidate, reasons).items():
            (folder / name).write_bytes(data)

    def _git(self, *args: str, text: str = "") -> bytes:
        # a hook or a rebase that started us must not lend its repository
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k.startswith(_FOR_PUSHING)}
        environment["GIT_TERMINAL_PROMPT"] = "0"  # nobody sits there to type a password
        # named, not searched for: git would climb to a repository around the campaign, or refuse another owner's
        place = (f"--git-dir={self.folder.absolute() / '.git'}", f"--work-tree={self.folder.absolute()}")
        try:
            result = subprocess.run(
                ["git", *place, *_IDENTITY, *_OWN_WAYS, *args], cwd=self.folder, env=environment,
                input=text.encode("utf-8", "replace"), capture_output=True, check=False,
            )  # fmt: skip
        except FileNotFoundError as error:
            if not self.folder.exists():
                raise LineageError(
                    f"{self.folder} is gone; the ledger and versions of the campaign were in it"
                ) from error
            raise LineageError("git is not installed; adopted versions are commits (apt-get install git)") from error
        if result.returncode != 0:
            reason = " ".join(result.stderr.decode("utf-8", "replace").split())
            raise LineageError(f"{self.folder}: git {args[0]} failed: {reason}")
        return result.stdout


def rejected_files(number: int, candidate: Candidate, reasons: tuple[str, ...]) -> dict[str, bytes]:
    """Return what is kept beside the ledger of a rejected or failed candidate, by file name."""
    told = "\n".join((candidate.hypothesis, *reasons)) + "\n"
    return {
        f"{number:04d}.py": candidate.source.encode("utf-8", "replace"),
        f"{number:04d}.txt": printable(told, 10**6).encode(),
    }


def _message(tag: str, candidate: Candidate, trailers: dict[str, str]) -> str:
    """Return a commit message whose last paragraph is the trailers, whatever a hypothesis holds."""
    subject = one_line(f"{tag}: {candidate.hypothesis or candidate.proposer}")
    return "\n".join((subject, "", *(f"{key}: {one_line(value)}" for key, value in trailers.items()), ""))


def one_line(text: str) -> str:
    """Return a text as it stands in a commit's message: a subject or the value of a trailer."""
    return printable(" ".join(text.replace("\0", " ").split()))
