"""Measure how the repository reads, and list what breaks its rules: `python -m tests.style [PATH ...]`.

Without paths it prints one row per package: sizes of files and functions, typed parameters, docstrings. With paths
(files or folders, relative to the repository's root) it also lists every offender below them as file:line. It reads
every file once and imports none. The rules are `Limits` and
`PHRASES`, and that a summary holds no semicolon.

Tests count for sizes and for semicolons. The shares of typed parameters, public docstrings and imperative summaries
are those of the code that tests cover: the name of a test is its summary.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("flows", "stages", "serving", "campaigns", "registry", "metrics", "gpt_sovits", "starter")
FOLDERS = (*PACKAGES, "benchmarks", "data", "docs", "deploy", "examples", "tests")  # the root's own files too
CODE = {".py", ".html", ".js", ".css"}
PROSE = {*CODE, ".md", ".yaml", ".toml"}

# Generated folders, texts to be spoken, and data of the pipeline.
SKIPPED = re.compile(r"(^|/)(\.|__pycache__|site/|node_modules/)|^benchmarks/(prompts|text)/\w+\.yaml|^data/\d_")
# Functions that are one table of data.
TABLES: frozenset[tuple[str, str]] = frozenset()

# "There is no X" and "is no longer" are idiomatic. A phrase may be broken over two lines, of a comment too.
PHRASES = re.compile(
    r"(?<!there )(?<!there\n)\b(?:is|are)[\s#]+no\s(?!longer\b|more\b|less\b|fewer\b|later\b)|\bshall\b", re.I
)
# Files whose subject is one of those phrases: this rule, and words of texts to be spoken.
PHRASES_ALLOWED = frozenset(
    {
        "tests/style.py",
        "tests/test_style.py",
        "gpt_sovits/text/english/heteronyms.py",
        "gpt_sovits/text/english/normalization.py",
        "gpt_sovits/text/english/roman_numerals.py",
    }
)

# A summary is imperative when its first word is one of these: the base form of a verb. Add to it freely.
VERBS = frozenset(
    re.findall(
        r"\S+",
        """
        abort accept accumulate acquire adapt add adjust advise aggregate align allocate allow anchor answer append
        apply approximate archive arrange ask assemble assert assess assign attach attend augment average back balance
        batch begin bind blend block bootstrap bound break bring build bundle cache calculate call cancel capture carry
        cast center centre chain change check choose clamp classify clean clear clip clone close cluster collapse
        collate collect combine compare compile complete compose compress compute concatenate condense configure confirm
        connect consume continue convert convolve copy correct count cover crash create crop cross cut damage debug
        decay decide declare decode decompose decrypt deduct deduplicate define delay delete deliver denoise deny derive
        describe detach detect determine disable discard dispatch display distribute divide do download downsample draft
        draw draw-out drop dump embed emit enable encode encrypt end enforce ensure enter enumerate erase escape
        establish estimate evaluate examine exchange exclude execute exercise exit expand expect expire explain explode
        export expose extend extract fade fail feed fetch fill filter find fine-tune finish fire fit fix flag flatten
        flip flush fold follow forbid force forget form format forward freeze fuse gate gather generalize generate get
        give go grant group grow guarantee guard guess halt hand handle hash hear hide hold host identify ignore import
        include increase increment index infer inform inherit initialise initialize inject insert inspect install
        integrate interleave interpolate interpret interrupt invent invert invoke iterate join judge keep kill label
        launch learn leave lengthen let level limit link list listen load locate lock log look loop lower make manage
        map mark mask match mean mean-pool measure meet mention merge migrate mirror mix mock model modify move multiply
        mute name narrow normalise normalize note notify number object obtain offer offset omit open order output
        overlap overlay override overwrite pack pad paint pair park parse partition pass patch pause perform permute
        persist phonemize pick pin place plan play plot point poll pool populate post praise pre-compute predict prefer
        preload prepare prepend preserve press prevent print probe process produce profile project promote pronounce
        propagate propose protect prove provide prune publish pull push put quantise quantize quarantine query queue
        quit quote raise randomise randomize rank rate re-read re-run reach react read reap reason rebase rebuild
        receive recognise recognize recommend recompute reconstruct record recover redact redirect redo reduce refer
        refine refresh refuse register reindex reject relate release reload rely remember remove rename render reorder
        repair repeat replace replay reply report represent reproduce request require rerank resample rescore reserve
        reset reshape resize resolve respond restart restore restrict resume resynthesize retain retrieve retry return
        reverse revert revise revisit revoke rewind rewrite roll rotate round round-trip route rule run sample sanitize
        save say scale scan schedule score search seed seek segment select send separate serialise serialize serve set
        settle shape shard share shield shift shorten show shrink shuffle shut sign silence simulate sing sketch skip
        sleep slice smooth snapshot solve sort spawn speak specify spell split spoil spread squeeze stack stamp
        standardise standardize start state steer stem step stop store stream stretch strip submit subscribe subset
        subtract suggest sum summarise summarize supply support suppress swallow swap sweep switch sync synchronise
        synchronize synthesise synthesize tabulate tag take tell terminate test thin throw tie tighten tile time toggle
        tokenise tokenize tolerate total touch trace track train transcribe transfer transform translate transmit
        transpose travel traverse treat trigger trim truncate trust try tune turn type undo unfold unify unite unload
        unlock unpack unset unwrap update upgrade upload upsample use validate vary vectorize verify view visit voice
        vote vouch wait wake walk warm warn warp watch weigh weight whiten widen wipe withdraw withhold work wrap write
        yield z-score zero
        """,
    )
)


@dataclass(frozen=True)
class Limits:
    """What the whole tree must keep."""

    min_imperative: float = 0.60  # share of the summaries of functions and methods
    min_documented: float = 0.95  # share of public modules, classes, functions and methods
    max_semicolons: float = 0.05  # per docstring
    max_file_lines: int = 400
    max_function_lines: int = 60


LIMITS = Limits()


class Offence(NamedTuple):
    """A line that breaks a rule."""

    path: str
    line: int
    rule: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}"


@dataclass
class Report:
    """Figures of a set of files, and the lines that break a rule. Reports of disjoint sets add up."""

    file_lines: list[int] = field(default_factory=list)
    function_lines: list[int] = field(default_factory=list)
    n_parameters: int = 0
    n_typed: int = 0
    n_public: int = 0
    n_documented: int = 0
    n_summaries: int = 0  # of functions and methods; properties may be noun phrases
    n_imperative: int = 0
    n_docstrings: int = 0
    n_semicolons: int = 0
    offences: list[Offence] = field(default_factory=list)  # each rule but the shares must hold everywhere
    hints: list[Offence] = field(default_factory=list)  # what lowers a share

    def add(self, other: Report) -> None:
        """Add the figures and the lines of `other`."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    @property
    def imperative(self) -> float:
        """Share of the summaries of functions that begin with a verb."""
        return _share(self.n_imperative, self.n_summaries)

    @property
    def documented(self) -> float:
        """Share of public names and modules with a docstring."""
        return _share(self.n_documented, self.n_public)

    @property
    def semicolons(self) -> float:
        """Semicolons per docstring."""
        return self.n_semicolons / max(self.n_docstrings, 1)


