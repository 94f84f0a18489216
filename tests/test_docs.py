"""README and docs: every command and Python block works, every link and named file exists, lines are not too long.

A command that this test does not know fails. Long commands are checked in their smoke form: their options parse, and
what they name exists.
"""

import importlib.util
import re
import shlex
import shutil
from itertools import pairwise
from pathlib import Path

import nbformat
import numpy as np
import pytest
import typer
from docx import Document
from tiny_models import tiny_model, tiny_tokenizer
from typer.testing import CliRunner

from autorefine_lib import cli, provenance
from autorefine_lib.bench.speed import WHAT
from autorefine_lib.data import data_prep
from autorefine_lib.generator import pretrained
from autorefine_lib.generator.generator import Generator
from autorefine_lib.reproduce import NOTEBOOKS, read_steps, resolve_parameters

ROOT = provenance.ROOT
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "env/README.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))
LINKED = PAGES + [*sorted((ROOT / "reports").glob("*.md")), *sorted(ROOT.glob("autorefine_lib/resources/*/README.md"))]
COMMANDS = typer.main.get_command(cli.app).commands
EMBEDDED = "reports/embedded/artefacts"
TINY = "path/to/model"  # a policy of random weights
# What a block says -> what is run instead of it, in a folder made by `place`.
STAND_INS = {
    "steps=20, batch_size=64": "steps=1, batch_size=4, max_new_tokens=4, report_to=''",
}


