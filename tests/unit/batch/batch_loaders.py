"""Suggesters that misbehave on marked notes: what workers are given in the tests of isolation."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from pathlib import Path

from codesuggest.records import Note, Result
from codesuggest.suggester import Suggester, load


class Poisoned:
    """Does what the note says, and otherwise what a suggester does."""

    def __init__(self, inner: Suggester) -> None:
        self.inner = inner
        self.model = inner.model
        self.threshold = inner.threshold

    def suggest(self, note: Note) -> Result:
        if "EXIT" in note.text:
            os._exit(9)
        if "KILL-ONCE" in note.text:
            marker = Path(os.environ["BATCH_TEST_MARKER"])
            if not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        if "RAISE" in note.text:
            raise RuntimeError(note.text)
        if "MEMORY" in note.text:
            raise MemoryError(note.text)
        if "SLEEP" in note.text:
            time.sleep(60)
        if "HANG" in note.text:  # compiled code that hears no signal
            hashlib.pbkdf2_hmac("sha256", b"p", b"s", 2_000_000_000)
        if "SLOW" in note.text:
            time.sleep(0.05)
        return self.inner.suggest(note)


def poisoned(model: str | None) -> Poisoned:
    suggester = load(model)
    suggester.warm_up()
    return Poisoned(suggester)
