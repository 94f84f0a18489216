"""Two processes on one machine, over gloo, train what one process trains."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from accelerate.utils import DistributedType
from safetensors.torch import load_file
from test_ppo import SMALL, trainer

from autorefine_lib.errors import InputError
from autorefine_lib.ppo import processes

HERE = Path(__file__).parent
DDP = HERE.parents[1] / "env" / "accelerate" / "ddp.yaml"
CONFIG = replace(SMALL, steps=3, save_every=3, report_to="", micro_batch_size=1)  # several a process
COLUMNS = r"^(?!seconds|tokens_per)"
TRAIN = """
import sys
from dataclasses import replace
from test_processes import CONFIG, length
from test_ppo import trainer
kind, rank, folder = sys.argv[1:]
made = trainer(folder, kind, replace(CONFIG, lora_rank=int(rank)), length)
sys.stdout.write(f"process {made.accelerator.process_index} of {made.accelerator.num_processes}\\n")
made.train()
made.save_pretrained(folder + "/policy")
"""


def length(completions, **columns):
    """Differs from the first step on: of equal rewards, rounding alone would decide where the policy goes."""
    return [float(len(completion)) for completion in completions]


def launch_two(script: Path, *arguments: str) -> subprocess.CompletedProcess:
    """As env/README.md says it: with the configuration that is shipped, on a machine that need have no GPU."""
    launch = ["accelerate.commands.launch", "--config_file", str(DDP), "--num_processes=2", "--main_process_port=0"]
    paths = filter(None, [str(HERE), str(HERE.parent), str(HERE.parents[1]), os.environ.get("PYTHONPATH")])
    return subprocess.run(
        [sys.executable, "-m", *launch, str(script), *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.mark.parametrize("kind, lora_rank", [("llama", 0), ("llama", 4)])
def test_two_processes_have_the_curve_and_the_weights_of_one(tmp_path, kind, lora_rank):
    one, two = tmp_path / "one", tmp_path / "two"
    alone = trainer(one, kind, replace(CONFIG, lora_rank=lora_rank), length)
    alone.train()
    alone.save_pretrained(one / "policy")
    (tmp_path / "train.py").write_text(TRAIN)
    done = launch_two(tmp_path / "train.py", kind, str(lora_rank), str(two))
    assert done.returncode == 0, done.stderr[-3000:]
    assert {line for line in done.stdout.splitlines() if " of 2" in line} == {"process 0 of 2", "process 1 of 2"}
    logs = [pd.read_csv(folder / "log.csv").filter(regex=COLUMNS) for folder in (one, two)]
    assert list(logs[0]["step"]) == [1, 2, 3]
    pd.testing.assert_frame_equal(*logs, check_exact=False, atol=1e-4, rtol=1e-4)
    for file in ("checkpoint-3/weights", f"policy/{'adapter_model' if lora_rank else 'model'}"):
        expected, found = (load_file(folder / f"{file}.safetensors") for folder in (one, two))
        assert expected.keys() == found.keys()
        for name, tensor in expected.items():
            torch.testing.assert_close(found[name], tensor, atol=1e-4, rtol=0)


def test_an_error_in_the_reward_ends_the_run_instead_of_hanging(tmp_path):
    (tmp_path / "train.py").write_text(
        "from test_processes import CONFIG, trainer\n"
        "def broken(prompts, completions): raise KeyError('no such job')\n"
        f"trainer({str(tmp_path)!r}, 'llama', CONFIG, reward=broken).train()\n"
    )
    done = launch_two(tmp_path / "train.py")
    assert done.returncode != 0
    assert "reward 'broken' raised KeyError" in done.stderr


def test_rows_are_shared_equally():
    first, second = (SimpleNamespace(num_processes=2, process_index=rank) for rank in (0, 1))
    rows = torch.arange(6)
    assert processes.take_share(first, rows).tolist() == [0, 1, 2]
    assert processes.take_share(second, rows).tolist() == [3, 4, 5]
    processes.check_share(first, 6)
    with pytest.raises(InputError, match="minibatch of 3 rows .* 2 processes"):
        processes.check_share(first, 3)


def test_a_launch_for_anything_but_ddp_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(processes.Accelerator, "distributed_type", DistributedType.FSDP)
    with pytest.raises(InputError, match="distributed_type FSDP; allowed: one process or DDP .*ddp.yaml"):
        processes.make_accelerator(tmp_path, [])
