"""The lexicon: what physicians write, and the code it leads to.

Authoring is a set of tab-separated tables that a coder can review (``patterns/lexicon/*.tsv``). :func:`compile_lexicon`
turns them, together with the titles and inclusion terms of a release and any index the user adds, into arrays that open
by memory map. :class:`Lexicon` looks terms up.

Decision (2026-11): a term is stored under its two rarest words instead of its word sequence. One look-up then serves
word order, gaps and small words alike ("kidney stones", "stone in the right kidney"), and 60,000 terms open in a few
milliseconds. What would change our mind: a term matcher of a well-kept library that does the same on memory-mapped data.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesuggest.codes import Release
from codesuggest.errors import ConfigError, InputFormatError
from codesuggest.extract.tokens import normal_form, tokenize

__all__ = ["FREE_WORDS", "KINDS", "SIDES", "Lexicon", "LexiconEntry", "compile_lexicon", "official_entries", "read_lexicon"]

KINDS: tuple[str, ...] = (
    "diagnosis",
    "symptom",
    "status",
    "history",
    "family",
    "encounter",
    "social",
    "external",
    "finding",
    "procedure",
    "drug",
    "context",
)
# Words that never tell two terms apart, in notes and in terms.
FREE_WORDS: frozenset[str] = frozenset(
    "of the a an in on at to for with by from and or his their my your this that is as both any some ' \" ’".split()
)
SIDES: frozenset[str] = frozenset("left right bilateral bilaterally".split())
_TITLE_NOISE = frozenset("unspecified specified nos nec uncomplicated".split())
_PAREN = re.compile(r"\([^)]*\)|\[[^\]]*\]")
_TITLE_TAIL = re.compile(r",? (?:initial|subsequent) encounter.*|,? sequela$", re.IGNORECASE)
_CONDITIONS = ("near", "not", "section", "notsection", "sex", "age", "setting")


@dataclass(frozen=True, slots=True)
class LexiconEntry:
    """One line of the lexicon.

    Parameters
    ----------
    term : str
        What is written in notes.
    code : str
        Dotted code when nothing more is said.
    root : str
        Header under which a more specific code may be chosen; empty when the code is final.
    kind : str
        One of :data:`KINDS`.
    context : str
        Conditions that settle an ambiguity, blank separated: ``case``, ``near:a|b``, ``not:a|b``, ``section:a|b``,
        ``notsection:a``, ``sex:F``, ``age:0-17``, ``setting:inpatient``.
    source : str
        ``index``, ``inclusion``, ``title``, ``usage`` or a guideline section.
    """

    term: str
    code: str
    root: str = ""
    kind: str = "diagnosis"
    context: str = ""
    source: str = "usage"


def read_lexicon(path: Path | str) -> list[LexiconEntry]:
    """Read one table of the lexicon.

    Parameters
    ----------
    path : path
        Tab separated: term, code, root, kind, context, source; a header line; ``#`` starts a comment.

    Raises
    ------
    InputFormatError
        CS210 with the line number when a line has not six columns, or an unknown kind or condition.
    """
    entries: list[LexiconEntry] = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#") or line.startswith("term\t"):
            continue
        columns = line.split("\t")
        if len(columns) != 6 or columns[3] not in KINDS or not columns[0].strip():
            raise InputFormatError(
                "CS210",
                f"{Path(path).name}, line {number}: {len(columns)} columns, kind {columns[3] if len(columns) > 3 else ''!r}. "
                f"Expected term, code, root, kind, context, source with a kind among {', '.join(KINDS)}.",
            )
        for condition in columns[4].split():
            if condition != "case" and condition.partition(":")[0] not in _CONDITIONS:
                raise InputFormatError(
                    "CS210",
                    f"{Path(path).name}, line {number}: condition {condition!r}. Expected case or one of {', '.join(_CONDITIONS)}.",
                )
        entries.append(LexiconEntry(*(c.strip() for c in columns)))
    return entries


def shipped_tables() -> list[LexiconEntry]:
    """Read the tables that ship with the package, in the order of their file names."""
    folder = resources.files("codesuggest.extract.patterns").joinpath("lexicon")
    entries: list[LexiconEntry] = []
    with resources.as_file(folder) as path:
        for table in sorted(Path(path).glob("*.tsv")):
            entries.extend(read_lexicon(table))
    return entries


def is_official(entry: LexiconEntry) -> bool:
    """Whether an entry was made of an official title, inclusion term or index, and yields to a reviewed one."""
    return entry.source == "index file" or (
        entry.source in ("title", "inclusion") and entry.term[:1].isupper() and not entry.context
    )


def term_words(term: str) -> tuple[str, ...]:
    """Return the words of a term in normal form, without small words, each once, in order."""
    words: list[str] = []
    for raw in tokenize(term).words:
        if not raw[0].isalnum():
            continue
        if raw in FREE_WORDS or (raw.lower() in FREE_WORDS and not raw.isupper()):
            continue
        word = normal_form(raw)
        if word and word not in words:
            words.append(word)
    return tuple(words)


def title_words(title: str) -> tuple[str, ...]:
    """Return the words of an official title that a physician would write: no sides, no "unspecified", no brackets."""
    text = _TITLE_TAIL.sub("", _PAREN.sub(" ", title))
    return tuple(w for w in term_words(text) if w not in SIDES and w not in _TITLE_NOISE)


def official_entries(release: Release) -> list[LexiconEntry]:
    """Make entries of the titles and inclusion terms of a release.

    Titles that begin with "Other" and those that say "not elsewhere classified" name what is left over, not something a
    physician writes, and are passed over. Titles that differ only in side or encounter become one entry.
    """
    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    texts = [release.text(i) for i in range(len(release))]

    def add(words: tuple[str, ...], code: str, title: str, source: str) -> None:
        key = tuple(sorted(words))
        group = groups.setdefault(key, {"term": title, "codes": [], "plain": [], "source": source, "words": words})
        group["codes"].append(code)
        if "unspecified" in title.lower() or " nos" in title.lower():
            group["plain"].append(code)

    for i, code in enumerate(texts):
        if len(code.replace(".", "")) == 7:
            continue
        title = release.title_at(i)
        low = title.lower()
        if low.startswith(("other ", "encounter for other", "personal history of other", "family history of other")):
            continue
        if "elsewhere classified" in low or "other specified" in low or ", other" in low:
            continue
        words = title_words(title)
        if not 1 <= len(words) <= 9 or _is_too_short(words):
            continue
        add(words, code, _clean(title), "title")
    for code, term in release.inclusion_terms():
        low = term.lower()
        if low.startswith("other ") or "elsewhere classified" in low or len(term) > 90 or low.endswith(":"):
            continue
        words = title_words(term)
        if not 1 <= len(words) <= 8 or _is_too_short(words) or "T36" <= code[:3] <= "T50":
            continue  # under T36 to T50 the inclusion terms are names of drugs
        add(words, code, _clean(term), "inclusion")
    entries = []
    for _, group in sorted(groups.items()):
        codes = sorted(set(group["codes"]), key=lambda c: (len(c), c))
        shortest = codes[0]
        root = shortest if all(c.startswith(shortest) for c in codes) else _common_root(codes, release)
        if not root:
            if len(codes) > 3:
                continue
            root = shortest
        plain = [c for c in group["plain"] if c.startswith(root)]
        code = plain[0] if plain and root != plain[0] else (shortest if len(codes) == 1 else root)
        entries.append(LexiconEntry(group["term"], code, root if root != code else "", kind_of_code(code), "", group["source"]))
    return entries


def _is_too_short(words: tuple[str, ...]) -> bool:
    """Whether a single word of a title is an abbreviation or an everyday word, for the reviewed lexicon to settle."""
    return len(words) == 1 and (len(words[0]) <= 4 or words[0] in EVERYDAY_WORDS)


def _clean(title: str) -> str:
    return " ".join(_TITLE_TAIL.sub("", _PAREN.sub(" ", title)).replace("\t", " ").split()).strip(" ,")


def _common_root(codes: Sequence[str], release: Release) -> str:
    prefix = codes[0]
    for code in codes[1:]:
        while not code.startswith(prefix):
            prefix = prefix[:-1]
    prefix = prefix.rstrip(".")
    while len(prefix) >= 3:
        if prefix in release:
            return prefix
        prefix = prefix[:-1].rstrip(".")
    return ""


def kind_of_code(code: str) -> str:
    """Return the kind of term a code stands for when the lexicon does not say.

    Examples
    --------
    >>> [kind_of_code(c) for c in ("I10", "R05.9", "Z95.0", "Z85.3", "Z80.3", "W19.XXXA")]
    ['diagnosis', 'symptom', 'status', 'history', 'family', 'external']
    """
    c = code[0]
    if c == "R":
        return "finding" if "R70" <= code[:3] <= "R97" else "symptom"
    if c in "VWXY":
        return "external"
    if c == "Z":
        block = code[:3]
        if block in ("Z80", "Z81", "Z82", "Z83", "Z84"):
            return "family"
        if block in ("Z85", "Z86", "Z87"):
            return "history"
        if block in (
            "Z16",
            "Z66",
            "Z67",
            "Z68",
            "Z77",
            "Z78",
            "Z79",
            "Z88",
            "Z89",
            "Z90",
            "Z91",
            "Z92",
            "Z93",
            "Z94",
            "Z95",
            "Z96",
            "Z97",
            "Z98",
            "Z99",
            "Z92",
            "Z73",
            "Z74",
        ):
            return "status"
        if "Z55" <= block <= "Z65" or block in ("Z72",):
            return "social"
        return "encounter"
    if code.startswith(("M25.5", "M79.6", "M54", "M79.1", "H57.1", "M25.6")):
        return "symptom"
    return "diagnosis"


# ---------------------------------------------------------------------------------------------------------------------
# Compiled form


@dataclass(frozen=True, slots=True)
class Alias:
    """An abbreviation that stands for other words."""

    expansion: tuple[int, ...]
    is_case_sensitive: bool
    written: str
    conditions: Mapping[str, tuple[str, ...]]


def parse_context(context: str) -> tuple[bool, dict[str, tuple[str, ...]]]:
    """Read the conditions of a lexicon line: (case sensitive, condition to its words).

    Examples
    --------
    >>> parse_context("case near:heart|valve sex:F")
    (True, {'near': ('heart', 'valve'), 'sex': ('F',)})
    >>> parse_context("near:up_to_date section:hospital_course")
    (False, {'near': ('up to date',), 'section': ('hospital_course',)})
    """
    conditions: dict[str, tuple[str, ...]] = {}
    case = False
    for part in context.split():
        if part == "case":
            case = True
            continue
        name, _, values = part.partition(":")
        # in words a "_" is a blank; names of sections keep theirs
        words = values.replace("_", " ") if name in ("near", "not") else values
        conditions[name] = tuple(v for v in words.split("|") if v)
    return case, conditions


def read_abbreviations() -> list[tuple[str, str, str]]:
    """Read the abbreviation table that ships with the package: (abbreviation, expansion, context)."""
    path = resources.files("codesuggest.extract.patterns").joinpath("abbreviations.tsv")
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#") or line.startswith("abbreviation\t"):
            continue
        columns = line.split("\t")
        rows.append((columns[0].strip(), columns[1].strip(), columns[2].strip() if len(columns) > 2 else ""))
    return rows


def compile_lexicon(
    entries: Iterable[LexiconEntry],
    release: Release,
    *,
    defaults: Mapping[str, str],
    extra_words: Iterable[str] = (),
    abbreviations: Iterable[tuple[str, str, str]] = (),
) -> dict[str, NDArray[Any] | bytes | str]:
    """Turn entries into the arrays that :class:`Lexicon` opens.

    Parameters
    ----------
    entries : iterable of LexiconEntry
        Reviewed entries first: where two entries have the same words, an official one yields to a reviewed one.
    release : Release
        Every code is looked up in it.
    defaults : mapping of str to str
        Header to the billable code that stands for it when nothing more is said.
    extra_words : iterable of str
        Further words in normal form (those of the titles, for the choice of the specific code).
    abbreviations : iterable of (abbreviation, expansion, context)

    Returns
    -------
    dict
        File name to content: arrays, or JSON text.

    Raises
    ------
    ConfigError
        CS211 when a code is not in the release.
    """
    kept: list[LexiconEntry] = []
    words_of: list[tuple[str, ...]] = []
    reviewed: set[tuple[str, ...]] = set()
    seen: set[tuple[tuple[str, ...], str, str]] = set()
    for entry in entries:
        if entry.kind == "context":
            continue
        words = term_words(entry.term)
        if not words or (len(words) == 1 and words[0] in EVERYDAY_WORDS and "case" not in entry.context.split()):
            continue
        key = tuple(sorted(words))
        if is_official(entry) and key in reviewed:
            continue
        if entry.code not in release or (entry.root and entry.root not in release):
            raise ConfigError(
                "CS211",
                f"The lexicon leads to {entry.code!r} (root {entry.root!r}), which {release.name} does not hold. "
                "Correct the line, or compile against the release it was written for.",
            )
        code = defaults.get(entry.code, entry.code)
        root = entry.root or (entry.code if code != entry.code else "")
        entry = LexiconEntry(entry.term, code, root, entry.kind, entry.context, entry.source)
        if (words, code, entry.context) in seen:
            continue
        seen.add((words, code, entry.context))
        reviewed.add(key)
        kept.append(entry)
        words_of.append(words)

    abbreviations = list(abbreviations)
    vocabulary = sorted(
        {w for words in words_of for w in words}
        | set(extra_words)
        | {w for _, expansion, _ in abbreviations for w in term_words(expansion)}
    )
    word_id = {w: i for i, w in enumerate(vocabulary)}
    n_words = len(vocabulary)
    frequency = np.zeros(n_words, np.int64)
    for words in words_of:
        for w in words:
            frequency[word_id[w]] += 1

    single: dict[int, list[int]] = defaultdict(list)
    pairs: dict[int, list[int]] = defaultdict(list)
    flat: list[int] = []
    offsets = [0]
    contexts: dict[str, Any] = {}
    for index, (entry, words) in enumerate(zip(kept, words_of, strict=True)):
        ids = [word_id[w] for w in words]
        flat.extend(ids)
        offsets.append(len(flat))
        case, conditions = parse_context(entry.context)
        if case or conditions:
            contexts[str(index)] = [case, {k: list(v) for k, v in conditions.items()}]
        if len(ids) == 1:
            single[ids[0]].append(index)
        else:
            a, b = sorted(sorted(ids, key=lambda w: (frequency[w], w))[:2])
            pairs[a * n_words + b].append(index)

    def csr(table: dict[int, list[int]]) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
        keys = sorted(table)
        starts = np.cumsum([0, *(len(table[k]) for k in keys)])
        return np.array(keys, np.int64), starts.astype(np.int32), np.array([i for k in keys for i in table[k]], np.int32)

    pair_keys, pair_starts, pair_terms = csr(pairs)
    single_keys, single_starts, single_terms = csr(single)
    bloom = np.zeros(1 << 20, np.uint8)
    bloom[bloom_slot(pair_keys)] = 1
    code_index = np.array([release.index(e.code) for e in kept], np.int32)
    root_index = np.array([release.index(e.root) if e.root else -1 for e in kept], np.int32)
    blob = "\n".join(e.term for e in kept)
    aliases: dict[str, list[Any]] = defaultdict(list)
    for written, expansion, context in abbreviations:
        spoken = [word_id[w] for w in term_words(expansion)]
        if not spoken or len(tokenize(written).words) != 1:
            continue
        case, conditions = parse_context(context)
        case = case or (written != written.lower() and (len(written) < 3 or written.lower() in ENGLISH_LOOKALIKES))
        aliases[written.lower()].append([written, spoken, case, {k: list(v) for k, v in sorted(conditions.items())}])
    return {
        "words.txt": "\n".join(vocabulary),
        "terms.txt": blob,
        "term_words.npy": np.array(flat, np.int32),
        "term_starts.npy": np.array(offsets, np.int32),
        "term_code.npy": code_index,
        "term_root.npy": root_index,
        "term_kind.npy": np.array([KINDS.index(e.kind) for e in kept], np.uint8),
        "term_official.npy": np.array([is_official(e) for e in kept], np.uint8),
        "pair_keys.npy": pair_keys,
        "pair_starts.npy": pair_starts,
        "pair_terms.npy": pair_terms,
        "pair_bloom.npy": bloom,
        "single_keys.npy": single_keys,
        "single_starts.npy": single_starts,
        "single_terms.npy": single_terms,
        "contexts.json": json.dumps(contexts, sort_keys=True, ensure_ascii=False),
        "aliases.json": json.dumps(dict(sorted(aliases.items())), ensure_ascii=False),
    }


# Single words that are no diagnosis by themselves, however a table came by them.
EVERYDAY_WORDS: frozenset[str] = frozenset(
    "down now triple falling cocaine pin pr hr discharge stable normal fit well poor good cold hot lie stand walking sitting reading home".split()
)
# Abbreviations that are everyday words when written small.
ENGLISH_LOOKALIKES: frozenset[str] = frozenset(
    "all and are arm as at bid cad can cat do ed fit had has he her hip his hit if in is it lab lad leg let lid lie lip low map mac may me men "
    "met mom or our out pad pan par pat pen per pet pit pop rad ram ran rap red rib rip rom rub run sad sat saw see set she sip sit so sob "
    "tab tap tea ten the tic tip to toe top us was we wet who why aids care cast dips fast gas mild pain past pill rest ros chop cold "
    "doe abs tee sis soft spa spot sun ms an be by no on pe ph pm am ca ra aid ago mat ale ant app ash sad nad pain mass base".split()
)


def bloom_slot(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the slot of each pair key in the bitmap that rules most pairs out."""
    mixed = (keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(44)
    return mixed.astype(np.int64)


class Lexicon:
    """A compiled lexicon.

    Parameters
    ----------
    folder : Path
        Folder with the files :func:`compile_lexicon` returns. Their hashes are checked by the model that holds them.

    Attributes
    ----------
    word_id : dict of str to int
        Normal form to number.
    """

    def __init__(self, folder: Path) -> None:
        def array(name: str) -> NDArray[Any]:
            # a plain view: the memory map's own class makes every look-up slow
            return np.asarray(np.load(folder / name, mmap_mode="r", allow_pickle=False))

        self.words = (folder / "words.txt").read_text(encoding="utf-8").split("\n")
        self.word_id = {w: i for i, w in enumerate(self.words)}
        self.n_words = len(self.words)
        self._numbers = list(self.word_id.values())
        self._terms_file = folder / "terms.txt"
        # memory views: a number out of one is a Python number, without the cost of numpy's
        self._term_words, self._term_starts = array("term_words.npy"), array("term_starts.npy")
        self.term_words, self.term_starts = self._term_words.data, self._term_starts.data
        self.term_code = array("term_code.npy").data
        self.term_root = array("term_root.npy").data
        self.term_kind = array("term_kind.npy").data
        self.term_official = array("term_official.npy").data
        self.pair_keys = array("pair_keys.npy")
        self.pair_starts = array("pair_starts.npy")
        self.pair_terms = array("pair_terms.npy")
        self.pair_bloom = np.array(array("pair_bloom.npy"))
        self.is_paired = np.zeros(self.n_words, np.bool_)
        self.is_paired[self.pair_keys // self.n_words] = True
        self.is_paired[self.pair_keys % self.n_words] = True
        single_keys = array("single_keys.npy").tolist()
        starts = array("single_starts.npy").tolist()
        terms = array("single_terms.npy").tolist()
        self.single = {k: tuple(terms[starts[i] : starts[i + 1]]) for i, k in enumerate(single_keys)}
        self.is_single = np.zeros(self.n_words, np.bool_)
        self.is_single[single_keys] = True
        raw = json.loads((folder / "contexts.json").read_text(encoding="utf-8"))
        self.contexts: dict[int, tuple[bool, dict[str, tuple[str, ...]]]] = {
            int(k): (case, {n: tuple(v) for n, v in conditions.items()}) for k, (case, conditions) in raw.items()
        }
        self.aliases: dict[str, tuple[Alias, ...]] = {
            k: tuple(
                Alias(tuple(ids), case, written, {n: tuple(v) for n, v in cond.items()}) for written, ids, case, cond in rows
            )
            for k, rows in json.loads((folder / "aliases.json").read_text(encoding="utf-8")).items()
        }
        self.term = lru_cache(maxsize=4096)(self._term)
        self._texts = b""
        self._text_ends: NDArray[np.int64] = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.term_code)

    def _term(self, index: int) -> tuple[tuple[int, ...], int, int, int, bool]:
        """Return (word ids, code index, root index, kind, is official) of a term."""
        # the numbers of the words are kept once, however many terms have them
        words = tuple(map(self._numbers.__getitem__, self.term_words[self.term_starts[index] : self.term_starts[index + 1]]))
        return words, self.term_code[index], self.term_root[index], self.term_kind[index], bool(self.term_official[index])

    def terms_of_pairs(
        self, slots: NDArray[np.int64], part: NDArray[np.int32], words: NDArray[np.int32], parts: NDArray[np.int32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Find the terms that have a pair of words as their rarest two, and whose other words stand in the same part.

        Parameters
        ----------
        slots : int array, length n_pairs
            Places in `pair_keys`.
        part : int array, length n_pairs
            Part of the note each pair stands in.
        words, parts : int array, length n_words
            The words of the note and their parts, which never fall.

        Returns
        -------
        pairs, terms : int array
            Index of the pair, and the term; in the order of the pairs.
        """
        pairs, at = _expanded(self.pair_starts, slots)
        terms = self.pair_terms[at]
        begin = self._term_starts[terms]
        more = np.flatnonzero(self._term_starts[terms + 1] - begin > 2)
        if len(more):
            there = np.sort(parts.astype(np.int64) * self.n_words + words)
            owner, at = _expanded(self._term_starts, terms[more])
            wanted = part[pairs[more][owner]].astype(np.int64) * self.n_words + self._term_words[at]
            lacks = there[np.minimum(there.searchsorted(wanted), len(there) - 1)] != wanted
            keep = np.ones(len(terms), np.bool_)
            keep[more[owner[lacks]]] = False
            pairs, terms = pairs[keep], terms[keep]
        return pairs, terms

    def term_text(self, index: int) -> str:
        """Return the wording of a term."""
        if not self._texts:
            self._texts = self._terms_file.read_bytes()
            ends = np.flatnonzero(np.frombuffer(self._texts, np.uint8) == ord("\n"))
            self._text_ends = np.concatenate([[-1], ends, [len(self._texts)]])
        return self._texts[self._text_ends[index] + 1 : self._text_ends[index + 1]].decode("utf-8")


def _expanded(starts: NDArray[np.int32], rows: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for every entry of some rows of a ragged table the index among the rows, and its place."""
    begin = starts[rows].astype(np.int64)
    sizes = starts[rows + 1] - begin
    owner = np.arange(len(rows)).repeat(sizes)
    return owner, np.arange(len(owner)) - (sizes.cumsum() - sizes - begin).repeat(sizes)
