"""A process that records decisions and says of each when it is acknowledged: ``python writer.py DATABASE NAME COUNT``.

Its tests kill it at any moment. Each call records a pair: half a call must never be seen.
"""

import datetime as dt
import sys

from codesuggest.decisions import DecisionLog
from codesuggest.records import Decision


def main(where, name, count):
    when = dt.datetime(2026, 5, 4, tzinfo=dt.UTC)
    with DecisionLog(where) as log:
        for i in range(int(count)):
            pair = [
                Decision(f"{name}-{i}", code, "accept", "coder", name, when, event_id=f"{name}-{i}-{code}")
                for code in ("I10", "E11.9")
            ]
            log.record(*pair)
            sys.stdout.write(f"{i}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
