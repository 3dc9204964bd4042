import hashlib
import json
import pickle
import shutil
from datetime import date

import numpy as np
import pytest
from official_tables import ORDER, TABULAR, write

from codesuggest.codes import CodeRange, Release
from codesuggest.codes.build import compile_release
from codesuggest.codes.release import manifest_sha256
from codesuggest.errors import BundleError, ConfigError, InvalidCodeError, PrerequisiteError, UnknownCodeError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("release")
    return compile_release(write(base, "tabular.xml", TABULAR), effective=date(2026, 4, 1), to=base)


@pytest.fixture(scope="module")
def release(folder):
    return Release.open(folder)


@pytest.fixture
def order_release(tmp_path):
    return Release.open(compile_release(write(tmp_path, "order.txt", ORDER), effective=date(2025, 4, 1), to=tmp_path))


def test_release_says_what_it_is(release):
    assert (release.system, release.name) == ("ICD-10-CM", "ICD-10-CM 2026-04-01")
    assert (release.effective, release.expires) == (date(2026, 4, 1), None)
    assert len(release.sha256) == 64
    assert len(release) == len(release.codes) == len(release.billable)
    assert repr(release).startswith("<Release ICD-10-CM 2026-04-01: ")


@pytest.mark.parametrize("text", ["E11.65", "E1165", "e11.65", " e1165 "])
def test_codes_are_found_as_people_write_them(release, text):
    assert text in release
    assert release.resolve(text) == "E11.65"
    assert release.text(release.index(text)) == "E11.65"


@pytest.mark.parametrize("text", ["E11.66", "E1", "", "E11.65.1", "é", "E11.65 E11.9", "S72.001AAA"])
def test_other_texts_are_not_in_the_release(release, text):
    assert text not in release


def test_things_that_are_no_text_are_not_in_the_release(release):
    assert None not in release
    assert 11 not in release


def test_index_refuses_an_unknown_code_and_names_the_way_out(release):
    with pytest.raises(UnknownCodeError) as caught:
        release.index("E11.66")
    assert caught.value.error_id == "CS102"
    assert "under E11.6: E11.65" in caught.value.message


def test_index_of_a_code_below_a_leaf_names_the_leaf(release):
    with pytest.raises(UnknownCodeError, match=r"Use E11\.9\."):
        release.index("E11.91")


def test_index_of_an_unknown_category_says_so(release):
    with pytest.raises(UnknownCodeError, match="category I10 does not exist"):
        release.index("I10")


def test_index_tells_wrong_format_from_unknown(release):
    with pytest.raises(InvalidCodeError, match="CS100"):
        release.index("E1.1")


def test_title_of_a_made_code_is_composed(release):
    assert release.title("W19.XXXA") == "Unspecified fall, initial encounter"
    assert release.title("S72.471A") == "Torus fracture of lower end of right femur, initial encounter for fracture"
    assert release.title("E11.65") == "Type 2 diabetes mellitus with hyperglycemia"


def test_billable_marks_the_leaves(release):
    billable = {release.text(i) for i in range(len(release)) if release.billable[i]}
    leaves = {release.text(i) for i in range(len(release)) if release.subtree_range(i) == (i, i + 1)}
    assert billable == leaves
    assert release.is_billable("E11.65")
    assert not release.is_billable("E11.6")


@pytest.mark.parametrize(
    ("code", "parent"),
    [
        ("E11.65", "E11.6"),
        ("E11", None),
        ("S72.001A", "S72.001"),
        ("T36.0X1A", "T36.0X1"),
        ("W19.XXXA", "W19"),
        ("T14.8XXA", "T14.8"),
    ],
)
def test_parent_is_one_level_up(release, code, parent):
    assert release.parent(code) == parent


def test_ancestors_come_nearest_first(release):
    assert release.ancestors("S72.001A") == ("S72.001", "S72.00", "S72.0", "S72")


def test_children_are_one_level_down(release):
    assert release.children("E11") == ("E11.6", "E11.9")
    assert release.children("S72.001") == ("S72.001A", "S72.001B", "S72.001S")
    assert release.children("E11.65") == ()


def test_descendants_may_be_billable_only(release):
    assert release.descendants("E11") == ("E11.6", "E11.65", "E11.9")
    assert release.descendants("E11", billable_only=True) == ("E11.65", "E11.9")


def test_every_subtree_is_a_contiguous_range(release):
    codes = [text.decode() for text in release.codes.tolist()]
    for i, code in enumerate(codes):
        low, high = release.subtree_range(i)
        assert [j for j, other in enumerate(codes) if other.startswith(code)] == list(range(low, high))


def test_arrays_are_read_only(release):
    with pytest.raises(ValueError, match="read-only"):
        release.codes[0] = b"X"
    with pytest.raises(ValueError, match="read-only"):
        release.billable[0] = 0


def test_chapter_and_block(release):
    assert release.chapter("E11.65").number == 4
    assert release.chapter("E11.65").title == "Endocrine, nutritional and metabolic diseases"
    assert release.block("E11.65").id == "E08-E13"
    assert release.block("T14.8XXA").id == "T14"
    assert [chapter.number for chapter in release.chapters] == [4, 7, 19, 20]
    assert "T07-T88" in [block.id for block in release.blocks]


def test_notes_stand_where_they_were_written(release):
    assert [(n.kind, n.text, n.code) for n in release.notes("E11", "use_additional_code")] == [
        ("use_additional_code", "code to identify control using:", "E11"),
        ("use_additional_code", "insulin (Z79.4)", "E11"),
    ]
    assert release.notes("E11.9") == ()


