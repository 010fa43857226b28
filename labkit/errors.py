"""Every error that labkit raises on purpose.

An exception means that labkit, its user or the world is at fault; a candidate's fault is data
(`labkit.candidate.Failure`). A caller's mistake is a ValueError or TypeError; the rest:

    LabkitError
    ├── ClipError         a video or clip that cannot be read or used
    ├── ContainerError    a .lkv file that is cut, damaged or not one
    ├── CandidateError    a candidate's file that cannot be read
    ├── RDError           rate-distortion curves that cannot be compared
    ├── AnchorError       a real encoder that is missing or broke
    ├── VmafError         VMAF cannot be measured as asked
    ├── JailError         the wall cannot be raised as asked
    ├── ProposerError     a proposer that cannot go on
    │   ├── ProposerStop     nor can any later one: the campaign stops
    │   └── NoProposalError  nothing came of this one: the campaign goes on without it
    ├── SettingsError     a campaign file or option that makes no sense
    ├── LedgerError       a ledger that cannot be read or written
    ├── LineageError      the campaign's git repository refuses
    └── CampaignError     a campaign that cannot be opened or stepped
        ├── NoCampaignError  there is none where one was named
        └── BusyError        another process is running it
"""


class LabkitError(Exception):
    """The root; its text is one line fit to print: what, which value, what was asked, what to do."""

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows of it; IPython asks for this."""
        return [f"labkit: {self}"]


class ClipError(LabkitError):
    """A video or clip that cannot be read or used."""


class ContainerError(LabkitError):
    """A container that is cut, damaged or not one."""


class CandidateError(LabkitError):
    """A candidate's file that cannot be read."""


class RDError(LabkitError):
    """Rate-distortion curves that cannot be compared; the text says why."""


class AnchorError(LabkitError):
    """A real encoder that is missing or broke."""


class VmafError(LabkitError):
    """VMAF cannot be measured as asked."""


class JailError(LabkitError):
    """The wall cannot be raised as asked."""


class ProposerError(LabkitError):
    """A proposer that cannot go on."""


class ProposerStop(ProposerError):  # noqa: N818  (it stops the campaign; the campaign goes on when it is called again)
    """Asking again now would not help: the key, the money or the server is missing; the text says what to do."""


class NoProposalError(ProposerError):
    """Nothing came of this one proposal, and the text says why; the next may succeed."""


class SettingsError(LabkitError):
    """A campaign file or option that makes no sense."""


class LedgerError(LabkitError):
    """A ledger that cannot be read or written."""


class LineageError(LabkitError):
    """The campaign's git repository refuses."""


class CampaignError(LabkitError):
    """A campaign that cannot be opened or stepped."""


class NoCampaignError(CampaignError):
    """There is no campaign where one was named."""


class BusyError(CampaignError):
    """Another process is running the campaign."""
