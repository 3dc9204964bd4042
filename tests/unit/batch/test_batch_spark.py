"""The function by its contract: record batches in, record batches out, lazily. A local Spark runs the same where it is installed."""

import os
import sys
from functools import partial

import pytest
from batch_helpers import rows

from codesuggest.batch import arrow_schema, spark_schema, spark_score
from codesuggest.errors import ConfigError
from codesuggest.records import Note

pa = pytest.importorskip("pyarrow")


def batches(n, size):
    table = pa.Table.from_pylist([*rows(n), {"note_id": "bad", "text": None}])
    return table.to_batches(max_chunksize=size)


def test_spark_score_yields_batches_of_the_published_schema(suggester):
    found = list(spark_score(iter(batches(10, 4))))
    assert all(isinstance(b, pa.RecordBatch) and b.schema.equals(arrow_schema()) for b in found)
    lines = [row for b in found for row in b.to_pylist()]
    assert [row["note_id"] for row in lines] == [*(r["note_id"] for r in rows(10)), "bad"]
    assert lines[-1]["error"]["id"] == "CS153"
    expected = suggester.suggest(Note(**rows(1)[0])).to_dict()
    assert [s["code"] for s in lines[0]["suggestions"]] == [s["code"] for s in expected["suggestions"]]


def test_spark_score_does_not_depend_on_the_batches():
    one, other = (pa.Table.from_batches(spark_score(batches(10, size), flat=True)) for size in (3, 100))
    assert one.equals(other)


def test_spark_score_is_lazy():
    taken = []

    def source():
        for batch in batches(8, 2):
            taken.append(batch)
            yield batch

    next(spark_score(source()))
    assert len(taken) == 1


def test_spark_score_gives_pandas_for_pandas():
    pytest.importorskip("pandas")
    frame = next(spark_score([batches(3, 10)[0].to_pandas()], flat=True))
    assert "I10" in set(frame["code"])


def test_spark_score_names_a_missing_column():
    with pytest.raises(ConfigError, match="CS552"):
        next(spark_score(batches(2, 2), columns={"text": "NOTE"}))


def test_spark_schema_names_every_column():
    assert all(f"`{name}` " in spark_schema() for name in arrow_schema().names)
    assert "`evidence`: ARRAY<STRUCT<`start`: BIGINT" in spark_schema()


@pytest.mark.filterwarnings("ignore")
def test_spark_score_in_a_local_spark(monkeypatch):
    sql = pytest.importorskip("pyspark.sql")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(p for p in sys.path if p))
    session = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        table = session.createDataFrame(rows(12)).repartition(3)
        flat = table.mapInArrow(partial(spark_score, flat=True), schema=spark_schema(flat=True)).collect()
        nested = table.mapInArrow(spark_score, schema=spark_schema()).collect()
    finally:
        session.stop()
    assert {row["note_id"] for row in flat} == {r["note_id"] for r in rows(12)}
    assert "I10" in {row["code"] for row in flat}
    assert len(nested) == 12
    assert all(row["suggestions"][0]["evidence"][0]["excerpt"] for row in nested)
