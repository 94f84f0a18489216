"""The configurations that are shipped for `accelerate launch` can be read by it and ask for what their names say."""

from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.utils import DistributedType

FOLDER = Path(__file__).parents[2] / "env" / "accelerate"
TYPES = {"ddp": DistributedType.MULTI_GPU, "fsdp": DistributedType.FSDP, "deepspeed": DistributedType.DEEPSPEED}


def test_every_configuration_is_tested_and_explained():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(TYPES)
    readme = (FOLDER.parent / "README.md").read_text()
    assert all(f"accelerate/{name}.yaml" in readme for name in TYPES)


@pytest.mark.parametrize("name", TYPES)
def test_configuration_is_read(name):
    config = load_config_from_file(str(FOLDER / f"{name}.yaml"))
    assert config.distributed_type == TYPES[name] and config.num_processes == 4
    assert (name == "fsdp") == bool(config.fsdp_config)
    assert config.deepspeed_config == ({"zero_stage": 2} if name == "deepspeed" else {})
