"""Load and save generators: the embedded BERT2BERT, any Hugging Face checkpoint, or what a run saved."""

import json
from importlib.resources import files
from pathlib import Path

import torch
from peft import PeftConfig, PeftModel
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from autorefine_lib.errors import InputError
from autorefine_lib.files import write_json
from autorefine_lib.generator import bert2bert
from autorefine_lib.generator.generator import Generator
from autorefine_lib.models import minilm

EMBEDDED = "minilm-bert2bert"
"""Name of the embedded generator: all-MiniLM-L6-v2 from its package as encoder and decoder, not yet aligned."""


def shipped_weights() -> tuple[Path, str]:
    """The aligned weights that come with the package, and their SHA-256 from the file beside them."""
    folder = Path(str(files("autorefine_lib"))) / "resources" / "aligned"
    return folder / "trained.safetensors", json.loads((folder / "card.json").read_text())["sha256"]


def load(name: str, level: str = "sentence", max_new_tokens: int = 56, seed: int = 0) -> Generator:
    """The generator called `name`: `EMBEDDED`, a folder that `save` wrote, a Hub name or a folder of a checkpoint.

    `level` and `max_new_tokens` are as in `Generator`; a folder that `save` wrote brings its own. A policy of ILQL is
    loaded by `ilql.load_policy`. On a GPU checkpoints are in bfloat16 until all their weights are trained
    (`Generator.prepare_training`).

    Raises:
        InputError: no such model, a hub that cannot be reached, or a checkpoint without safetensors.
    """
    saved = Path(name) / "generator.json"
    settings = json.loads(saved.read_text()) if saved.is_file() else {"base": name}
    if settings["base"] == EMBEDDED:
        model, tokenizer = bert2bert.from_bert(minilm.folder(), seed)
        if saved.is_file():
            bert2bert.load_trained(model, saved.parent / "trained.safetensors")
        generator = Generator(model, tokenizer, "sentence", restrict_vocabulary=True, max_new_tokens=max_new_tokens)
    else:
        model, tokenizer = _from_transformers(name)
        longest = int(settings.get("max_new_tokens", max_new_tokens))
        generator = Generator(model, tokenizer, settings.get("level", level), max_new_tokens=longest)
    return generator


def _from_transformers(name: str) -> tuple[PreTrainedModel | PeftModel, PreTrainedTokenizerBase]:
    adapter = (Path(name) / "adapter_config.json").is_file()
    base = PeftConfig.from_pretrained(name).base_model_name_or_path if adapter else name
    try:
        config = AutoConfig.from_pretrained(base, trust_remote_code=False)
        kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
        model = kind.from_pretrained(base, trust_remote_code=False, use_safetensors=True, dtype=dtype)
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"generator {base!r} could not be loaded ({str(error).splitlines()[0]}); allowed: {EMBEDDED!r}, a Hub "
            f"name, or a folder with config.json, model.safetensors and tokenizer files. Without a connection, run "
            f"'hf download {base}' on a machine that has one and pass the folder"
        ) from None
    if adapter:
        model = PeftModel.from_pretrained(model, name)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), tokenizer


def save(generator: Generator, folder: Path) -> Path:
    """Write the generator so that `load(folder)` gives it back; PEFT adapters are saved by themselves.

    Transformers and PEFT load the folder too. That of the embedded generator holds the trained weights only, which
    `load` puts into the packaged model.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if generator.restrict_vocabulary:
        bert2bert.save_trained(generator.model, folder / "trained.safetensors", torch.float32)
        base = EMBEDDED
    else:
        generator.model.save_pretrained(folder)
        generator.tokenizer.save_pretrained(folder)
        base = str(folder)
    settings = {"base": base, "level": generator.level, "max_new_tokens": generator.max_new_tokens}
    write_json(folder / "generator.json", settings)
    return folder
