"""Medical codes from a physician's note, each with the exact words that support it."""

__version__ = "0.1.0"
