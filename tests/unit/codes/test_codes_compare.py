import pytest
from official_tables import INDEX, TABULAR, order_line, write

from codesuggest.codes.compare import compare, main
from codesuggest.codes.readers import read_tabular
from codesuggest.errors import InputFormatError


@pytest.fixture
def tabular(tmp_path):
    return write(tmp_path, "tabular.xml", TABULAR)


@pytest.fixture
def rows(tabular):
    return [[entry.code, int(entry.billable), entry.title] for entry in read_tabular(tabular).codes]


def order(folder, rows):
    return write(folder, "order.txt", "\n".join(order_line(i, *row) for i, row in enumerate(rows, start=1)))


def test_compare_finds_no_difference_where_there_is_none(tmp_path, tabular, rows):
    found = compare(tabular, order(tmp_path, rows))
    assert found.is_same
    assert (found.titles, found.accents) == ((), ())
    assert found.n_codes == len(rows)


def test_compare_finds_each_kind_of_difference(tmp_path, tabular, rows):
    rows[0][2] = "Another title"
    rows[1][2] = rows[1][2].replace("e", "é", 1)
    rows[2][1] = 1
    rows[3][0] = "E117"
    found = compare(tabular, order(tmp_path, rows))
    assert not found.is_same
    assert [row[0] for row in found.titles] == ["E10"]
    assert [row[0] for row in found.accents] == ["E109"]
    assert (found.billable, found.only_tabular, found.only_other) == (("E11",), ("E116",), ("E117",))


def test_main_prints_and_exits_with_the_answer(tmp_path, tabular, rows, capsys):
    assert main([str(tabular), str(order(tmp_path, rows))]) == 0
    assert "0 only in the Tabular List" in capsys.readouterr().out
    rows[3][0] = "E117"
    assert main([str(tabular), str(order(tmp_path, rows))]) == 1
    assert "E11.7" in capsys.readouterr().out


def test_main_says_what_a_plain_list_cannot_tell(tmp_path, tabular, rows, capsys):
    listed = write(tmp_path, "codes.txt", "\n".join(["4", "E08-E13", *(row[0] for row in rows)]))
    assert main([str(tabular), str(listed)]) == 0
    assert "not compared" in capsys.readouterr().out


def test_main_gives_one_line_for_a_wrong_file(tmp_path, tabular, capsys):
    index = write(tmp_path, "index.xml", INDEX)
    assert main([str(index), str(tabular)]) == 2
    assert main([str(tabular), str(index)]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_compare_refuses_a_file_that_is_no_list(tmp_path, tabular):
    with pytest.raises(InputFormatError, match="CS118"):
        compare(tabular, write(tmp_path, "index.xml", INDEX))
