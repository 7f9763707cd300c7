"""Layouts of transcripts as people have them, each written into a folder by a function.

`READ` are those that are read, `REFUSED` those that stop the run with one sentence.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

NAMES = ("anna_001", "anna_002", "anna_003")
TEXTS = ('He said "yes" to it.', "Well, that is; after all, so.", "Only the third.")
Writer = Callable[[Path], None]
LIST = ["anna", "EN"]


def write(path: Path, text: str, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))


def lines(rows: Iterable[Sequence[str]], delimiter: str = "|", end: str = "\n") -> str:
    """Rows without any quoting, as LJSpeech has them."""
    return "".join(delimiter.join(row) + end for row in rows)


def quoted(rows: Iterable[Sequence[str]], delimiter: str = ",", quoting: int = csv.QUOTE_MINIMAL) -> str:
    """Rows as Python's csv module writes them."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, quoting=quoting).writerows(rows)
    return text.getvalue()


def pairs(name: str = "{}") -> list[list[str]]:
    return [[name.format(each), text] for each, text in zip(NAMES, TEXTS, strict=True)]


def triples(name: str = "{}") -> list[list[str]]:
    return [[each, text.upper(), text] for each, text in pairs(name)]


def list_rows(name: str, language: str = "EN") -> list[list[str]]:
    return [[each, "anna", language, text] for each, text in pairs(name)]


def table(file: str, text: str, audio: str = "{}.wav", encoding: str = "utf-8") -> Writer:
    """A layout of one file for all recordings."""

    def make(folder: Path) -> None:
        move_audio(folder, audio)
        write(folder / file, text, encoding)

    return make


def move_audio(folder: Path, to: str) -> None:
    for name in NAMES:
        if (folder / f"{name}.wav").exists() and to != "{}.wav":
            (folder / to.format(name)).parent.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.wav").rename(folder / to.format(name))


def beside(file: str, content: Callable[[str], str], audio: str = "{}.wav", encoding: str = "utf-8") -> Writer:
    """A layout of one file for each recording."""

    def make(folder: Path) -> None:
        move_audio(folder, audio)
        for name, text in pairs():
            write(folder / file.format(name), content(text), encoding)

    return make


def link(path: Path) -> None:
    """Move a file out of the voice's folder, and leave a link to it."""
    target = path.rename(path.parents[2] / path.name)
    path.symlink_to(target)


def several(*writers: Writer) -> Writer:
    def make(folder: Path) -> None:
        for writer in writers:
            writer(folder)

    return make


def cues(text: str, mark: str = ",") -> str:
    """Subtitles of two cues, with tags, a note and the name of a speaker, which are not spoken."""
    head, tail = text.split(" ", 1)
    times = f"00:00:00{mark}100 --> 00:00:00{mark}500", f"00:00:00{mark}500 --> 00:00:00{mark}900"
    return f"1\n{times[0]}\n[music]\nANNA: <i>{head}</i>\n\n2\n{times[1]}\n{tail}\n"


def whisper(text: str) -> str:
    head, tail = text.split(" ", 1)
    segments = [
        {"id": 0, "start": 0.0, "end": 0.5, "text": f" {head}"},
        {"id": 1, "start": 0.5, "end": 1, "text": f" {tail}"},
    ]
    return json.dumps({"text": f" {text}", "segments": segments, "language": "en"})


def textgrid(text: str, tier: str = "words") -> str:
    words = text.replace('"', '""').split()
    step = 1 / len(words)
    intervals = [(i * step, (i + 1) * step, word) for i, word in enumerate(words)]
    body = "".join(f'{start}\n{end}\n"{word}"\n' for start, end, word in intervals)
    phones = '"IntervalTier"\n"phones"\n0\n1\n1\n0\n1\n"AH0"\n'
    head = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1\n<exists>\n2\n'
    return f'{head}"IntervalTier"\n"{tier}"\n0\n1\n{len(intervals)}\n{body}{phones}'


