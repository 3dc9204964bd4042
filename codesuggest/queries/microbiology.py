"""Cultures and tests for organisms: source, result, organism, resistance."""

# ruff: noqa: E501 - one line a pattern

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from codesuggest.queries.places import Place
from codesuggest.queries.terms import Hit
from codesuggest.queries.values import Indicator, Interpretation
from codesuggest.records import Span

__all__ = ["SOURCES", "read_microbiology"]

# Names of the sources; the group is the name of the indicator.
_SOURCE = re.compile(
    r"\b(?:(?P<blood_culture>blood (?:cultures?|cx'?s?|cxs)|bcx'?s?|bld cx|blood cult\w*|bcxs|peripheral cultures?|line cultures?)"
    r"|(?P<urine_culture>urine (?:cultures?|cx|cult\w*)|ucx|urine c ?& ?s|u cx)"
    r"|(?P<respiratory_culture>(?:sputum|respiratory|resp|tracheal aspirate|trach(?:eal)?|endotracheal|et|bal|bronch(?:oalveolar lavage|ial)?(?: wash\w*)?|mini-?bal)(?: (?:aspirate|gram stain(?: and)?|quantitative))? ?(?:cultures?|cx|cult\w*)|sputum(?= (?:grew|growing|with|positive|gram stain))|bal(?= (?:grew|growing|with|positive))|tracheal aspirate(?= (?:grew|growing|with|positive)))"
    r"|(?P<wound_culture>(?:wound|tissue|abscess|bone|surgical|deep|drainage|fluid collection|intraoperative|intra-op|or|foot) (?:cultures?|cx)|bone biopsy cultures?)"
    r"|(?P<csf_culture>csf (?:cultures?|cx|gram stain))"
    r"|(?P<body_fluid_culture>(?:ascitic|peritoneal|pleural|synovial|joint|pericardial|bile|biliary)(?: fluid)? (?:cultures?|cx|gram stain))"
    r"|(?P<stool_culture>stool (?:cultures?|cx)|stool pcr|gi (?:pcr )?panel|stool studies)"
    r"|(?P<mrsa_screen>mrsa (?:nares|nasal|pcr|swab|screen)(?: (?:pcr|swab|screen))?|nares mrsa|nasal mrsa(?: pcr)?)"
    r"|(?P<c_difficile>(?:c\.? ?diff(?:icile)?|cdiff|clostridioides difficile|clostridium difficile|cdi)(?: (?:toxin|pcr|antigen|assay|test\w*|stool|gdh|eia|screen))*|stool (?:for )?c\.? ?diff\w*)"
    r"|(?P<respiratory_panel>(?:respiratory|resp)(?: viral| pathogen)? (?:pcr )?panel|rvp|biofire|viral panel|respiratory pcr|rpp)"
    r"|(?P<influenza>(?:rapid )?(?:influenza|flu)(?: ?a(?: ?/ ?b| and b)?| b)?(?: (?:pcr|swab|test\w*|antigen|ag|screen))+|(?:influenza|flu) (?:a ?/ ?b|a and b|a/b)|(?:influenza|flu) [ab](?= ?(?::|positive|negative|pos\b|neg\b|detected|not detected|\+|pcr))|rapid flu|flu swab)"
    r"|(?P<sars_cov_2>(?:covid(?:-?19)?|sars-cov-2)(?: (?:pcr|swab|test\w*|antigen|ag|rapid|naat|screen))*(?= ?(?::|was|is|came|positive|negative|pos\b|neg\b|detected|not detected|\+|returned|pending|$))|(?:covid(?:-?19)?|sars-cov-2) (?:pcr|swab|test|antigen|naat))"
    r"|(?P<rsv>rsv(?: (?:pcr|swab|test\w*|antigen))*(?= ?(?::|was|positive|negative|pos\b|neg\b|detected|not detected|\+)))"
    r"|(?P<legionella_antigen>(?:urine |urinary )?legionella(?: urine| urinary)?(?: (?:antigen|ag))?(?= ?(?::|was|were|and|antigen|positive|negative|ag\b))|urine legionella)"
    r"|(?P<pneumococcal_antigen>(?:urine |urinary )?(?:strep(?:tococcus)?\.? pneumo(?:niae)?|s\.? pneumo(?:niae)?|pneumococcal)(?: urine| urinary)? (?:antigen|ag)\b|urine strep(?: pneumo)?(?: antigen| ag)?|urine antigens?)"
    r"|(?P<gram_stain>gram stain)"
    r"|(?P<afb>afb(?: (?:smears?|cultures?|x ?3|stain))*|acid-?fast (?:bacilli|smears?))"
    r"|(?P<quantiferon>quantiferon\w*(?: gold)?|igra|t-?spot|ppd)"
    r"|(?P<hiv>hiv(?: (?:ab/ag|ag/ab|antibody|test\w*|screen|1/2|4th gen\w*))*(?= ?(?::|was|is|negative|positive|non-?reactive|reactive|neg\b|screen)))"
    r"|(?P<hepatitis_b>hbsag|hepatitis b surface antigen|hep b (?:surface )?(?:ag|antigen))"
    r"|(?P<hepatitis_c>hcv (?:ab|antibody|rna|pcr)|hepatitis c (?:ab|antibody|rna)|hep c (?:ab|antibody))"
    r"|(?P<fungal_marker>beta-?d-?glucan|fungitell|galactomannan|aspergillus (?:antigen|ag)|cryptococcal antigen|crag|serum crag)"
    r"|(?P<strep_screen>rapid strep|strep (?:screen|test|swab|pcr)|throat culture|monospot)"
    r"|(?P<h_pylori>h\.? ?pylori(?: (?:stool )?(?:antigen|ag|breath test|serology))?)"
    r"|(?P<syphilis>rpr|vdrl|treponemal(?: antibody)?))\b"
)
# Every word that a source begins with: elsewhere the pattern is not tried.
_FIRST_WORDS = frozenset(
    "blood bcx bcxs bld peripheral line urine ucx u sputum respiratory resp tracheal trach endotracheal et bal bronch bronchial bronchoalveolar mini wound tissue abscess "
    "bone surgical deep drainage fluid intraoperative intra or foot csf ascitic peritoneal pleural synovial joint pericardial bile biliary stool gi mrsa nares nasal c cdiff "
    "clostridioides clostridium cdi rvp biofire viral rpp rapid influenza flu covid sars rsv urinary legionella strep streptococcus s pneumococcal gram afb acid quantiferon igra "
    "t ppd hiv hbsag hepatitis hep hcv beta fungitell galactomannan aspergillus cryptococcal crag serum throat monospot h rpr vdrl treponemal".split()
)
SOURCES = frozenset(_SOURCE.groupindex)
"""Names of the indicators of microbiology."""
_CULTURES = frozenset(
    {
        "blood_culture",
        "urine_culture",
        "respiratory_culture",
        "wound_culture",
        "csf_culture",
        "body_fluid_culture",
        "stool_culture",
        "gram_stain",
        "afb",
    }
)
_ANY = re.compile(
    r"cultur|cx|pcr|mrsa|antigen|diff|flu|covid|sars-cov|rsv|gram stain|afb|acid.?fast|quantiferon|igra|spot|ppd|hiv|hbsag|hcv|hepatitis|hep [bc]|panel|glucan|fungitell|galactomannan|aspergillus|crag|strep|monospot|pylori|rpr|vdrl|treponemal|legionella|sputum|bal |aspirate|rvp|biofire|rpp|cdi|gi panel| ag\b"
)
_RESULT = re.compile(
    r"(?P<negative>no (?:significant |bacterial |further |fungal )?growth(?: to date| x ?\d+(?: ?(?:h|hrs?|hours|days?|d))?)?|ngtd|ng ?(?:x|at) ?\d+|no organisms?(?: seen)?|negative|neg\b|not detected|non-?reactive|nonreactive|sterile|remain(?:ed|s)? negative|without growth|none seen|unrevealing|undetected|no (?:polys|bacteria))"
    r"|(?P<pending>pending|in process|sent\b|pend\b|to be followed|will follow|f/u|obtained|drawn|collected|ordered)"
    r"|(?P<contaminant>contaminat\w+|contaminant|mixed (?:urogenital |skin |normal )?flora|normal (?:respiratory |oral )?flora|usual respiratory flora|skin flora)"
    r"|(?P<growth>grew|grow(?:ing|s|th of|th)|grown|isolated|positive(?: for)?|pos\b(?: for)?|reactive|detected|(?<![\d])\+|yield(?:ed|ing)|speciat\w+|showed|shows|showing|with|>? ?100,?000|>? ?10\^5|cfu|final:?|preliminary:?|returned|resulted|came back|was|were|had)"
)
_STRONG = re.compile(r"grew|grow|isolated|positive|pos\b|\breactive|(?<!not )detected|\+|yield|100,?000|cfu|speciat")
_BOTTLES = re.compile(r"(?<![\d/])(?P<n>[1-4][ ]?(?:/|of|out of)[ ]?[2-8])(?:[ ]?(?:bottles|sets))?(?![\d/])")
_COUNT = re.compile(
    r"(?P<n>>?[ ]?(?:\d{1,3},?000|10\^[3-6])(?:[ ]?-[ ]?\d{1,3},?000)?)[ ]?(?:cfu(?:/ml)?|col(?:onies)?(?:/ml)?|cfu)?"
)
_RESISTANT = re.compile(
    r"\b(?P<kind>mrsa|mssa|vre|esbl(?:-?producing|[ ]producer|\+)?|cre\b|kpc|carbapenem-?resistant|multi-?drug[- ]resistant|mdro?\b|pan-?sensitive|pan-?susceptible|methicillin-?resistant|vancomycin-?resistant|(?:resistant|sensitive|susceptible|intermediate) to [a-z/, -]{3,60}?(?=[.;\n)]|,? (?:but|and (?:resistant|sensitive|susceptible|was|were|is))|$))"
)
_STOP = re.compile(r"\n[ \t]*\n|\n[ \t]*[-*•][ \t]|\n[a-z][a-z /]{2,30}:|(?<!\b[a-z])\.\s+(?=[a-z])")
_INITIAL = re.compile(r"(?:\b[a-z]|\bspp|\bstrep|\bstaph|\bsp|\bvs)$")
_REACH = 220
_SKIPPED = frozenset({"allergies", "family_history"})
_BEFORE_LINK = re.compile(r"^[^.;\n]{0,24}?\b(?:in|on|from|by|per|on the)\b[^.;\n]{0,24}$")


