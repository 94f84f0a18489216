"""DeepSpeed's ZeRO: what is refused, and that two processes train what one trains (where DeepSpeed is installed)."""

import os
import shutil
from dataclasses import replace

import pandas as pd
import pytest
import torch
from accelerate import Accelerator
from test_ppo import ten_words, trainer, weights
from test_processes import COLUMNS, CONFIG, assert_same, two_processes

from autorefine_lib.errors import InputError
from autorefine_lib.ppo import checkpoint, zero

TRAIN = """
import os, sys
from dataclasses import replace
from test_processes import CONFIG
from test_ppo import ten_words, trainer
kind, rank, *folders = sys.argv[1:]
os.environ["ACCELERATE_USE_DEEPSPEED"] = "true"
for stage, folder in zip("1212", folders, strict=True):
    os.environ["ACCELERATE_DEEPSPEED_ZERO_STAGE"] = stage
    made = trainer(folder, kind, replace(CONFIG, lora_rank=int(rank), save_every=1), vocabulary=ten_words)
    kept = sum(part.numel() for group in made.optimizer.adam.param_groups for part in group["params"])
    share = kept / sum(p.numel() for group in made.optimizer.param_groups for p in group["params"])
    stage = made.optimizer.engine.zero_optimization_stage()
    sys.stdout.write(f"{made.processes.rank} of {made.processes.count} at stage {stage} keeps {share:.2f}\\n")
    made.train()
    made.save_pretrained(folder + "/policy")
"""


@pytest.mark.parametrize(
    "option, value, message",
    [
        ("DEEPSPEED_ZERO_STAGE", "3", "zero_stage '3'; allowed with DeepSpeed: 1 or 2; for 3 use FSDP .*fsdp.yaml"),
        ("DEEPSPEED_ZERO_STAGE", "0", "zero_stage '0'; .* for 0 DDP .*ddp.yaml"),
        ("DEEPSPEED_OFFLOAD_OPTIMIZER_DEVICE", "cpu", "offload_optimizer_device 'cpu'; allowed with DeepSpeed: none"),
        ("DEEPSPEED_OFFLOAD_PARAM_DEVICE", "nvme", "offload_param_device 'nvme'; allowed with DeepSpeed: none"),
        ("DEEPSPEED_CONFIG_FILE", "zero.json", "config_file 'zero.json'; allowed .*: nothing; give zero_stage"),
        ("MIXED_PRECISION", "fp16", "mixed_precision 'fp16'; allowed with DeepSpeed: no; .* bf16 in PPOConfig"),
    ],
)
def test_what_is_not_supported_is_refused_in_one_line(tmp_path, monkeypatch, option, value, message):
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setenv(f"ACCELERATE_{option}", value)
    with pytest.raises(InputError, match=message) as error:
        trainer(tmp_path, "llama", CONFIG)
    assert "\n" not in str(error.value)


def test_deepspeed_must_be_installed_where_it_is_wanted(tmp_path, monkeypatch):
    monkeypatch.setattr(zero, "find_spec", lambda name: None)
    assert not zero.wanted()
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    with pytest.raises(InputError, match="not installed; `pip install deepspeed`"):
        trainer(tmp_path, "llama", CONFIG)


@pytest.mark.parametrize("kind, lora_rank", [("llama", 0), ("bert2bert", 4)])
def test_two_processes_have_the_curve_of_one(tmp_path, kind, lora_rank):
    """At both stages, also going on from a checkpoint of one process, and one process from theirs."""
    pytest.importorskip("deepspeed")
    one, *folders = [tmp_path / name for name in ("one", "stage1", "stage2", "resumed1", "resumed2")]
    config, trained = replace(CONFIG, lora_rank=lora_rank, save_every=1), "adapter_model" if lora_rank else "model"

    def alone(folder):
        made = trainer(folder, kind, config, vocabulary=ten_words)
        made.train()
        made.save_pretrained(folder / "policy")

    alone(one)
    for folder in folders[2:]:
        shutil.copytree(one / "checkpoint-2", folder / "checkpoint-2")
    (tmp_path / "train.py").write_text(TRAIN)
    done = two_processes(tmp_path / "train.py", kind, str(lora_rank), *map(str, folders))
    assert done.returncode == 0, done.stderr[-3000:]
    kept = {line for line in done.stdout.splitlines() if " keeps " in line}
    assert kept == {f"{rank} of 2 at stage {stage} keeps 0.50" for rank in (0, 1) for stage in (1, 2)}
    for folder in folders:
        assert_same([one, folder], trained)
    for folder in folders[:2]:
        shutil.rmtree(folder / "checkpoint-3")
        alone(folder)
        assert_same([one, folder], trained)


@pytest.fixture(scope="module")
def group():
    """A group of one process: nothing has to be launched, and DeepSpeed works as in many."""
    pytest.importorskip("deepspeed")
    before = os.environ.copy()
    Accelerator(cpu=True)  # which other tests share, and must not take part in the group
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    os.environ |= {"ACCELERATE_USE_DEEPSPEED": "true", "LOCAL_RANK": "0"}
    yield
    torch.distributed.destroy_process_group()
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize("stage", ["1", "2"])
def test_a_gradient_step_that_is_not_taken_leaves_nothing_behind(tmp_path, monkeypatch, group, stage):
    """With `target_kl` updates end early; `bf16` too has to reach the passes."""
    monkeypatch.setenv("ACCELERATE_DEEPSPEED_ZERO_STAGE", stage)
    config = replace(CONFIG, steps=4, target_kl=0.05, bf16=True)
    log = trainer(tmp_path / "zero", "llama", config, vocabulary=ten_words).train()
    monkeypatch.delenv("ACCELERATE_USE_DEEPSPEED")
    plain = trainer(tmp_path / "plain", "llama", config, vocabulary=ten_words).train()
    assert 0 < log["optim/updates"].min() < 4
    pd.testing.assert_frame_equal(log.filter(regex=COLUMNS), plain.filter(regex=COLUMNS), atol=1e-4, rtol=1e-4)


def test_a_gradient_that_is_not_finite_stops_the_run_before_the_step(tmp_path, group):
    made = trainer(tmp_path, "llama", CONFIG, vocabulary=ten_words)
    before = weights(made)
    made.parameters[0].register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(FloatingPointError, match="step 1: optim/grad_norm=inf; the last good state is in .*-0"):
        made.train()
    after = weights(made)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert [path.name for path in checkpoint.found(tmp_path)] == ["checkpoint-0"]


def test_a_run_goes_on_in_the_same_trainer(tmp_path, group):
    """Weights, moments and the parts that are stepped are those of the checkpoint again."""
    made = trainer(tmp_path, "llama", replace(CONFIG, save_every=2), vocabulary=ten_words)
    log = made.train()
    after = weights(made)
    shutil.rmtree(tmp_path / "checkpoint-3")
    pd.testing.assert_frame_equal(made.train().filter(regex=COLUMNS), log.filter(regex=COLUMNS))
    torch.testing.assert_close(weights(made), after)
