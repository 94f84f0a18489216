"""Load and save generators: the packaged SmolLM2, the adapters that come with the library, a Hub name, or a folder."""

import json
import os
from importlib.resources import files
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from autorefine_lib.errors import InputError
from autorefine_lib.files import check_sha256, write_json
from autorefine_lib.generator.generator import Generator
from autorefine_lib.models import smollm2

EMBEDDED = "smollm2"
"""Name of the default model: SmolLM2-135M-Instruct from its package, not aligned."""
SHIPPED = ("aligned", "rewarded")
"""Adapters that come with the library, by name: folders of `resources/`."""


def shipped(name: str) -> Path:
    """The folder of an adapter that comes with the library (one of `SHIPPED`), its weights checked.

    Raises:
        InputError: the weights are not those that the card names.
    """
    folder = Path(str(files("autorefine_lib"))) / "resources" / name
    card = json.loads((folder / "card.json").read_text("utf-8"))
    check_sha256(folder / "adapter_model.safetensors", card["sha256"], "reinstall autorefine")
    return folder


def load(name: str, level: str = "sentence", max_new_tokens: int = 64) -> Generator:
    """The generator called `name`.

    Allowed are `EMBEDDED`; "aligned" and "rewarded", the adapters that come with the library; a folder that `save`
    wrote, which brings its own `level` and `max_new_tokens`; a folder of a checkpoint; and a Hub name, which may be
    pinned to a revision ("name@revision"). Adapters below the last one are merged into the weights, so that switching
    the last one off gives the model that its training started from. On a GPU models are in bfloat16.

    Raises:
        InputError: no such model, a hub that cannot be reached, a model that is no decoder, or no safetensors.
    """
    folder = shipped(name) if name in SHIPPED else Path(name)
    if not (folder / "generator.json").is_file():
        model, tokenizer = _from_transformers(name)
        return Generator(model, tokenizer, level, max_new_tokens, origin=name)
    settings = json.loads((folder / "generator.json").read_text("utf-8"))
    level, longest = settings["level"], int(settings["max_new_tokens"])
    if (folder / "adapter_config.json").is_file():
        base = settings["base"]
        if base != EMBEDDED and base not in SHIPPED and (folder / base).is_dir():
            base = str((folder / base).resolve())
        below = load(base)
        merged = below.model.merge_and_unload() if isinstance(below.model, PeftModel) else below.model
        model, tokenizer = PeftModel.from_pretrained(merged, str(folder)), below.tokenizer
    else:
        base = ""
        model, tokenizer = _from_transformers(str(folder))
    return Generator(model.eval(), tokenizer, level, longest, settings["instruction"], name, base)


def _from_transformers(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    place, _, revision = (str(smollm2.folder()), "", "") if name == EMBEDDED else name.partition("@")
    options = {"trust_remote_code": False, "revision": revision or None}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        if AutoConfig.from_pretrained(place, **options).is_encoder_decoder:
            raise InputError(f"generator {name!r} is an encoder-decoder; choose a decoder-only instruct model")
        dtype = torch.bfloat16 if device == "cuda" else torch.float32
        model = AutoModelForCausalLM.from_pretrained(place, use_safetensors=True, dtype=dtype, **options)
        tokenizer = AutoTokenizer.from_pretrained(place, **options)
    except (OSError, ValueError) as error:
        raise InputError(
            f"generator {name!r} could not be loaded ({str(error).splitlines()[0]}); allowed: {EMBEDDED!r}, "
            f"{', '.join(map(repr, SHIPPED))}, a Hub name, or a folder with config.json, model.safetensors and "
            f"tokenizer files. Without a connection, run 'hf download {name}' on a machine that has one and pass the "
            "folder"
        ) from None
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model.to(device).eval(), tokenizer


def save(generator: Generator, folder: Path) -> Path:
    """Write the generator so that `load(folder)` gives it back.

    Of a model with adapters these alone are written, with the name of what they were put on (`Generator.base`): a
    folder is named by its way from here, so that a run can be moved as a whole. A whole model is written as
    transformers does.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    base = generator.base
    if isinstance(generator.model, PeftModel):
        config = generator.model.peft_config["default"]
        known = {EMBEDDED: smollm2.NAME, **dict.fromkeys(SHIPPED, smollm2.NAME)}
        config.base_model_name_or_path = known.get(base, Path(base).name if Path(base).is_dir() else base)
        generator.model.save_pretrained(folder, save_embedding_layers=False)  # "auto" would ask the Hub
        if Path(base).is_dir():
            base = os.path.relpath(Path(base).resolve(), folder.resolve())
    else:
        generator.model.save_pretrained(folder)
        generator.tokenizer.save_pretrained(folder)
    settings = {"base": base, "level": generator.level, "max_new_tokens": generator.max_new_tokens}
    write_json(folder / "generator.json", settings | {"instruction": generator.instruction})
    return folder
