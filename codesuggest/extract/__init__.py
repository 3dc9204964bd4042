"""From a note to mentions: sections, sentences, terms, assertion. spaCy lives here and only here."""
