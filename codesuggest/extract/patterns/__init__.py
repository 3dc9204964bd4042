"""Tables a clinician can review without reading code: headings, cues, abbreviations, the lexicon."""
