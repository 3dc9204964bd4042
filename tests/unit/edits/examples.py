"""Claims in one line and the tables they are checked with."""

import datetime as dt

from codesuggest.edits import check, claim_from_text, default_tables

DAY = dt.date(2026, 5, 4)


def tables():
    return default_tables(DAY)


def findings(text, *, on=DAY, information=False, with_tables=None):
    return check(claim_from_text(text), on=on, tables=with_tables or tables(), information=information)


def ids(text, **options):
    return [f.rule_id for f in findings(text, **options)]
