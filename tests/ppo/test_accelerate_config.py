"""The configuration that is shipped for `accelerate launch` can be read by it and asks for what its name says."""

from pathlib import Path

from accelerate.commands.config.config_args import load_config_from_file
from accelerate.utils import DistributedType

FOLDER = Path(__file__).parents[2] / "env" / "accelerate"


def test_the_one_configuration_is_read_and_explained():
    assert [path.name for path in FOLDER.iterdir()] == ["ddp.yaml"]
    assert "accelerate/ddp.yaml" in (FOLDER.parent / "README.md").read_text()
    config = load_config_from_file(str(FOLDER / "ddp.yaml"))
    assert config.distributed_type == DistributedType.MULTI_GPU and config.num_processes == 4
