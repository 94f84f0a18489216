"""Two processes on one machine train what one process trains, each with all weights or with half of each."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from test_ppo import SMALL, ten_words, trainer

from autorefine_lib.errors import InputError
from autorefine_lib.ppo.processes import Processes

HERE = Path(__file__).parent
CONFIG = replace(SMALL, steps=3, save_every=3, report_to="", micro_batch_size=1)  # several a process
COLUMNS = r"^(?!seconds|tokens_per)"
TRAIN = """
import os, sys
from dataclasses import replace
from test_processes import CONFIG
from test_ppo import ten_words, trainer
kind, rank, *folders = sys.argv[1:]
for folder, fsdp in zip(folders, ("false", "true")):
    os.environ["ACCELERATE_USE_FSDP"] = fsdp
    made = trainer(folder, kind, replace(CONFIG, lora_rank=int(rank), save_every=1), vocabulary=ten_words)
    parameter = made.parameters[0]  # of a sharded one this process keeps half
    part = getattr(parameter, "_local_tensor", parameter).numel() / parameter.numel()
    sys.stdout.write(f"{made.processes.rank} of {made.processes.count} has {part}\\n")
    made.train()
    made.save_pretrained(folder + "/policy")
"""


def two_processes(script: Path, *arguments: str) -> subprocess.CompletedProcess:
    launch = ["torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    folders = [str(HERE), str(HERE.parent), str(HERE.parents[1]), os.environ.get("PYTHONPATH")]
    paths = os.pathsep.join(filter(None, folders))
    return subprocess.run(
        [sys.executable, "-m", *launch, str(script), *arguments],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def assert_same(folders, trained):
    """Logs, trained weights and policies of two runs of three steps agree."""
    logs = [pd.read_csv(folder / "log.csv").filter(regex=COLUMNS) for folder in folders]
    assert list(logs[0]["step"]) == [1, 2, 3]
    pd.testing.assert_frame_equal(*logs, check_exact=False, atol=1e-4, rtol=1e-4)
    for file in ("checkpoint-3/weights", f"policy/{trained}"):
        one, two = (load_file(folder / f"{file}.safetensors") for folder in folders)
        assert one.keys() == two.keys()
        for name, tensor in one.items():
            torch.testing.assert_close(two[name], tensor, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("kind, lora_rank, resumed", [("llama", 0, "one"), ("bert2bert", 4, "sharded")])
def test_two_processes_have_the_curve_of_one(tmp_path, kind, lora_rank, resumed):
    """Each with the whole model (DDP) or with half of it (FSDP), going on from a checkpoint of the other kind."""
    one, two, sharded = folders = [tmp_path / name for name in ("one", "two", "sharded")]
    config = replace(CONFIG, lora_rank=lora_rank, save_every=1)

    def alone(folder):
        made = trainer(folder, kind, config, vocabulary=ten_words)
        made.train()
        made.save_pretrained(folder / "policy")

    alone(one)
    if resumed == "sharded":
        shutil.copytree(one / "checkpoint-2", sharded / "checkpoint-2")
    (tmp_path / "train.py").write_text(TRAIN)
    done = two_processes(tmp_path / "train.py", kind, str(lora_rank), str(two), str(sharded))
    assert done.returncode == 0, done.stderr[-3000:]
    kept = {line for line in done.stdout.splitlines() if " has " in line}
    assert kept == {f"{rank} of 2 has {part}" for rank in (0, 1) for part in (1.0, 0.5)}
    for folder in folders[1:]:
        assert_same([one, folder], "adapter_model" if lora_rank else "model")
    if resumed == "one":
        shutil.rmtree(sharded / "checkpoint-3")
        alone(sharded)
        assert_same([one, sharded], "model")


def test_an_error_in_the_reward_ends_the_run_instead_of_hanging(tmp_path):
    (tmp_path / "train.py").write_text(
        "from test_processes import CONFIG, trainer\n"
        "def broken(prompts, completions): raise KeyError('no such job')\n"
        f"trainer({str(tmp_path)!r}, 'llama', CONFIG, reward=broken).train()\n"
    )
    done = two_processes(tmp_path / "train.py")
    assert done.returncode != 0
    assert "reward 'broken' raised KeyError" in done.stderr


def test_rows_are_shared_equally_and_put_together_again():
    alone = Processes(Accelerator(cpu=True))
    rows = torch.arange(6)
    assert torch.equal(alone.together(alone.own(rows)), rows)
    assert alone.from_main(lambda: 3) == 3 and not alone.any(False)
    first, second = (Processes(Accelerator(cpu=True)) for _ in range(2))
    first.count = second.count = 2
    second.rank = 1
    assert first.own(rows).tolist() == [0, 2, 4] and second.own(rows).tolist() == [1, 3, 5]
    with pytest.raises(InputError, match="minibatch of 3 rows .* 2 processes"):
        first.check(3)