def blocks(page: Path) -> list[tuple[str, int, str]]:
    """(kind, line, text) of each Python block, and of each command in a fenced or indented block."""
    found, kind, begun, lines = [], None, 0, page.read_text("utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        if line.lstrip().startswith("```"):
            kind, begun = (None, 0) if kind else (line.strip("` ") or "sh", number)
            if kind == "python":
                found.append(("python", number, ""))
        elif kind == "python":
            found[-1] = ("python", begun, f"{found[-1][2]}{line}\n")
        elif kind == "sh" or (kind is None and line.startswith("    ")):
            before = found.pop()[2][:-1] if lines[number - 2].endswith("\\") else ""
            found.append(("sh", number, before + line.strip()))
    return found


def named(kind: str) -> list:
    """The blocks of one kind, as parameters of a test."""
    every = [(page.relative_to(ROOT), *block) for page in PAGES for block in blocks(page)]
    return [pytest.param(text, id=f"{page}:{line}") for page, found, line, text in every if found == kind]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a small finished run, a tiny model, and the files that the commands name."""
    folder = tmp_path_factory.mktemp("place")
    limits = {"attributes": ["gender", "race"], "jobs_per_occupation": 1, "candidates_per_occupation": 25}
    loaded = data_prep.prepare(folder / EMBEDDED / "data", **limits)
    for name, table in (("jobs", loaded.jobs.to_pandas()), ("candidates", loaded.candidates.to_pandas())):
        few = table[table["occupation"].isin(["dentist", "nurse", "painter"])]  # quick to embed
        few.to_parquet(folder / EMBEDDED / f"data/{name}.parquet", index=False)
        few.to_csv(folder / {"jobs": "ads.csv", "candidates": "people.csv"}[name], index=False)
        if name == "jobs":  # as a spreadsheet saves it, with other names
            few = few.drop(columns="job_id").rename(columns={"text": "description"})
            few.to_csv(folder / "export.csv", index=False, sep=";", encoding="utf-16")
        else:
            few = few.rename(columns={"text": "bio"}).replace({"gender": {"female": "1", "male": "0"}})
            few.to_csv(folder / "bios.csv", index=False, sep=";", encoding="utf-8-sig")
    np.save(folder / "scores.npy", np.random.default_rng(0).normal(size=(9, 75)))
    (folder / "ad.txt").write_text(loaded.jobs["text"][0])
    document = Document()
    document.add_paragraph("We seek a nurse for our ward.")
    document.save(folder / "ad.docx")
    (folder / "ad.html").write_text("<p>We seek a nurse for our ward.</p>")
    (folder / "pairs.csv").write_text("source,rewrite\nWe seek a nurse.,We are looking for a nurse.\n")
    writer = Generator(tiny_model("llama"), tiny_tokenizer(), max_new_tokens=4)
    writer.model.config.max_position_embeddings = 1024
    for name in (f"{EMBEDDED}/models/ppo-0", f"{EMBEDDED}/models/ppo-1", TINY):
        pretrained.save(writer, folder / name)
    for name in ("README.md", "reports/embedded/tables/results.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.mark.parametrize("text", named("python"))
def test_python_blocks_run(text: str, place: Path, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setattr(provenance, "ROOT", place)
    for said, run in STAND_INS.items():
        text = text.replace(said, run)
    exec(compile(text, "a block of the docs", "exec"), {"__name__": "docs", "place": place})


@pytest.mark.parametrize("text", named("sh"))
def test_commands_work(text: str, place: Path, monkeypatch):
    program, *words = shlex.split(text.split("  #")[0])
    monkeypatch.setattr(provenance, "ROOT", place)
    name = program.removeprefix(".venv/bin/")
    monkeypatch.chdir(place if name == "autorefine" else ROOT)
    assert name in CHECKS, f"unknown command: {text}"
    CHECKS[name](words)


def check_autorefine(words: list[str]) -> None:
    command, *options = words
    given = COMMANDS[command].make_context(command, list(options)).params
    if command == "reproduce":
        stems = [
            step.name for step in resolve_parameters(read_steps(NOTEBOOKS), given["profile"], given["overrides"] or ())
        ]
        assert not given["start"] or any(stem.startswith(given["start"]) for stem in stems)
    elif command == "bench":
        assert given["what"] in WHAT
    else:
        if command == "rewrite" and "--policy" not in words:
            words = [*words, "--policy", TINY]
        result = CliRunner().invoke(cli.app, words)
        assert result.exit_code in ((0, 1) if command in ("audit", "check") else (0,)), result.output
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception


def check_make(words: list[str]) -> None:
    makefile, targets = (ROOT / "Makefile").read_text(), [word for word in words if "=" not in word]
    given = dict(word.split("=", 1) for word in words if "=" in word)
    assert targets and set(targets) <= set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())
    assert all(re.search(rf"^{name} \??=", makefile, re.MULTILINE) for name in given)
    assert (ROOT / given.get("LOCK", "Makefile")).is_file()
    if targets == ["reproduce"]:
        check_autorefine(["reproduce", "--profile", given.get("PROFILE", "embedded"), *given.get("ARGS", "").split()])


def check_pip(words: list[str]) -> None:
    assert words[0] == "install"
    for before, word in zip(words, words[1:], strict=False):
        if before in ("-r", "-c", "-e") or word.startswith("."):
            assert (ROOT / word.partition("[")[0]).exists(), word
        elif not word.startswith("-") and not before.endswith("index-url"):
            assert f"\n{word}" in (ROOT / "env/requirements.lock").read_text(), f"{word} is not what the lock has"


def check_python(words: list[str]) -> None:
    if words[0] == "tests/published.py":
        assert words[1:] in (["write"], ["readme"]) or words[1] == "add" and (ROOT / words[3] / "tables").is_dir()
        return
    assert words[:2] in (["-m", "venv"], ["-m", "pytest"]), words
    assert words[1] == "venv" or all((ROOT / word).exists() for word in words[2:] if not word.startswith("-")), words


def check_conda(words: list[str]) -> None:
    assert words in (["env", "create", "-f", "environment.yml"], ["activate", "autorefine"])
    assert "\nname: autorefine\n" in (ROOT / "environment.yml").read_text()


def check_tool(words: list[str]) -> None:
    assert words in ([], ["check", "."]), words  # as `make lint` calls them


CHECKS = {
    "autorefine": check_autorefine, "make": check_make, "pip": check_pip, "python": check_python,
    "conda": check_conda, "ruff": check_tool, "mypy": check_tool,
    "lint-imports": check_tool,
}  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_inside_sentences_exist(page: Path):
    for line in re.findall(r"`((?:autorefine|make) [a-z][^`\n]*)`", page.read_text("utf-8")):
        program, command, *words = line.split()
        if program == "make":
            check_make([command, *words])
        else:
            options = {name for option in COMMANDS[command].params for name in option.opts}
            assert {word for word in words if word.startswith("--")} <= options, line


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_parameters_that_a_notebook_tells_to_set_exist(path: Path):
    values = []
    for cell in nbformat.read(path, as_version=4).cells:
        for words in re.findall(r"`[^`]*--set[^`]*`", cell.source) if cell.cell_type == "markdown" else []:
            given = [value for option, value in pairwise(shlex.split(words.strip("`"))) if option == "--set"]
            assert given, words
            values += given
    assert not values or resolve_parameters(read_steps(NOTEBOOKS), "embedded", values)


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_named_files_exist(page: Path):
    text = page.read_text("utf-8")
    links = {page.parent / link for link in re.findall(r"\]\(([^)#\s]+)\)", text) if not link.startswith("http")}
    links |= {ROOT / name for name in re.findall(r"`((?:autorefine_lib|docs|env|notebooks|tests)/[\w./]+)`", text)}
    assert not [link for link in links if not link.exists() and "NN_" not in link.name]


def test_pages_are_short_and_listed():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 100
    lines = [line for page in PAGES for line in page.read_text("utf-8").splitlines()]
    assert not [line for line in lines if len(line) > 180 and not line.startswith("|")]
    index = (ROOT / "docs/README.md").read_text("utf-8")
    assert all(f"]({page.name})" in index for page in PAGES if page.parent.name == "docs" and page.stem != "README")


def test_the_picture_and_the_table_of_modules_are_those_of_the_library():
    picture = " ".join(re.findall(r'<text class="p".*?>(.*?)<', (ROOT / "docs/method.svg").read_text("utf-8")))
    packages = {path.parent.name for path in (ROOT / "autorefine_lib").glob("*/__init__.py")} - {"resources"}
    assert packages <= set(re.findall(r"\w+", picture))
    table = (ROOT / "CHANGELOG.md").read_text("utf-8").split("| now (`autorefine_lib.`) |")[1].split("\n\n")[0]
    modules = [name for line in table.splitlines()[2:] for name in re.findall(r"`([a-z_.\d]+)`", line.split("|")[2])]
    assert modules and all(importlib.util.find_spec(f"autorefine_lib.{name}") for name in modules)