def _window(lower: str, start: int, stop: int) -> int:
    """Where the report of a source ends: at the next source, the end of the sentence, or of the paragraph."""
    for m in _STOP.finditer(lower, start, stop):
        if m[0].startswith(".") and _INITIAL.search(lower, max(start, m.start() - 6), m.start()):
            continue
        return m.start()
    return stop


def read_microbiology(place: Place, hits: Sequence[Hit]) -> list[Indicator]:
    """Read cultures, antigens and molecular tests with what they found.

    Parameters
    ----------
    place : Place
    hits : sequence of Hit
        Terms of the note; the organisms among them are looked for near each source.
    """
    lower = place.lower
    if _ANY.search(lower) is None:
        return []
    organisms = [hit for hit in hits if hit.term.table == "organisms"]
    sources = [m for m in _sources(place) if place.section(m.start()) not in _SKIPPED]
    found = []
    for n, m in enumerate(sources):
        name = m.lastgroup or ""
        if name == "gram_stain" and n and m.start() - sources[n - 1].end() < 4:
            continue
        nearest = next((s.start() for s in sources[n + 1 :] if s.start() >= m.end() and s.lastgroup != "gram_stain"), len(lower))
        stop = _window(lower, m.end(), min(len(lower), nearest, m.end() + _REACH))
        inside = [hit for hit in organisms if m.end() <= hit.start < stop]
        result, at = _result(lower, m.end(), stop, inside, is_culture=name in _CULTURES)
        grown = [hit for hit in inside if result in ("growth", "positive", "contaminant")]
        start = m.start()
        if not result or (result == "pending" and not grown):
            earlier = [
                hit
                for hit in organisms
                if m.start() - 60 <= hit.start and hit.end <= m.start() and _BEFORE_LINK.match(lower[hit.end : m.start()] + " ")
            ]
            if earlier and name in _CULTURES and place.asserted(earlier[-1].start, earlier[-1].end) == "present":
                result, grown, start, at = "growth", earlier[-1:], earlier[-1].start, m.end()
        if name == "influenza" and result == "positive":
            typed = re.search(r"\b([ab])\b(?!\w)", lower[m.start() : m.end()])
            grown = grown or []
            if typed is not None and not grown:
                at = max(at, m.end())
        if not result:
            continue
        details: list[tuple[str, str]] = []
        seen: set[str] = set()
        for hit in grown:
            if hit.term.name not in seen:
                seen.add(hit.term.name)
                details.append(("organism", hit.term.name))
        end = max([at, *(hit.end for hit in grown)])
        if result in ("growth", "positive"):
            for kind in _RESISTANT.finditer(lower, start, stop):
                details.append(("susceptibility", kind["kind"].strip(" ,")))
                end = max(end, kind.end())
            bottles = _BOTTLES.search(lower, m.end(), stop)
            if bottles is not None:
                details.append(("bottles", bottles["n"]))
            if name == "urine_culture":
                count = _COUNT.search(lower, m.end(), stop)
                if count is not None:
                    details.append(("count", count["n"].strip()))
        interpretation: Interpretation = (
            "abnormal" if result in ("growth", "positive") else "normal" if result in ("no growth", "negative") else ""
        )
        span = Span(start, max(end, m.end()))
        found.append(
            Indicator(
                name,
                "microbiology",
                span,
                given=place.text[span.start : span.end],
                result=result,
                interpretation=interpretation,
                when=place.line_when(m.start()),
                section=place.section(m.start()),
                details=tuple(details),
            )
        )
    return found


