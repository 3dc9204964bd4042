import subprocess
import sys
from datetime import date

import pytest
from official_tables import HCPCS, INDEX, ORDER, TABULAR, order_line, write

from codesuggest.codes import Release
from codesuggest.codes.build import compile_release, folder_name
from codesuggest.errors import BundleError, ConfigError, InputFormatError


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_folder_name_is_system_and_date():
    assert folder_name("ICD-10-CM", date(2026, 4, 1)) == "icd10cm-2026-04-01"
    assert folder_name("HCPCS", date(2026, 1, 1)) == "hcpcs-2026-01-01"


def test_same_input_gives_same_bytes(tmp_path):
    file = write(tmp_path, "tabular.xml", TABULAR)
    one = compile_release(file, effective=date(2026, 4, 1), to=tmp_path / "one")
    two = compile_release(file, effective=date(2026, 4, 1), to=tmp_path / "two")
    assert contents(one) == contents(two)


@pytest.mark.parametrize("seed", ["0", "4711"])
def test_bytes_do_not_depend_on_the_hash_seed(tmp_path, seed):
    file = write(tmp_path, "tabular.xml", TABULAR)
    here = compile_release(file, effective=date(2026, 4, 1), to=tmp_path / "here")
    source = (
        "import sys; from datetime import date; from codesuggest.codes.build import compile_release; "
        "compile_release(sys.argv[1], effective=date(2026, 4, 1), to=sys.argv[2])"
    )
    environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(path for path in sys.path if path)}
    there = tmp_path / "there"
    subprocess.run([sys.executable, "-c", source, str(file), str(there)], check=True, env=environment)
    assert contents(here) == contents(there / here.name)


def test_nothing_else_is_left_in_the_folder(tmp_path):
    to = tmp_path / "releases"
    compile_release(write(tmp_path, "tabular.xml", TABULAR), effective=date(2026, 4, 1), to=to)
    assert [path.name for path in to.iterdir()] == ["icd10cm-2026-04-01"]


def test_compiling_the_same_again_changes_nothing(tmp_path):
    file = write(tmp_path, "tabular.xml", TABULAR)
    first = compile_release(file, effective=date(2026, 4, 1), to=tmp_path)
    assert compile_release(file, effective=date(2026, 4, 1), to=tmp_path) == first


def test_another_release_of_the_date_is_not_overwritten_unasked(tmp_path):
    file = write(tmp_path, "tabular.xml", TABULAR)
    folder = compile_release(file, effective=date(2026, 4, 1), to=tmp_path)
    before = contents(folder)
    other = write(tmp_path, "other.xml", TABULAR.replace("Unspecified fall", "Fall"))
    with pytest.raises(BundleError, match="CS121"):
        compile_release(other, effective=date(2026, 4, 1), to=tmp_path)
    assert contents(folder) == before
    compile_release(other, effective=date(2026, 4, 1), to=tmp_path, replace=True)
    assert Release.open(folder).title("W19") == "Fall"


def test_a_release_cannot_expire_before_it_begins(tmp_path):
    file = write(tmp_path, "tabular.xml", TABULAR)
    with pytest.raises(ConfigError, match="CS120"):
        compile_release(file, effective=date(2026, 4, 1), expires=date(2026, 3, 31), to=tmp_path)


@pytest.mark.parametrize("text", [INDEX, "A00\nA000\n"])
def test_files_that_hold_no_whole_code_table_are_refused(tmp_path, text):
    with pytest.raises(InputFormatError, match="CS118"):
        compile_release(write(tmp_path, "file", text), effective=date(2026, 4, 1), to=tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_order_file_of_pcs_becomes_a_pcs_release(tmp_path):
    text = "\n".join(
        [order_line(1, "001", 0, "Bypass"), order_line(2, "0016070", 1, "Bypass, long"), order_line(3, "B020ZZZ", 1, "Image")]
    )
    release = Release.open(compile_release(write(tmp_path, "pcs.txt", text), effective=date(2025, 10, 1), to=tmp_path))
    assert release.system == "ICD-10-PCS"
    assert release.text(1) == "0016070"
    assert release.parent("0016070") == "001"


def test_an_order_file_of_mixed_systems_is_refused(tmp_path):
    text = "\n".join(
        [order_line(1, "A00", 0, "Cholera"), order_line(2, "A000", 1, "Cholera, one"), order_line(3, "1A0", 1, "Strange")]
    )
    with pytest.raises(InputFormatError, match=r"CS126.*'1A0'.*'A000'"):
        compile_release(write(tmp_path, "mixed.txt", text), effective=date(2025, 10, 1), to=tmp_path)


def test_hcpcs_release_holds_the_codes_in_force(tmp_path):
    file = write(tmp_path, "hcpcs.txt", HCPCS)
    release = Release.open(compile_release(file, effective=date(2019, 1, 1), to=tmp_path))
    assert (release.system, [release.text(i) for i in range(len(release))]) == ("HCPCS", ["A0080"])
    earlier = Release.open(compile_release(file, effective=date(2010, 1, 1), to=tmp_path))
    assert "A0999" in earlier


def test_order_file_and_tabular_list_agree(tmp_path):
    order = Release.open(compile_release(write(tmp_path, "o.txt", ORDER), effective=date(2025, 4, 1), to=tmp_path))
    tabular = Release.open(compile_release(write(tmp_path, "t.xml", TABULAR), effective=date(2026, 4, 1), to=tmp_path))
    for i in range(len(order)):
        code = order.text(i)
        assert (order.title(code), order.is_billable(code), order.parent(code)) == (
            tabular.title(code),
            tabular.is_billable(code),
            tabular.parent(code),
        )
