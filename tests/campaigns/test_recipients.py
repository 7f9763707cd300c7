"""Recipients from files of three formats: each row becomes a recipient or a reject with its line."""

from __future__ import annotations

import csv
import io
import json
import tempfile
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.errors import CampaignError
from campaigns.recipients.ids import KnownIds, valid_id
from campaigns.recipients.reading import read_recipients, recipients_of
from campaigns.recipients.spreadsheets import spreadsheet_cell
from campaigns.records import Recipient, Reject


def read(tmp_path, raw, name="recipients.csv", language="en"):
    path = tmp_path / name
    path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    return list(read_recipients(path, language))


def outcome(rows):
    return [(row.line, str(row.reason) if isinstance(row, Reject) else row.recipient_id) for row in rows]


ROWS = [
    {"recipient_id": "a-1", "first_name": "Zoë", "amount": "1.10", "opt_in_reference": "crm", "language": "en"},
    {"recipient_id": "a-2", "first_name": "", "amount": "=1+1", "opt_in_reference": "", "language": ""},
]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_the_same_rows_are_the_same_recipients_in_each_format(tmp_path, suffix):
    path = tmp_path / f"rows.{suffix}"
    if suffix == "csv":
        text = io.StringIO()
        table = csv.DictWriter(text, list(ROWS[0]))
        table.writeheader()
        table.writerows(ROWS)
        path.write_text(text.getvalue(), encoding="utf-8")
    elif suffix == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    first, second = read_recipients(path, "en")
    assert (first.recipient_id, first.language, first.opt_in_reference) == ("a-1", "en", "crm")
    assert first.variables == {"first_name": "Zoë", "amount": "1.10"}
    assert second.variables == {"first_name": None, "amount": "=1+1"}
    assert second.language is second.opt_in_reference is None