def _sources(place: Place) -> Iterator[re.Match[str]]:
    done = 0
    for word, start in place.words:
        if word in _FIRST_WORDS and start >= done:
            m = _SOURCE.match(place.lower, start)
            if m is not None:
                done = m.end()
                yield m


def _result(lower: str, start: int, stop: int, organisms: Sequence[Hit], *, is_culture: bool) -> tuple[str, int]:
    """Return the result in words and where the words that say it end."""
    weak = 0
    for m in _RESULT.finditer(lower, start, stop):
        if m["negative"]:
            if (
                organisms
                and organisms[0].start < m.start()
                and not re.search(r"coag\w*[ -]$|gram[ -]$", lower[max(0, m.start() - 14) : m.start()])
            ):
                return ("growth" if is_culture else "positive"), organisms[-1].end
            if re.search(r"coag\w*[ -]$|gram[ -]$|methicillin[ -]$", lower[max(0, m.start() - 14) : m.start()]):
                continue
            return ("no growth" if is_culture else "negative"), m.end()
        if m["contaminant"]:
            return "contaminant", m.end()
        if m["pending"]:
            if organisms or re.search(r"grew|grow|positive|negative|no growth|ngtd", lower[m.end() : stop]):
                continue
            return "pending", m.end()
        if _STRONG.search(m[0]) or organisms:
            last = max([m.end(), *(hit.end for hit in organisms)])
            if _STRONG.search(m[0]):
                return ("growth" if is_culture else "positive"), last
            weak = last
    if organisms and (is_culture or weak):
        return ("growth" if is_culture else "positive"), organisms[-1].end
    return "", start
