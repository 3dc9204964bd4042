"""The edits are pure, idempotent and free of order; inputs are not changed; the catalogue knows every rule."""

import copy
import dataclasses
import random

from examples import DAY, tables
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codesuggest.edits import Claim, Diagnosis, Procedure, check
from codesuggest.edits.docs import all_rules
from codesuggest.edits.index import ReleaseIndex, places_of

RELEASE = tables().release
COMMON = (
    "I10 I11.0 I11.9 I12.0 I12.9 I13.0 I50.9 I50.22 I50.23 N18.30 N18.6 Z99.2 E11.9 E11.22 E10.9 Z79.4 R65.20 A41.9 J18.9 J44.9 J44.1 "
    "R05.1 F02.80 G30.9 O80 O99.512 Z3A.28 Z37.0 Z38.00 W19.XXXA S72.001A S72.001D T45.511A T45.515A B96.20 N39.0 Z68.35 E66.9 "
    "H25.11 H25.12 H25.10 F10.10 F10.20 E11 T14.91 banana I10.0"
).split()
codes = st.one_of(
    st.sampled_from(COMMON), st.integers(0, len(RELEASE) - 1).map(RELEASE.text), st.text("AI0159.X", min_size=1, max_size=8)
)
diagnoses = st.tuples(
    codes, st.sampled_from([None, "Y", "N", "1", "Q"]), st.sampled_from(["provider", "laboratory", "clinician"]), st.booleans()
)
procedures = st.tuples(
    st.sampled_from(["G0101", "99400", "89990", "39990", "5A1955Z"]),
    st.lists(st.sampled_from(["25", "59", "XS", "RT", "50", "26", "?"]), max_size=3),
    st.integers(1, 4),
)


@st.composite
def claims(draw):
    rows = draw(st.lists(diagnoses, max_size=12))
    lines = draw(st.lists(procedures, max_size=6))
    return Claim(
        tuple(Diagnosis(i, code, poa, who, unsure) for i, (code, poa, who, unsure) in enumerate(rows, 1) if code.strip()),
        tuple(Procedure(i, code, tuple(mods), units) for i, (code, mods, units) in enumerate(lines, 1)),
        setting=draw(st.sampled_from(["inpatient", "outpatient", "professional", "emergency"])),
        age_years=draw(st.sampled_from([None, 0, 17, 44, 130])),
        sex=draw(st.sampled_from([None, "F", "M", "X"])),
    )


KNOWN = {rule.id: rule for rule in all_rules()}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(claims(), st.integers(0, 1000), st.booleans())
def test_findings_do_not_depend_on_order_or_repetition(claim, seed, information):
    before = copy.deepcopy(claim)
    found = check(claim, on=DAY, tables=tables(), information=information)
    assert claim == before
    assert check(claim, on=DAY, tables=tables(), information=information) == found
    shuffled = list(claim.diagnoses)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - an order, not a secret
    lines = list(claim.procedures)
    random.Random(seed).shuffle(lines)  # noqa: S311 - an order, not a secret
    other = dataclasses.replace(claim, diagnoses=tuple(shuffled), procedures=tuple(lines))
    assert check(other, on=DAY, tables=tables(), information=information) == found
    for finding in found:
        assert finding.rule_id in KNOWN
        assert finding.message
        assert finding.citation
        assert finding.resolution
        if not information:
            assert not KNOWN[finding.rule_id].is_information
    assert len(set(found)) == len(found)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(COMMON), st.sampled_from(COMMON))
def test_excludes1_is_symmetrical(a, b):
    index = tables().index
    assert index.exclusion(index.facts(a), index.facts(b)) == index.exclusion(index.facts(b), index.facts(a))


PARTS = [
    "I10",
    "I10-I13",
    "!I11",
    "E11.9",
    "!E11.9",
    "S72",
    "!S72.0",
    "S72.001A",
    "T36-T50/.{5}5",
    "title:\\bfracture\\b",
    "Z00-Z99",
]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PARTS), min_size=1, max_size=5), min_size=1, max_size=4), st.integers(0, 2**32))
def test_bits_of_a_code_agree_with_the_expressions(expressions, seed):
    texts = [", ".join(parts) for parts in expressions]
    index = ReleaseIndex(RELEASE, {str(k): text for k, text in enumerate(texts)}, {"list": ["I10", "I11.0", "S72.001A", "x"]})
    draw = random.Random(seed)  # noqa: S311 - a sample, not a secret
    sample = [*(RELEASE.text(draw.randrange(len(RELEASE))) for _ in range(40)), "I10", "I11.0", "E11.9", "S72.001A", "T45.515A"]
    named = [places_of(RELEASE, text) for text in texts]
    for code in sample:
        facts = index.facts(code)
        for k, places in enumerate(named):
            assert bool(facts.mask & index.bit[str(k)]) == bool(places[facts.i]), (code, texts[k])
        assert bool(facts.mask & index.bit["list"]) == (code in ("I10", "I11.0", "S72.001A"))