def labels(text: str) -> str:
    head, tail = text.split(" ", 1)
    return f"0.000000\t0.500000\t{head}\n0.500000\t1.000000\t{tail}\n"


def spaced_labels(text: str, *, unit: float = 1e7) -> str:
    """As HTK has them in units of 100 ns, with silence around the words."""
    words = ["sil", *text.split(), "sil"]
    times = [round(unit * place / len(words)) for place in range(len(words) + 1)]
    return "".join(f"{start} {end} {word}\n" for start, end, word in zip(times, times[1:], words, strict=False))


def records(name: str = "{}.wav", key: str = "audio_filepath", text: str = "text") -> list[dict[str, object]]:
    return [{key: each, "duration": 1.0, text: said} for each, said in pairs(name)]


def json_lines(rows: Iterable[object]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


HEADER = ["file", "text"]
READ: dict[str, Writer] = {
    "LJSpeech, 2 columns": table("metadata.csv", lines(pairs()), "wavs/{}.wav"),
    "LJSpeech, 3 columns": table("metadata.csv", lines(triples()), "wavs/{}.wav"),
    "LJSpeech, 3 columns of which the last is empty": table("metadata.csv", lines([*row, ""] for row in pairs())),
    "LJSpeech, the second column is empty": table("metadata.txt", lines([name, "", text] for name, text in pairs())),
    "LJSpeech with a header": table("metadata.csv", lines([["id", "text", "normalized_text"], *triples()])),
    "LJSpeech with quotes": table("metadata.csv", quoted(pairs(), "|", csv.QUOTE_ALL)),
    "LJSpeech from pandas": table("metadata.csv", quoted([HEADER, *pairs()], "|")),
    "LJSpeech with Windows line ends": table("metadata.csv", lines(pairs(), end="\r\n")),
    "LJSpeech with old Mac line ends": table("metadata.csv", lines(pairs(), end="\r")),
    "LJSpeech in UTF-16": table("metadata.csv", lines(pairs()), encoding="utf-16"),
    "LJSpeech in UTF-16LE without a mark": table("metadata.csv", lines(pairs()), encoding="utf-16-le"),
    "LJSpeech in UTF-16BE without a mark": table("metadata.csv", lines(pairs()), encoding="utf-16-be"),
    "LJSpeech in UTF-8 with a mark": table("metadata.csv", lines(pairs()), encoding="utf-8-sig"),
    "Metadata.csv": table("Metadata.csv", lines(pairs())),
    "metadata.txt": table("metadata.txt", lines(pairs())),
    "metadata.tsv": table("metadata.tsv", lines(pairs(), "\t")),
    "transcripts.txt": table("transcripts.txt", lines(pairs("{}.wav"), "\t")),
    "train.txt": table("train.txt", lines(pairs("wavs/{}.wav")), "wavs/{}.wav"),
    "metadata_train.csv and metadata_eval.csv": several(
        table("metadata_train.csv", lines(triples()[:2])), table("metadata_eval.csv", lines(triples()[2:]))
    ),
    "sub/metadata.csv beside sub/wavs": table("sub/metadata.csv", lines(pairs()), "sub/wavs/{}.wav"),
    "sub/metadata.csv, audio above it": table("sub/metadata.csv", lines(pairs())),
    "audio in clips": table("metadata.csv", lines(pairs()), "clips/{}.wav"),
    "audio in a folder of any name": table("metadata.csv", lines(pairs()), "take 2/{}.wav"),
    "comma CSV with a header": table("metadata.csv", quoted([["path", "sentence"], *pairs("{}.wav")])),
    "comma CSV without a header": table("metadata.csv", quoted(pairs("{}.wav"))),
    "comma CSV with unquoted commas": table("data.csv", lines([HEADER, *pairs("{}.wav")], ",")),
    "comma CSV with the text first": table(
        "data.csv", quoted([["Text", "File Name"], *[row[::-1] for row in pairs()]])
    ),
    "semicolon CSV": table("data.csv", quoted([["Filename", "Transcription"], *pairs("{}.wav")], ";")),
    "Common Voice TSV": table(
        "validated.tsv",
        lines([["client_id", "path", "sentence", "age"], *[["a1", *row, ""] for row in pairs("{}.mp3")]], "\t"),
        "clips/{}.wav",
    ),
    "VCTK": several(
        beside("txt/p225/{}.txt", str, "wav48/p225/{}.wav"),
    ),
    "VCTK 0.92": several(beside("txt/p225/{}.txt", str, "wav48_silence_trimmed/p225/{}_mic1.wav")),
    "id|speaker|text": table("metadata.csv", lines([name, "p225", text] for name, text in pairs())),
    "id|text|speaker": table("metadata.csv", lines([name, text, "p225"] for name, text in pairs())),
    "path|number|text of VITS": table("train.txt", lines([name, "0", text] for name, text in pairs("data/{}.wav"))),
    "path|speaker|language|text": table("train.txt", lines(list_rows("Data/anna/{}.wav"))),
    ".list": table("anna.list", lines(list_rows("wavs/{}.wav")), "wavs/{}.wav"),
    ".list of a Linux machine": table("anna.list", lines(list_rows("/root/output/slicer/{}.wav"))),
    ".list of a Windows machine": table("anna.list", lines(list_rows("D:\\GPT-SoVITS\\output\\{}.wav"))),
    ".list with bare names": table("anna.list", lines(list_rows("{}.wav")), "wavs/{}.wav"),
    ".list without speakers": table("anna.list", lines([n, "", "en", t] for n, _, _, t in list_rows("{}.wav"))),
    "LibriSpeech": table("84-1.trans.txt", lines(pairs(), " ")),
    "Kaldi": table("text", lines(pairs(), " ")),
    "NeMo manifest": table("manifest.json", json.dumps(records())),
    "NeMo manifest.json, one object per line": table("manifest.json", json_lines(records("/data/{}.wav"))),
    "NeMo manifest, one object per line": table("manifest.jsonl", json_lines(records("/data/{}.wav"))),
    "metadata.jsonl of Hugging Face": table(
        "metadata.jsonl", json_lines(records("audio/{}.wav", "file_name", "transcription")), "audio/{}.wav"
    ),
    "JSON object of names": table("texts.json", json.dumps(dict(pairs("{}.wav")))),
    "JSON object with a list": table("texts.json", json.dumps({"version": 1, "data": records()})),
    "x.json of Whisper": beside("{}.json", whisper),
    "x.json of segments": beside(
        "{}.json", lambda text: json.dumps({"segments": json.loads(whisper(text))["segments"]})
    ),
    "x.srt": beside("{}.srt", cues),
    "x.en.srt": beside("{}.en.srt", cues),
    "x.srt in cp1252": beside("{}.srt", lambda text: cues(text.replace('"', "\u201c")), encoding="cp1252"),
    "SubRip in x.txt": beside("{}.txt", cues),
    "x.vtt": beside("{}.vtt", lambda text: f"WEBVTT - title\n\nNOTE by hand\n\n{cues(text, '.')}"),
    "x.TextGrid": beside("{}.TextGrid", textgrid),
    "x.TextGrid with one tier for each speaker": beside("{}.TextGrid", lambda text: textgrid(text, "anna - words")),
    "x.txt of Audacity": beside("{}.txt", labels),
    "x.lab of HTK": beside("{}.lab", spaced_labels),
    "x.lab of HTK with tabs": beside("{}.lab", lambda text: spaced_labels(text).replace(" ", "\t")),
    "x.wrd of TIMIT": beside("{}.wrd", lambda text: spaced_labels(text, unit=16000).replace("sil", "h#")),
    "x.txt of TIMIT and its x.wrd": several(
        beside("{}.txt", lambda text: f"0 16000 {text}\n"), beside("{}.wrd", lambda text: spaced_labels(text.lower()))
    ),
    "x.txt with a time before each line": beside(
        "{}.txt", lambda text: "[0:00] {}\n[0:01] {}\n".format(*text.split(" ", 1))
    ),
    "x.tsv of Whisper": beside("{}.tsv", lambda text: f"start\tend\ttext\n0\t900\t{text}\n"),
    "x.lab": beside("{}.lab", str),
    "x.txt": beside("{}.txt", str),
    "x.text": beside("{}.text", str),
    "x.wav.transcript": beside("{}.wav.transcript", str),
    "x.txt in folders of their own": beside("texts/{}.txt", str, "audio/{}.wav"),
    "x.TXT and x.WAV": beside("{}.TXT", str, "{}.WAV"),
    "x.wav.txt": beside("{}.wav.txt", str),
    "x.normalized.txt and x.original.txt": several(
        beside("{}.normalized.txt", str), beside("{}.original.txt", lambda text: f"{text} 1871")
    ),
    "x.original.txt": beside("{}.original.txt", str),
    "another case of letters": table("metadata.csv", lines([name.upper(), text] for name, text in pairs())),
    "another ending of audio": table("metadata.csv", lines(pairs("{}.mp3"))),
    "tags and names of speakers": beside("{}.txt", lambda text: f"<b>ANNA:</b> {text} [laughs]\n"),
    "all that Whisper writes": several(
        *(beside(f"{{}}.{ending}", write) for ending, write in (("txt", str), ("json", whisper), ("srt", cues)))
    ),
    "a table and a text that says the same": several(table("metadata.csv", lines(pairs())), beside("{}.txt", str)),
    "a README beside the table": several(
        table("metadata.csv", lines(pairs())), lambda folder: write(folder / "README.txt", "By a friend.")
    ),
    "droppings of an archive": several(
        table("metadata.csv", lines(pairs())),
        lambda folder: write(folder / "__MACOSX/._metadata.csv", "\0"),
        lambda folder: write(folder / "Thumbs.db", "\0"),
    ),
}
REFUSED: dict[str, tuple[Writer, str]] = {
    "names that are nowhere": (
        table("metadata.csv", lines(pairs("other_{}"))),
        r"0 of 3 rows of metadata\.csv found their audio; the first names 'other_anna_001'\. 3 recordings, such as "
        r"'anna_001\.wav', would get the recogniser's text instead",
    ),
    "one name that is nowhere": (
        table("metadata.csv", lines([*pairs()[:2], ["anna_03", TEXTS[2]]])),
        r"1 transcript found no audio, the first: metadata\.csv:3 names 'anna_03'\. Recording 'anna_003\.wav' would",
    ),
    "one text of another name": (
        several(beside("{}.txt", str), lambda folder: (folder / "anna_003.txt").rename(folder / "anna_03.txt")),
        r"the first: anna_03\.txt: transcript without audio",
    ),
    "columns that could be anything": (
        table("metadata.csv", lines([name, "x", "y", text] for name, text in pairs())),
        r"metadata\.csv: has 4 columns without names; name them in a first line, such as `file\|text` or `file",
    ),
    "a speaker or a text": (
        table("metadata.csv", lines([[NAMES[0], TEXTS[0], "anna smith"]])),
        r"has three columns, and 'He said .* or 'anna smith' may be the text; name them",
    ),
    "phonemes behind the text": (
        table("a.list.cleaned.csv", lines([*row, "HH IY", "1 1"] for row in list_rows("{}.wav"))),
        "has 6 columns without names",
    ),
    "CSV that is not closed": (
        table("metadata.csv", 'file,text\nanna_001.wav,"He said\nanna_002.wav,Well\n'),
        r"metadata\.csv: line 2 is not CSV",
    ),
    "a table that is empty": (table("metadata.csv", "\n"), r"metadata\.csv: is empty\. 3 recordings"),
    "a picture called metadata.csv": (
        lambda folder: (folder / "metadata.csv").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xd8"),
        r"metadata\.csv: is not UTF-8 \(byte 0 is 0x89\)",
    ),
    "JSON that is cut": (table("manifest.json", json.dumps(records())[:-9]), r"manifest\.json: is not JSON"),
    "JSON of another shape": (table("a.json", '{"rows": 3}'), r"a\.json: holds JSON in another shape than"),
    "an Excel table": (
        lambda folder: (folder / "texts.xlsx").write_bytes(b"PK\3\4"),
        r"texts\.xlsx: is in a format that is not read; save it as CSV or text in UTF-8",
    ),
    "a format that is not read, named like the recordings": (
        beside("{}.trs", lambda text: f"<Trans>{text}</Trans>"),
        r"no usable recording; 3 rejected, the first: anna_001\.wav: anna_001\.trs: is in a format that is not read",
    ),
    "x.wav.trn of THCHS-30": (
        beside("{}.wav.trn", lambda text: f"{text}\nSH IY1\nsh iy\n"),
        r"no usable recording; 3 rejected, the first: anna_001\.wav: anna_001\.wav\.trn: is in a format that is not",
    ),
    "a link": (
        several(table("a/metadata.csv", lines(pairs())), lambda folder: link(folder / "a/metadata.csv")),
        r"a/metadata\.csv: a symbolic link, which may leave the voice's folder; copy the file\. 3 recordings",
    ),
    "a link to a folder of texts": (
        several(beside("a/texts/{}.txt", str), lambda folder: link(folder / "a/texts")),
        r"a/texts: a symbolic link, which may leave the voice's folder; copy the file\. 3 recordings",
    ),
    "links to all recordings": (
        lambda folder: [link(move_audio(folder, "a/{}.wav") or folder / f"a/{name}.wav") for name in NAMES],
        r"\) that can be used; a/anna_001\.wav is a symbolic link, which",
    ),
    "a link to the lexicon": (
        lambda folder: (folder / "lexicon.yaml").symlink_to("a.yaml"),
        r"anna/lexicon\.yaml: a symbolic link, which may leave the voice's folder; copy the file$",
    ),
    "x.xml": (
        beside("{}.xml", lambda text: f"<text>{text}</text>"),
        r"3 rejected, the first: anna_001\.wav: anna_001\.xml: is in a format that is not read",
    ),
    "a name that is twice in JSON": (
        table("texts.json", '{"anna_001.wav": "One.", "anna_002.wav": "Two.", "anna_001.wav": "Three."}'),
        r"texts\.json: is not JSON that can be read \(the key 'anna_001\.wav' is there twice",
    ),
    "CSV with quotes that close in the row of another recording": (
        table("m.csv", 'file,text\nanna_001.wav,"He said\nanna_002.wav,Well"\nanna_003.wav,Third\n'),
        r"m\.csv: line 2 has quotes that end behind 'anna_002\.wav'",
    ),
    "comma CSV without quotes and without a header": (
        table("m.csv", "".join(f"{name},I said, {text}\n" for name, text in zip(NAMES, "abc", strict=True))),
        r"m\.csv: has three columns, or two and texts with ',', as in line 1; name them in a first line, such as `fi",
    ),
    "every subtitle is damaged": (
        beside("{}.srt", lambda text: cues(text).replace("2\n00:", "2\nXX:")),
        r"no usable recording; 3 rejected, the first: anna_001\.wav: anna_001\.srt: has 2 lines with -->, but only 1",
    ),
    "another language": (
        table("anna.list", lines(list_rows("{}.wav", "JP"))),
        r"no usable recording; 3 rejected, .*language 'JP' is not the voice's 'en'",
    ),
}
