"""Files of documents, as people save them."""

import msgspec
import pytest

from ingestor.tables import read_csv, read_json, read_json_lines
from wire.errors import BadData

KEYS = ("id", "t", "n")


@pytest.mark.parametrize(
    "data",
    [
        b"id,t,n\ne1,now,7\n\ne2,,8\n",
        b"\xef\xbb\xbfid;t;n\r\ne1; now ;7\r\n;;\r\ne2;;8\r\n",
        b"id\tt\tn\ne1\tnow\t7\n\ne2\t\t8",
    ],
)
def test_a_table_is_read_whoever_saved_it(data: bytes) -> None:
    rows = read_csv(data, KEYS, whole=("n",))
    assert [row.where for row in rows] == ["line 2", "line 4"]
    assert [msgspec.json.decode(row.data) for row in rows] == [
        {"id": "e1", "t": "now", "n": 7},
        {"id": "e2", "n": 8},
    ]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"id,when\n", "line 1: 'when' is no column; known: id, t, n"),
        (b"id,id\n", "line 1: 'id' stands there twice"),
        (b"id,t\n\xd6\n", "is not UTF-8 text"),
        (b'id,t\n"e1,now\n', "line 2: "),
    ],
)
def test_a_table_that_is_none_is_refused_in_words(data: bytes, says: str) -> None:
    with pytest.raises(BadData, match=says):
        read_csv(data, KEYS)


def test_a_cell_too_many_is_told_not_lost() -> None:
    [row] = read_csv(b"id,t\ne1,now,more\n", KEYS)
    assert msgspec.json.decode(row.data)["column 3"] == "more"


def test_json_is_one_or_a_list_and_lines_are_lines() -> None:
    assert [row.where for row in read_json(b' {"id": "e1"}')] == [""]
    assert [row.where for row in read_json(b"[{}, {}]")] == ["[0]", "[1]"]
    assert [row.where for row in read_json_lines(b"{}\n\n{}")] == ["line 1", "line 3"]
    with pytest.raises(BadData, match="is not JSON"):
        read_json(b"[{}")