def test_notes_are_inherited_from_codes_blocks_and_chapter(release):
    assert [n.code for n in release.notes("E11.65", "excludes1", inherited=True)] == ["E11", "E11", "chapter 4"]
    assert [n.code for n in release.notes("T36.0X1A", "note", inherited=True)] == ["T07-T88"]


def test_notes_refuse_an_unknown_kind(release):
    with pytest.raises(ConfigError, match=r"CS123.*excludes1"):
        release.notes("E11", "exclude1")


def test_excludes1_names_only_codes_the_release_has(release):
    assert release.excludes1("E11.65") == (CodeRange("E10", "E10"),)
    assert any("E11.65" in codes for codes in release.excludes1("E10.9"))
    assert release.excludes1("W19.XXXA") == ()


def test_seventh_characters_are_those_in_force(release):
    assert list(release.seventh_characters("S72")) == ["A", "B", "S"]
    assert release.seventh_characters("S72.47") == {"A": "initial encounter for fracture", "S": "sequela"}
    assert release.seventh_characters("S06.1X7") == {"A": "initial encounter"}
    assert release.seventh_characters("E11.65") == {}


def test_seventh_characters_of_a_whole_code_are_its_choices(release):
    assert release.seventh_characters("W19.XXXA") == release.seventh_characters("W19")


def test_inclusion_terms_come_with_their_codes(release):
    assert list(release.inclusion_terms()) == [("E11.65", "Type 2 diabetes mellitus with Sjögren's [odd] term")]


def test_card_holds_it_all(release):
    card = release.card("e11.6")
    assert (card.code, card.billable, card.ancestors, card.children) == ("E11.6", False, ("E11",), ("E11.65",))
    assert card.notes is not None
    assert card.block is not None


def test_a_release_of_an_order_file_says_that_it_knows_no_notes(order_release):
    assert order_release.title("E11.65") == "Type 2 diabetes mellitus with hyperglycemia"
    assert order_release.children("E11") == ("E11.6", "E11.9")
    assert not order_release.has_notes
    for ask in (
        order_release.notes,
        order_release.excludes1,
        order_release.seventh_characters,
        order_release.chapter,
        order_release.block,
    ):
        with pytest.raises(PrerequisiteError, match="CS124"):
            ask("E11.65")
    with pytest.raises(PrerequisiteError, match="CS124"):
        list(order_release.inclusion_terms())
    assert order_release.card("E11.65").notes is None


def test_release_travels_between_processes(release):
    copy = pickle.loads(pickle.dumps(release))  # noqa: S301 - our own bytes
    assert copy.sha256 == release.sha256
    assert copy.title("E11.9") == release.title("E11.9")


def test_verify_accepts_what_was_compiled(release):
    release.verify()


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_open_refuses_one_flipped_byte_in_any_file(folder, copy):
    for path in sorted(copy.iterdir()):
        whole = path.read_bytes()
        for place in (0, len(whole) // 2, len(whole) - 1):
            damaged = bytearray(whole)
            damaged[place] ^= 0x01
            path.write_bytes(bytes(damaged))
            with pytest.raises(BundleError):
                Release.open(copy)
        path.write_bytes(whole)
    assert Release.open(copy).sha256 == Release.open(folder).sha256


def test_open_refuses_a_shorter_file_without_hashing(copy):
    path = copy / "codes.npy"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(BundleError, match=r"CS105.*bytes"):
        Release.open(copy, check_hashes=False)


def test_open_names_a_missing_file(copy):
    (copy / "parent.npy").unlink()
    with pytest.raises(BundleError, match=r"CS107.*parent\.npy"):
        Release.open(copy)


def test_open_refuses_a_folder_that_is_no_release(tmp_path):
    with pytest.raises(BundleError, match="CS104"):
        Release.open(tmp_path)


def rewrite(folder, **changes):
    """Write a manifest whose own hash is right."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes()) | changes
    manifest["sha256"] = manifest_sha256(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize(("number", "advice"), [(99, "Update the library"), (0, "Compile the release again")])
def test_open_refuses_another_format(copy, number, advice):
    rewrite(copy, format=number)
    with pytest.raises(BundleError, match=f"CS106.*{advice}"):
        Release.open(copy)


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense", "[" * 100_000, '{"format": "1"}', '{"format": 1}'])
def test_open_refuses_a_manifest_that_is_none(copy, text):
    (copy / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(BundleError, match="CS105"):
        Release.open(copy)


def test_open_refuses_files_the_format_does_not_know(copy):
    files = json.loads((copy / "manifest.json").read_bytes())["files"]
    rewrite(copy, files={**files, "../../outside.npy": files["codes.npy"]})
    with pytest.raises(BundleError, match="CS105"):
        Release.open(copy)


def test_open_never_unpickles(copy):
    path = copy / "billable.npy"
    np.save(path, np.array([date(2026, 4, 1)], dtype=object), allow_pickle=True)
    files = json.loads((copy / "manifest.json").read_bytes())["files"]
    data = path.read_bytes()
    rewrite(copy, files={**files, path.name: {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}})
    with pytest.raises(BundleError, match=r"CS105.*billable\.npy is not an array"):
        Release.open(copy)


def test_verify_finds_what_open_without_hashes_lets_pass(copy):
    path = copy / "title_text.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 0x01
    path.write_bytes(bytes(data))
    release = Release.open(copy, check_hashes=False)
    with pytest.raises(BundleError, match="CS105"):
        release.verify()
