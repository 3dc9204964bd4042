"""Readers of notes: plain text and JSON lines."""

from codesuggest.notes.jsonl import note_from_dict, read_jsonl
from codesuggest.notes.text import MAX_BYTES, DecodedText, decode, read_text

__all__ = ["MAX_BYTES", "DecodedText", "decode", "note_from_dict", "read_jsonl", "read_text"]
