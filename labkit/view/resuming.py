"""A campaign goes on with the settings that are recorded of it."""

from labkit.campaign import Campaign
from labkit.campaign.control import SETTINGS, Resumed, resume
from labkit.view.reproduce import arguments, settings_file


def resume_run(campaign: Campaign) -> Resumed:
    """Start `labkit evolve` for a campaign that nobody runs, as a process of its own; see `control.resume`."""
    folder = campaign.folder.resolve()
    words = arguments(campaign.settings, folder, str(folder / SETTINGS))
    return resume(campaign, words, settings_file(campaign.settings))
