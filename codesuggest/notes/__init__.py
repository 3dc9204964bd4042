"""Readers of notes: plain text, JSON lines, HTML, FHIR R4, C-CDA and HL7 v2."""

from codesuggest.notes.document import Document, Part, PassedOver, Reading, notes_of
from codesuggest.notes.jsonl import note_from_dict, read_jsonl
from codesuggest.notes.reading import FORMATS, read_documents
from codesuggest.notes.text import MAX_BYTES, DecodedText, decode, read_text

__all__ = [
    "FORMATS",
    "MAX_BYTES",
    "DecodedText",
    "Document",
    "Part",
    "PassedOver",
    "Reading",
    "decode",
    "note_from_dict",
    "notes_of",
    "read_documents",
    "read_jsonl",
    "read_text",
]
