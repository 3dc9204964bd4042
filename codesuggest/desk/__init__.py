"""The coder's desk: a worklist, an HTTP API and a review page on top of the library. No coding logic lives here."""
