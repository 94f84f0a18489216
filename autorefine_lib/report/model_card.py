"""The model card of a policy: README.md with the Hub's YAML front matter, written beside the weights.

Mitchell et al. (2019), "Model Cards for Model Reporting": what the model is, for what, on which data, how good, with
which limits.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from huggingface_hub import ModelCardData
from peft import PeftModel

from autorefine_lib import provenance
from autorefine_lib.files import write_text
from autorefine_lib.generator.generator import Generator
from autorefine_lib.report import pages

NOT_FOR = (
    "**Not for real hiring decisions.** It was made to study a method. Nothing here shows that its rewrites are lawful "
    "or fair, or better for any real employer, ranking system or applicant, and it is no audit of any."
)
SYNTHETIC = (
    " **Synthetic:** ads and candidates were written by this project; numbers measured on them say how the method "
    "behaves, not how any labor market does."
)
LIMITS = (
    "English job ads only. Parity was sought for one attribute, one recommender and the ads of one data set; for "
    "others it may do nothing or harm, and single occupations may move away from parity while their sum comes closer. "
    "Results differ between seeds. The model invents and omits: use a rewrite only after a check for facts "
    "(`autorefine rewrite` drops a text that loses a number, name or requirement or names a protected attribute anew) "
    "and after reading it."
)


@dataclass(frozen=True)
class Card:
    """What a card says beyond what can be read off the policy and the machine."""

    method: str
    """How it was trained, as in the result tables, for instance "PPO"."""
    data: str
    """Label of the training data, which holds "synthetic" where they are."""
    seed: int
    """Of the training."""
    command: str
    """That started the run."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """Of the training, by name."""
    results: pd.DataFrame | None = None
    """Result rows (`pages.COLUMNS`) of this policy and of the original ads, if it was evaluated."""


def write(folder: Path, generator: Generator, card: Card) -> Path:
    """Write `folder/README.md`, replacing what is there; text that comes from data is escaped."""
    parameters = ", ".join(f"{escape(name)} {escape(value)}" for name, value in card.parameters.items())
    origin = f"Commit {provenance.commit()}; {provenance.versions_line()}; {escape(provenance.device())}."
    sections = {
        "What": _what(generator),
        "Data": f"{escape(card.data)}." + (SYNTHETIC if "synthetic" in card.data else ""),
        "Training": f"{escape(card.method)}, seed {card.seed}, by {escape(card.command)}. {origin}"
        + (f"\n\n{parameters}." if parameters else ""),
        "Results": _results(card.results),
        "Limits": LIMITS,
        "Use": _use(generator),
    }
    title = f"# Model card: job-ad rewriter, {escape(card.method)}, seed {card.seed}"
    body = [f"---\n{_front_matter(generator, card)}\n---", title, NOT_FOR]
    body += [f"## {name}\n\n{text}" for name, text in sections.items()]
    return write_text(Path(folder) / "README.md", "\n\n".join(body) + "\n")


def put_results(folder: Path, rows: pd.DataFrame) -> Path:
    """Put result rows, as `Card.results` holds them, into the card that `write` left in `folder`."""
    card = Path(folder) / "README.md"
    before, after = re.split(r"(?<=\n## Results\n\n).*?(?=\n\n## Limits\n)", card.read_text("utf-8"), flags=re.DOTALL)
    return write_text(card, before + _results(rows) + after)


def escape(value: object) -> str:
    """Text as one line of plain Markdown: nothing in it is a heading, a link, a table cell or HTML."""
    return re.sub(r"([\\`*_\[\]<>|#~&])", r"\\\1", " ".join(str(value).split()))


def _kind(generator: Generator) -> str:
    return "encoder-decoder" if generator.model.config.is_encoder_decoder else "decoder-only"


def _base(generator: Generator) -> str:
    """Hub name or folder of the model that training started from; "" where it is not known."""
    if generator.restrict_vocabulary:
        return "sentence-transformers/all-MiniLM-L6-v2"
    if isinstance(generator.model, PeftModel):
        return generator.model.peft_config["default"].base_model_name_or_path or ""
    return generator.model.config.name_or_path


def _front_matter(generator: Generator, card: Card) -> str:
    base, decoder_only = _base(generator), _kind(generator) == "decoder-only"
    on_hub = re.fullmatch(r"[\w.-]+/[\w.-]+", base) and not Path(base).exists()
    return ModelCardData(
        language="en",
        library_name="peft" if isinstance(generator.model, PeftModel) else "transformers",
        pipeline_tag="text-generation" if decoder_only else None,
        base_model=base if on_hub else None,
        tags=["job-ads", "fairness", "reinforcement-learning", "-".join(card.method.lower().split())],
    ).to_yaml()


def _what(generator: Generator) -> str:
    parameters, base = list(generator.model.parameters()), _base(generator)
    total = sum(parameter.numel() for parameter in parameters)
    trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    text = f"A{'n' if _kind(generator)[0] == 'e' else ''} {_kind(generator)} language model"
    text += " with a LoRA adapter" if isinstance(generator.model, PeftModel) else ""
    # Of a folder the name alone: where it lay is nobody's business.
    text += f", trained from {escape(Path(base).name if Path(base).exists() else base)}" if base else ""
    changed = f"{trained:,} of its {total:,} weights"
    if generator.logits_processor is not None:
        changed = f"none of its {total:,} weights was changed, heads beside it perturb its scores while it writes"
    task = "one sentence of a job ad" if generator.level == "sentence" else "a whole job ad"
    return (
        f"{text}: {changed}. It rewrites {task}, into at most {generator.max_new_tokens} "
        "tokens, so that a ranking of candidates for the ad selects groups at more equal rates."
    )


def _results(rows: pd.DataFrame | None) -> str:
    if rows is None:
        return "None were measured when this card was written."
    group = rows.loc[rows["metric"] == "impact_ratio", "group"].iloc[0]
    text = rows.select_dtypes(exclude="number").columns
    escaped = rows.assign(**{name: rows[name].map(escape, na_action="ignore") for name in text if name != "metric"})
    about = "Values with 95 % intervals from a bootstrap over test ads, which were never seen in training."
    return f"{pages.headline(escaped, escape(group))}\n\n{about}"


def _use(generator: Generator) -> str:
    name = "AutoModelForSeq2SeqLM" if generator.model.config.is_encoder_decoder else "AutoModelForCausalLM"
    ways = ["`autorefine rewrite --policy FOLDER ad.txt` rewrites an ad and checks every sentence."]
    if isinstance(generator.model, PeftModel):
        ways.append(f"`peft.{name.replace('Auto', 'AutoPeft')}.from_pretrained(FOLDER)` loads the adapter on its base.")
    if generator.logits_processor is not None:
        ways.append("`autorefine_lib.ilql.ilql.load_policy(FOLDER)` loads the model with its perturbation.")
    elif isinstance(generator.model, PeftModel) or generator.restrict_vocabulary:
        ways.append("`autorefine merge --policy FOLDER --out MERGED` makes a checkpoint of its own;")
        ways.append(f"`transformers.{name}.from_pretrained(MERGED)` loads that.")
    else:
        ways.append(f"`transformers.{name}.from_pretrained(FOLDER)` loads the model.")
    return "\n".join(ways)
