import pytest

from codesuggest.codes import CodeRange, find_ranges


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("angina pectoris (I20.-)", ["I20"]),
        ("vertebrae (S12.0-S12.3-, S22.0-, S32.0-)", ["S12.0-S12.3", "S22.0", "S32.0"]),
        ("(I70.2--I70.7-)", ["I70.2-I70.7"]),
        ("(P28.3- - P28.4-)", ["P28.3-P28.4"]),
        ("(S12.0--S12.6.-)", ["S12.0-S12.6"]),
        ("(I01.0 -I01.9)", ["I01.0-I01.9"]),
        ("(S00 - S09)", ["S00-S09"]),
        ("(M05.00 to M05.8A)", ["M05.00-M05.8A"]),
        ("(O00-O9A)", ["O00-O9A"]),
        ("(A00-R94 and T80-T88.6, T88.8)", ["A00-R94", "T80-T88.6", "T88.8"]),
        ("(I60.-. I61.-, I62.-)", ["I60", "I61", "I62"]),
        ("(J00-J06; J20-J22)", ["J00-J06", "J20-J22"]),
        ("electrolyte imbalance (E87.8}", ["E87.8"]),
        ("acquired absence (Z89.52-", ["Z89.52"]),
        ("excessive crying of infant (baby) R68.11", ["R68.11"]),
        ("hearing loss as classified in H90.-", ["H90"]),
        ("conditions classifiable to S06.0- to S06.8-code to specified intracranial injury", ["S06.0-S06.8"]),
        (
            "concussion with other injuries classified in S06.1- to S06.6-, and S06.81- to S06.89-, code to it",
            ["S06.1-S06.6", "S06.81-S06.89"],
        ),
        ("any type in A15 (J65)", ["J65"]),
        ("influenza A/H1N1 (J10.-)", ["J10"]),
        ("polyneuropathy (in):", []),
        ("current injury - see Injury, of spine, by body region", []),
    ],
)
def test_find_ranges_reads_the_wordings_of_the_tabular_list(text, printed):
    assert [str(codes) for codes in find_ranges(text)] == printed


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (
            "(T36-T50 with fifth or sixth character 5)",
            ["T36.0X5A", "T39.015", "T50.A15D"],
            ["T36.0X1A", "T45.511A", "T51.0X5"],
        ),
        ("(T51-T65 with fifth or sixth character 1-4)", ["T58.01XA", "T63.451A"], ["T63.455A", "T50.901A"]),
        ("(V01-V09 with 5th character 9)", ["V01.09XA"], ["V01.00XA"]),
        ("(E08-E13 with .51-.52)", ["E11.51", "E08.52"], ["E11.59", "E14.51"]),
        ("(E08-E13 with .62-)", ["E11.621"], ["E11.65"]),
        ("(F10-F19, with .17, .27, .97)", ["F10.27"], ["F10.20"]),
        ("(F11-F19 with .15. .25, .95)", ["F11.150", "F14.259"], ["F11.10"]),
        ("(F10-F19 with 5th character .6)", ["F10.26"], ["F10.20"]),
        ("(F11-F19 with fifth to sixth characters 51)", ["F11.151"], ["F11.150"]),
        ("(E08, E09, E11, E13 with final characters .00 or .01)", ["E08.00", "E11.01"], ["E11.10", "E10.00"]),
        ("(I69. with final characters -23)", ["I69.323"], ["I69.23", "I69.320"]),
        ("(T36-T50 with final character 6)", ["T36.0X6A"], ["T36.0X5A"]),
        ("(S42.- with 7th character B or C)", ["S42.001B"], ["S42.001A"]),
        ("(S92.-with 7th character B)", ["S92.001B"], ["S92.001A"]),
        ("(S52.- with open fracture 7th character)", ["S52.001C", "S52.001R"], ["S52.001A", "S52.001S"]),
        ("(S06.0X- with seventh character A)", ["S06.0X0A"], ["S06.0X0D"]),
        ("(A37 with fifth-character 1)", ["A37.01"], ["A37.00"]),
        ("leukemia in remission C91.0-C95.9 with 5th character 1", ["C91.01"], ["C91.00"]),
        ("see categories E08-E10, E11, E13 with ketoacidosis", ["E11.10", "E10.11"], ["E11.65", "E11.9"]),
        ("(T51-T65 with fifth or sixth character to indicate intent)", ["T51.0X1A"], ["T50.0X1A"]),
    ],
)
def test_restrictions_narrow_a_range(text, inside, outside):
    ranges = find_ranges(text)
    assert ranges
    assert [code for code in inside if not any(code in codes for codes in ranges)] == []
    assert [code for code in outside if any(code in codes for codes in ranges)] == []


def test_a_restriction_that_is_not_understood_drops_its_codes():
    assert find_ranges("(E08-E13 with a new kind of wording)") == ()


@pytest.mark.parametrize("code", ["E08", "E08.0", "E11.65", "e1165", "E13", "E13.9"])
def test_contains_both_ends_and_everything_below(code):
    assert code in CodeRange("E08", "E13")


@pytest.mark.parametrize("code", ["E07.9", "E14", "I10", "", 11, None])
def test_contains_nothing_else(code):
    assert code not in CodeRange("E08", "E13")


def test_a_category_is_not_inside_a_range_of_its_subcategories():
    assert "E11" not in CodeRange("E11311", "E11359")
    assert "E11.321" in CodeRange("E11311", "E11359")
