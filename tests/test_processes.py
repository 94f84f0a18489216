"""Two processes on one machine train what one process trains."""

import os
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
from autorefine_lib.processes import Processes

HERE = Path(__file__).parent
CONFIG = replace(SMALL, steps=3, save_every=3, report_to="")
TRAIN = """
import sys
from dataclasses import replace
from test_processes import CONFIG
from test_ppo import ten_words, trainer
kind, rank, folder = sys.argv[1:]
made = trainer(folder, kind, replace(CONFIG, lora_rank=int(rank)), vocabulary=ten_words)
print(made.processes.rank, "of", made.processes.count)
made.train()
"""


def two_processes(script: Path, *arguments: str) -> subprocess.CompletedProcess:
    launch = ["torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    paths = os.pathsep.join([str(HERE), str(HERE.parent)])
    return subprocess.run(
        [sys.executable, "-m", *launch, str(script), *arguments],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("kind, lora_rank", [("llama", 0), ("bert2bert", 4)])
def test_two_processes_have_the_curve_of_one(tmp_path, kind, lora_rank):
    alone = trainer(tmp_path / "one", kind, replace(CONFIG, lora_rank=lora_rank), vocabulary=ten_words).train()
    (tmp_path / "train.py").write_text(TRAIN)
    done = two_processes(tmp_path / "train.py", kind, str(lora_rank), str(tmp_path / "two"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert {"0 of 2", "1 of 2"} <= set(done.stdout.splitlines())
    together = pd.read_csv(tmp_path / "two/log.csv")
    columns = [c for c in alone if not c.startswith(("seconds", "tokens_per"))]
    assert list(together["step"]) == [1, 2, 3]
    pd.testing.assert_frame_equal(together[columns], alone[columns], check_exact=False, atol=1e-4, rtol=1e-4)
    weights = [load_file(tmp_path / name / "checkpoint-3/weights.safetensors") for name in ("one", "two")]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, atol=1e-4, rtol=1e-3)


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
