"""The configurations that are shipped for `accelerate launch` can be read by it."""

from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.utils import DistributedType

FOLDER = Path(__file__).parents[1] / "env" / "accelerate"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_configuration_is_read(path):
    config = load_config_from_file(str(path))
    assert config.distributed_type == DistributedType.MULTI_GPU and config.num_processes == 4