@pytest.mark.parametrize("codec", ["utf_8", "utf_8_sig", "utf_16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_read_in_usual_encodings_and_with_usual_delimiters(tmp_path, codec, delimiter):
    text = "recipient_id,city\r\n1,Düsseldorf am Rhein\r\n2,Besançon près du Doubs\r\n".replace(",", delimiter)
    rows = read(tmp_path, text.encode(codec))
    assert [row.variables["city"] for row in rows] == ["Düsseldorf am Rhein", "Besançon près du Doubs"]


def test_csv_in_an_encoding_of_the_campaigns_language_is_read(tmp_path):
    text = "recipient_id,name\n1,東京都の田中さんです\n2,大阪府の山本さんです\n"
    assert read(tmp_path, text.encode("cp932"), language="ja")[0].variables == {"name": "東京都の田中さんです"}


def test_a_newline_in_a_cell_is_a_space_and_lines_are_counted_as_editors_do(tmp_path):
    rows = read(tmp_path, 'recipient_id,address\n1,"Main St 1\r\n\nTown"\n\n2,b\n3,"unfinished\n')
    assert rows[0].variables == {"address": "Main St 1 Town"}
    assert outcome(rows) == [(2, "1"), (6, "2"), (7, "malformed_row")]


def test_a_bad_row_is_refused_alone(tmp_path):
    raw = b'recipient_id,name\n1,ok\n2\n3,\xff\n4,a\x00b\n5,"a"b\n1,again\n../6,x\n7,' + b"x" * 1_000_000 + b"\n8,ok\n"
    assert outcome(read(tmp_path, raw)) == [
        (2, "1"), (3, "malformed_row"), (4, "broken_text"), (5, "invisible_character"), (6, "malformed_row"),
        (7, "duplicate_id"), (8, "invalid_id"), (9, "cell_too_long"), (10, "8"),
    ]  # fmt: skip


@pytest.mark.parametrize("end", ["", 'r-9,"Bob\n'])
def test_rows_that_an_open_quote_swallows_are_named(tmp_path, end):
    raw = 'recipient_id,name\nr-1,"Anna\n' + "".join(f"r-{n},Eva\n" for n in range(2, 9)) + end
    (row,) = read(tmp_path, raw.encode())
    assert row.line == 2 and f"the lines 2 to {10 if end else 9}" in row.message


def test_a_bad_line_of_json_is_refused_alone(tmp_path):
    lines = [
        '{"recipient_id": 1, "n": 12.50, "b": true, "x": null}', "[]", "{", '{"recipient_id": "2", "n": [1]}',
        '{"recipient_id": "3", "n": 1, "n": 2}', '{"recipient_id": "4", "n": NaN}',
        '{"recipient_id": "5", "n": "\\ud800"}',
        "[" * 100_000, '{"recipient_id": "6", "n": ' + "9" * 5000 + "}", "", '{"recipient_id": "7"}',
    ]  # fmt: skip
    rows = read(tmp_path, "\n".join(lines), "rows.jsonl")
    assert rows[0].variables == {"n": "12.50", "b": "true", "x": None}
    assert outcome(rows[1:]) == [
        (2, "malformed_row"), (3, "malformed_row"), (4, "malformed_row"), (5, "malformed_row"), (6, "malformed_row"),
        (7, "invisible_character"), (8, "malformed_row"), (9, "cell_too_long"), (11, "7"),
    ]  # fmt: skip


def test_bytes_in_parquet_that_are_not_text_refuse_their_row(tmp_path):
    path = tmp_path / "rows.parquet"
    names = pa.array([b"Anna", b"\xff\xfe"], pa.binary()).view(pa.string())
    table = pa.table({"recipient_id": [1, 2], "name": names, "when": pa.array([0, 0], pa.date32()), "list": [[1], [2]]})
    pq.write_table(table, path)
    first, second = read_recipients(path, "en")
    assert first.variables == {"name": "Anna", "when": "1970-01-01"}
    assert second.reason == "broken_text"


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("a.csv", b"id,name\n1,x\n", "no column recipient_id"),
        ("a.csv", b"recipient_id,a,a\n", "two columns"),
        ("a.csv", b"", "no column recipient_id"),
        ("a.csv", b"recipient_id," + b"x," * 300, "at most 200"),
        ("a.csv", b'recipient_id,a\n1,"' + b"x\n" * 5_000_000, "line 2: the row has more than"),
        ("a.csv", b"\xff\xfe\x00", "no column recipient_id"),
        ("a.parquet", b"PAR1 not really", "Parquet"),
        ("a.xlsx", b"PK", "recipients are .csv"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_what_to_do(tmp_path, name, raw, message):
    with pytest.raises(CampaignError, match=message):
        read(tmp_path, raw, name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CampaignError, match=r"gone\.csv cannot be read"):
        list(read_recipients(tmp_path / "gone.csv", "en"))


@pytest.mark.parametrize(
    "wrong",
    ["", ".", "..", "a/b", "a\\b", "../a", "a..b", "-a", "a b", "=a", "+49", "@a", "a\x00", "a\u202eb", "a\u200bb",
     "аnna", "αbc", "a:b", "con?", "x" * 129, "客" * 67, "ａ", "ı", "a\n", "a\ud800", "₁", "ǃ"],
)  # fmt: skip
def test_what_looks_like_something_else_cannot_be_an_id(wrong):
    assert valid_id(wrong) is None


@pytest.mark.parametrize(
    "right", ["1", "a@example.org", "crm-0001.b_2+x", "Zoë", "客户-12", "お客様7", "고객-1", "x" * 128]
)
def test_ids_of_the_spoken_languages_are_taken(right):
    assert valid_id(right) == right


def test_ids_are_compared_in_one_form_and_look_alikes_are_refused():
    assert valid_id("Zoe\u0308") == "Zoë"
    rows = [{"recipient_id": name} for name in ("Zoë", "Zoe\u0308", "二-1", "ニ-1", "A", "a")]
    assert outcome(recipients_of(rows)) == [
        (1, "Zoë"), (2, "duplicate_id"), (3, "二-1"), (4, "look_alike_id"), (5, "A"), (6, "look_alike_id"),
    ]  # fmt: skip


@given(st.lists(st.text(alphabet="ab1-.", max_size=4), max_size=30))
def test_an_id_is_new_once(names):
    known, seen = KnownIds(), set()
    for name in names:
        assert (known.add(name) == "new") == (name not in seen)
        seen.add(name)


@given(st.binary(max_size=400))
def test_any_bytes_after_a_header_become_rows_and_nothing_else(raw):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.csv"
        path.write_bytes(b"recipient_id,name\n" + raw)
        try:
            rows = list(read_recipients(path, "en"))
        except CampaignError:
            return
    ids = [row.recipient_id for row in rows if isinstance(row, Recipient)]
    assert len(ids) == len(set(ids))
    assert all("/" not in name and "\\" not in name and ".." not in name for name in ids)
    assert all(row.line >= 2 for row in rows)


@given(
    st.dictionaries(
        st.text(max_size=10), st.none() | st.text(max_size=50) | st.integers() | st.floats() | st.booleans()
    )
)
def test_any_object_becomes_one_row(row):
    [found] = recipients_of([row])
    assert isinstance(found, Recipient | Reject)


@given(st.text(max_size=20))
def test_no_cell_of_a_table_begins_a_formula(text):
    cell = spreadsheet_cell(text)
    assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell.endswith(text)


def test_memory_does_not_grow_with_the_number_of_rows(tmp_path):
    path = tmp_path / "many.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("recipient_id,note\n")
        file.writelines(f"r-{number},{'x' * 500}\n" for number in range(20_000))
    tracemalloc.start()
    n_rows = sum(isinstance(row, Recipient) for row in read_recipients(path, "en"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_rows == 20_000
    assert peak < 0.8 * path.stat().st_size  # 250 bytes per row for the ids, and the sample for the encoding
