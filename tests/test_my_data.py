"""The notebook `my_data` with a reader's own files: it runs to its end, its commands work, a mistake is one line."""

import shlex
from pathlib import Path

import nbformat
import pytest
import typer
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from tiny_models import tiny_model, tiny_tokenizer
from typer.testing import CliRunner

from autorefine_lib import cli
from autorefine_lib.data import corpus, data_prep
from autorefine_lib.errors import InputError
from autorefine_lib.generator import deploy, pretrained
from autorefine_lib.generator.generator import Generator
from autorefine_lib.reproduce import KERNEL, NOTEBOOKS, read_steps, resolve_parameters

NOTEBOOK = nbformat.read(NOTEBOOKS / "my_data.ipynb", as_version=4)
SETUP = 2  # cells of code until parameters are looked at


def run_cells(given: dict, until: int | None = None) -> dict:
    """Run the code cells in this process, with these values in the place of the parameters; the names they leave."""
    names: dict = {}
    for number, cell in enumerate([cell for cell in NOTEBOOK.cells if cell.cell_type == "code"][:until]):
        exec(compile(cell.source, cell.id, "exec"), names)
        names.update(given if number == 0 else {})
    return names


@pytest.fixture(autouse=True)
def tiny_writer(monkeypatch):
    """A model of random weights, of which no rewrite is accepted."""
    writer = Generator(tiny_model("llama"), tiny_tokenizer(), max_new_tokens=4)
    writer.model.config.max_position_embeddings = 1024
    monkeypatch.setattr(pretrained, "load", lambda name: writer)


def test_the_sample_is_read_and_the_printed_commands_work(tmp_path: Path, capsys):
    given = {"run_dir": str(tmp_path), "recommender": "bm25"}
    names = run_cells(given)
    assert names["record"]["rewrite"] == names["text"] and len(names["people"]) == 200
    printed = [shlex.split(line)[1:] for line in capsys.readouterr().out.splitlines() if line.startswith("autorefine ")]
    assert [words[0] for words in printed] == ["reproduce", "rewrite", "audit"]
    commands = typer.main.get_command(cli.app).commands
    given, rewriting, _ = (commands[name].make_context(name, list(words)).params for name, *words in printed)
    assert CliRunner().invoke(cli.app, printed[2]).exit_code == 0
    ads, _ = deploy.read_ads(rewriting["files"], rewriting["columns"])
    assert dict(zip(ads["job_id"], ads["text"], strict=True))[names["job_id"]] == names["text"]
    step = resolve_parameters(read_steps(NOTEBOOKS), given["profile"], given["overrides"])[1]
    files = {f"{name}_path": step.parameters[f"{name}_file"] for name in ("jobs", "candidates")}
    renames = {"rename_columns": given["columns"], "rename_values": given["values"]}
    loaded = data_prep.prepare(tmp_path / "data", "local", min_group=5, **files, **renames)
    assert set(loaded.jobs["split"]) == {"train", "validation", "test"}


def test_files_without_occupations_and_titles(tmp_path: Path, capsys):
    ads = corpus.make_jobs().head(4)[["job_id", "text"]]
    people = corpus.make_candidates(corpus.CorpusConfig(candidates_per_occupation=4))[["candidate_id", "text", "race"]]
    ads.to_parquet(tmp_path / "ads.parquet")
    people.to_csv(tmp_path / "people.csv", index=False)
    files = {"jobs_file": str(tmp_path / "ads.parquet"), "candidates_file": str(tmp_path / "people.csv")}
    names = {"rename_columns": [], "rename_values": [], "attribute": "race", "group": "Black", "reference": "White"}
    made = run_cells({"run_dir": str(tmp_path), "recommender": "bm25"} | files | names)["made"]
    assert made["  between occupations"].value == 1 and "the qualified" not in made
    assert made["  within occupations"].value == pytest.approx(made["all candidates"].value)
    said = capsys.readouterr().out
    assert "these files need no other names" in said and "nobody is known to be qualified" in said


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"candidates_file": "people.csv"}, "give both files"),
        ({"jobs_file": "no.csv", "candidates_file": "no.csv"}, "no such file"),
        ({"rename_columns": ["text=Advert"]}, "no column 'Advert' among Ref, Job title"),
        ({"rename_values": ["gender:X=other"]}, "no value 'X'"),
        ({"ad": 26}, "ad=26 is not between 1 and 25"),
        ({"attribute": "race"}, "no column 'race'"),
        ({"group": "women"}, "women"),
        ({"k": 300}, "k=300 is not between 1 and 200"),
        ({"k": 50}, "k=50 is larger than the pool of every ad"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_input_is_an_input_error(given: dict, message: str, tmp_path: Path):
    with pytest.raises(InputError, match=message) as raised:
        run_cells({"run_dir": str(tmp_path), "recommender": "bm25"} | given)
    assert "\n" not in str(raised.value)


def test_an_input_error_is_one_line_in_the_notebook():
    notebook = nbformat.from_dict(NOTEBOOK)
    code = [nbformat.from_dict(cell) for cell in notebook.cells if cell.cell_type == "code"][:SETUP]
    code[0].source = code[0].source.replace('jobs_file: str = ""', 'jobs_file: str = "ads.csv"')
    with pytest.raises(CellExecutionError):
        NotebookClient(nbformat.v4.new_notebook(cells=code), timeout=120, kernel_name=KERNEL).execute()
    [output] = code[1].outputs
    assert output.traceback == [f"InputError: {output.evalue}"] and output.evalue.startswith("one of jobs_file and")