def measure(root: Path = ROOT) -> dict[str, Report]:
    """Return the reports of the packages below `root` by name, with "." for the files of `root` itself."""
    reports: dict[str, Report] = {}
    for path in _files(root):
        name = path.split("/")[0] if "/" in path else "."
        reports.setdefault(name, Report()).add(measure_file(path, (root / path).read_text(encoding="utf-8")))
    return reports


def measure_file(path: str, text: str) -> Report:
    """Return the report of the file at `path`, which is relative to the root."""
    report = Report()
    n_lines = text.count("\n") + (not text.endswith("\n"))
    if Path(path).suffix in CODE and n_lines > LIMITS.max_file_lines:
        report.offences.append(Offence(path, 1, f"{n_lines} lines, at most {LIMITS.max_file_lines}"))
    if path not in PHRASES_ALLOWED:
        for match in PHRASES.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            report.offences.append(Offence(path, line, f'says "{" ".join(match[0].split())}"'))
    if path.endswith(".py"):
        report.file_lines.append(n_lines)
        _measure_python(report, path, ast.parse(text))
    return report


def table(reports: dict[str, Report]) -> str:
    """Return the figures as text: one row per package, then all of them together."""
    head = ("package", "files", "lines/file", "lines/function", "typed", "documented", "verb-first", "semicolons")
    under = ("", "", "median p90", "median p90 max", "parameters", "public", "summaries", "per docstring")
    total = Report()
    for report in reports.values():
        total.add(report)
    named = {name: report for name, report in sorted(reports.items()) if report.file_lines} | {"all": total}
    rows = [head, under, *(_row(name, report) for name, report in named.items())]
    widths = [max(len(row[n]) for row in rows) for n in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def main() -> None:
    """Print the table, and the offenders below the paths on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.style", description="Measure how the repository reads.")
    parser.add_argument("paths", nargs="*", help="list the offenders below these files or folders too")
    parser.add_argument("--strict", action="store_true", help="leave out what only lowers a share")
    options = parser.parse_args()
    reports = measure()
    print(table(reports))
    wanted = [path.removeprefix("./").rstrip("/") for path in options.paths]
    lines = [line for report in reports.values() for line in report.offences + ([] if options.strict else report.hints)]
    lines = sorted(
        line for line in lines if any(line.path == path or line.path.startswith(f"{path}/") for path in wanted)
    )
    print("".join(f"{line}\n" for line in lines), end="")
    sys.exit(1 if lines else 0)


def _files(root: Path) -> Iterator[str]:
    places = [path for path in root.iterdir() if path.is_file()]
    for folder in FOLDERS:
        places += (root / folder).rglob("*")
    for path in sorted(places):
        name = path.relative_to(root).as_posix()
        if path.suffix in PROSE and path.is_file() and not SKIPPED.search(name):
            yield name


def _measure_python(report: Report, path: str, tree: ast.Module) -> None:
    test = path.startswith("tests/")
    public = not any(part.startswith("_") and not part.startswith("__") for part in path.split("/"))
    _measure_docstring(report, path, tree, public=public and not test)

    def visit(node: ast.AST, *, public: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                visit(child, public=public)
                continue
            is_public = public and not child.name.startswith("_")
            _measure_docstring(report, path, child, public=is_public and not test)
            if not isinstance(child, ast.ClassDef):
                _measure_function(report, path, child, test=test)
            visit(child, public=is_public and isinstance(child, ast.ClassDef))

    visit(tree, public=public)


Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _measure_docstring(report: Report, path: str, node: Documented, *, public: bool) -> None:
    text = ast.get_docstring(node)
    line = getattr(node, "lineno", 1)
    name = getattr(node, "name", "the module")
    report.n_public += public
    if text is None:
        if public:
            report.hints.append(Offence(path, line, f"{name} has no docstring"))
        return
    report.n_documented += public
    report.n_docstrings += 1
    report.n_semicolons += text.count(";")
    if ";" in text.split("\n")[0]:
        report.offences.append(Offence(path, line, f"the summary of {name} has a semicolon"))
    elif ";" in text:
        report.hints.append(Offence(path, line, f"the docstring of {name} has {text.count(';')} semicolons"))


def _measure_function(report: Report, path: str, node: ast.FunctionDef | ast.AsyncFunctionDef, *, test: bool) -> None:
    n_lines = (node.end_lineno or node.lineno) - node.lineno + 1
    report.function_lines.append(n_lines)
    if n_lines > LIMITS.max_function_lines and (path, node.name) not in TABLES:
        rule = f"{node.name} has {n_lines} lines, at most {LIMITS.max_function_lines}"
        report.offences.append(Offence(path, node.lineno, rule))
    if test:
        return
    taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    taken = [argument for argument in taken if argument.arg not in ("self", "cls")]
    report.n_parameters += len(taken)
    report.n_typed += sum(argument.annotation is not None for argument in taken)
    text = ast.get_docstring(node)
    if text and not any("property" in ast.unparse(decorator) for decorator in node.decorator_list):
        first = text.split()[0].strip("`'\".,:;()").lower()
        report.n_summaries += 1
        report.n_imperative += first in VERBS
        if first not in VERBS:
            report.hints.append(
                Offence(path, node.lineno, f"the summary of {node.name} begins with {first!r}, not a verb")
            )


def _row(name: str, report: Report) -> tuple[str, ...]:
    functions = report.function_lines
    untested = report.n_public == 0  # tests: only sizes and semicolons count
    return (
        name,
        f"{len(report.file_lines)}",
        f"{median(report.file_lines):.0f} {_p90(report.file_lines):.0f}",
        f"{median(functions):.0f} {_p90(functions):.0f} {max(functions)}" if functions else "-",
        "-" if untested else f"{_share(report.n_typed, report.n_parameters):.1%}",
        "-" if untested else f"{report.documented:.1%}",
        "-" if untested else f"{report.imperative:.1%}",
        f"{report.semicolons:.3f}",
    )


def _p90(values: list[int]) -> float:
    return quantiles(values, n=10, method="inclusive")[-1] if len(values) > 1 else values[0]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


if __name__ == "__main__":
    main()
