"""Code systems: what codes exist on a date, what they are called, and what the official notes say about them."""

from codesuggest.codes.changes import Changes, diff
from codesuggest.codes.code import CPT, HCPCS, ICD10CM, ICD10PCS, SYSTEMS, Code
from codesuggest.codes.ranges import CodeRange, find_ranges
from codesuggest.codes.release import NOTE_KINDS, Block, Chapter, CodeCard, InstructionalNote, Release
from codesuggest.codes.releases import ReleaseInfo, Releases, shipped_folder, user_folder

__all__ = [
    "CPT",
    "HCPCS",
    "ICD10CM",
    "ICD10PCS",
    "NOTE_KINDS",
    "SYSTEMS",
    "Block",
    "Changes",
    "Chapter",
    "Code",
    "CodeCard",
    "CodeRange",
    "InstructionalNote",
    "Release",
    "ReleaseInfo",
    "Releases",
    "diff",
    "find_ranges",
    "shipped_folder",
    "user_folder",
]
