"""The model card of a policy: README.md with the Hub's YAML front matter, written beside the weights.

Mitchell et al. (2019), "Model Cards for Model Reporting": what the model is, for what, on which data, how good, with
which limits.
"""

import re
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from peft import PeftModel

from autorefine_lib import provenance
from autorefine_lib.evaluation.method import ORIGINAL
from autorefine_lib.files import write_text
from autorefine_lib.generator import pretrained
from autorefine_lib.generator.generator import Generator
from autorefine_lib.models import smollm2
from autorefine_lib.report import pages

TEMPLATE = resources.files("autorefine_lib").joinpath("resources/model_card.md.j2")
RESULTS = "## Results\n\n"
"""Head of the last section, which `put_results` replaces."""


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


def write(folder: Path, generator: Generator, card: Card) -> Path:
    """Write `folder/README.md`, replacing what is there; text that comes from data is escaped."""
    model, base = generator.model, _find_base(generator)
    parameters = list(model.parameters())
    adapter, is_folder = isinstance(model, PeftModel), Path(base).exists()
    metadata = ModelCardData(
        model_name=f"job-ad rewriter, {card.method}, seed {card.seed}",
        language="en",
        library_name="peft" if adapter else "transformers",
        pipeline_tag="text-generation",
        license="apache-2.0" if base == smollm2.NAME else None,
        base_model=base if re.fullmatch(r"[\w.-]+/[\w.-]+", base) and not is_folder else None,
        tags=["job-ads", "fairness", "reinforcement-learning", "-".join(card.method.lower().split())],
    )
    made = ModelCard.from_template(
        metadata,
        template_str=TEMPLATE.read_text("utf-8"),
        generator=generator,
        card=card,
        escape=escape,
        adapter=adapter,
        smollm2=smollm2.NAME,
        # Of a folder the name alone: where it lay is nobody's business.
        base=Path(base).name if is_folder else base,
        total=sum(weights.numel() for weights in parameters),
        trained=sum(weights.numel() for weights in parameters if weights.requires_grad),
        origin=f"Commit {provenance.commit()}; {provenance.versions_line()}; {escape(provenance.device())}.",
    )
    return write_text(Path(folder) / "README.md", f"{made}\n")


def put_results(folder: Path, rows: pd.DataFrame) -> Path:
    """Put the result rows (`pages.COLUMNS`) of the policy and of the original ads into the card that `write` left."""
    card = ModelCard.load(Path(folder) / "README.md")
    group = rows.loc[rows["metric"] == "impact_ratio", "group"].iloc[0]
    text = rows.select_dtypes(exclude="number").columns
    escaped = rows.assign(**{name: rows[name].map(escape, na_action="ignore") for name in text if name != "metric"})
    about = "Values with 95 % intervals from a bootstrap over test ads, which were never seen in training."
    card.text = f"{card.text.partition(RESULTS)[0]}{RESULTS}{pages.format_headline(escaped, escape(group))}\n\n{about}"
    own = rows[(rows["method"] != ORIGINAL) & rows["metric"].isin(pages.HEADLINE) & rows["group"].isin([group, "all"])]
    card.data.eval_results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=row.data,
            dataset_name=row.data,
            dataset_split=row.split,
            metric_type=row.metric,
            metric_value=round(float(row.value), 4),
            metric_args={"k": int(row.k)},
            metric_name=f"{row.metric.replace('_', ' ')}, {row.group}"
            + ("" if pd.isna(row.low) else f", 95 % interval {row.low:.3f} to {row.high:.3f}"),
        )
        for row in own.itertuples()
    ]
    return write_text(Path(folder) / "README.md", f"{card}\n")


def escape(value: object) -> str:
    """Text as one line of plain Markdown: nothing in it is a heading, a link, a table cell or HTML."""
    return re.sub(r"([\\`*_\[\]<>|#~&])", r"\\\1", " ".join(str(value).split()))


def _find_base(generator: Generator) -> str:
    """Hub name or folder of the model that training started from; "" where it is not known."""
    if isinstance(generator.model, PeftModel):
        return generator.model.peft_config["default"].base_model_name_or_path or ""
    return smollm2.NAME if generator.base == pretrained.EMBEDDED else generator.model.config.name_or_path
