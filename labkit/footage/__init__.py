"""Where clips come from: any video, procedural scenes, and the user's library."""

from labkit.footage.library import ClipInfo, add_clip, find_clips, library_folder, list_clips
from labkit.footage.reading import read_video
from labkit.footage.synthetic import SYNTHETIC, synthetic_clip
from labkit.footage.y4m import write_y4m

__all__ = [
    "SYNTHETIC",
    "ClipInfo",
    "add_clip",
    "find_clips",
    "library_folder",
    "list_clips",
    "read_video",
    "synthetic_clip",
    "write_y4m",
]
