"""The symbol table equals the official one."""

import json

from gpt_sovits.text.symbols import PAD, PUNCTUATION, SYMBOL_IDS, SYMBOLS


def test_the_table_equals_the_official_one(shared):
    assert list(SYMBOLS) == json.loads((shared / "gpt-sovits" / "symbols_v2.json").read_text())["symbols"]


def test_the_table_has_732_different_symbols_at_known_ids():
    assert len(SYMBOLS) == len(SYMBOL_IDS) == 732
    known = {"!": 0, ".": 3, "AA": 5, PAD: 95, "…": 321, "[": 322, "ㄱ": 324, "空": 352, "Ya": 353, "Yz": 731}
    assert {symbol: SYMBOL_IDS[symbol] for symbol in known} == known
    assert set(PUNCTUATION) <= set(SYMBOLS)
