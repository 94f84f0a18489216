# %% [markdown]
# # Exercises 04 · From REINFORCE to PPO, one idea at a time
#
# **Read before:** `notebooks/04_ppo_finetuning.ipynb`, at least to its first update. **Needs** no file: this notebook
# starts alone. **Takes** about 50 minutes; every cell answers within seconds.
#
# Where a cell says *your turn*, fill it in and run it. Then run the cell below it: it says what is right, what is
# not, and why. The answers are in `solutions/`.
#
# The ladder has five rungs. Each adds one idea to the loss of the rung before: **REINFORCE**, **baseline**, **clip**,
# **KL**, **critic**. The fifth is what `autorefine_lib/ppo/minimal.py` does with a language model.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from autorefine_lib.text import gender_coded

plt.style.use("autorefine_lib.resources.figures")
torch.set_num_threads(1)

# %% [markdown]
# ## A policy that fits on a page
#
# A text has five words. The policy is a table: for each word, how likely each word is to come next. It starts at
# zero, so every word is equally likely. No network is needed to see how learning works.

# %%
WORDS = ["supportive", "cooperative", "understanding", "reliable", "decisive", "competitive", "dominant"]
LENGTH, START = 5, len(WORDS)  # the last row of the table stands for the beginning of a text


def shift(words: torch.Tensor) -> torch.Tensor:
    """The word before each word."""
    return torch.cat([torch.full((len(words), 1), START), words[:, :-1]], 1)


def find_logprobs(table: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """Natural log of the probability of each word, [texts, words]."""
    return table[shift(words)].log_softmax(-1).gather(-1, words[..., None])[..., 0]


# %%
def sample(table: torch.Tensor, texts: int) -> torch.Tensor:
    """Texts drawn word by word, as numbers, [texts, words]."""
    words = torch.zeros(texts, 0, dtype=torch.long)
    for _ in range(LENGTH):
        before = words[:, -1] if words.shape[1] else torch.full((texts,), START)
        drawn = torch.multinomial(table[before].softmax(-1), 1)
        words = torch.cat([words, drawn], 1)
    return words


def read(words: torch.Tensor) -> list[str]:
    """The texts as words."""
    return [" ".join(WORDS[word] for word in text) for text in words.tolist()]


# %% [markdown]
# The reward is a toy, as in notebook 04: 10 for handing in a text, 1 more for each feminine-coded word, 1 less for
# each masculine-coded one. It ranks nobody.


# %%
def communal(text: str) -> float:
    """10, and the feminine-coded less the masculine-coded words."""
    count = gender_coded.count(text)
    return 10.0 + count["feminine"] - count["masculine"]


torch.manual_seed(0)
for text in read(sample(torch.zeros(START + 1, len(WORDS)), 3)):
    print(communal(text), text)

# %% [markdown]
# One loop serves all rungs. What changes is `loss`, and how many gradient steps (`passes`) are taken on one batch.
#
# `batch` holds what is known of the sampled texts: `reward` [texts]; `old` and `reference`, the log-probabilities
# [texts, words] under the policy that sampled them and under the policy before all training; and, for the last rung,
# `value` and `old_value` [texts, words].


# %%
def train(loss, reward, steps: int = 40, passes: int = 1, rate: float = 0.5, seed: int = 0) -> dict:
    """Train a policy; what was seen before each step, and the policy."""
    torch.manual_seed(seed)
    table = torch.zeros(START + 1, len(WORDS), requires_grad=True)
    critic = torch.zeros(LENGTH, START + 1, requires_grad=True)  # what it expects, by place and by word before
    optimizer = torch.optim.SGD([{"params": [table], "lr": rate}, {"params": [critic], "lr": 1.0}])
    seen = {"reward": [], "kl": [], "share of different words": []}
    for _ in range(steps):
        words, batch = collect(table, critic, reward, seen)
        for _ in range(passes):
            batch["value"] = critic[torch.arange(LENGTH), shift(words)]
            optimizer.zero_grad()
            loss(find_logprobs(table, words), batch).backward()
            optimizer.step()
    return seen | {"table": table.detach()}


# %%
@torch.no_grad()
def collect(table, critic, reward, seen: dict, texts: int = 16) -> tuple[torch.Tensor, dict]:
    """Sample a batch, have it rewarded, and note what is seen."""
    words = sample(table, texts)
    batch = {"reward": torch.tensor([float(reward(text)) for text in read(words)])}
    batch["old"] = find_logprobs(table, words)
    batch["reference"] = find_logprobs(torch.zeros_like(table), words)
    batch["old_value"] = critic[torch.arange(LENGTH), shift(words)]
    seen["reward"].append(batch["reward"].mean().item())
    seen["kl"].append((batch["old"] - batch["reference"]).sum(1).mean().item())
    different = [len(set(text.split())) / LENGTH for text in read(words)]
    seen["share of different words"].append(np.mean(different))
    return words, batch


# %%
def compare(runs: dict[str, dict], *what: str) -> None:
    """Draw what was seen in several runs, one picture for each thing."""
    figure, axes = plt.subplots(1, len(what), figsize=(5.5 * len(what), 3.5), squeeze=False)
    for ax, name in zip(axes[0], what, strict=True):
        for label, run in runs.items():
            ax.plot(run[name], label=label)
        ax.set(title=name, xlabel="step")
    axes[0, 0].legend()
    plt.show()


# %% [markdown]
# ## Rung 1: REINFORCE
#
# We want a higher expected reward. Its gradient can be sampled (Williams, 1992):
#
#     ∇ E[R]       =  E[ R · ∇ log p(text) ]
#     log p(text)  =  Σₜ log p(wordₜ | words before)
#
# In words: push up the log-probability of every sampled text, the harder the more it earned. An optimiser
# *minimises*, hence the minus.


# %%
def reinforce(new: torch.Tensor, batch: dict) -> torch.Tensor:
    """Rung 1. `new`: log-probabilities under the policy in training, [texts, words]."""
    return -(batch["reward"][:, None] * new).sum(1).mean()


runs = {"1 REINFORCE": train(reinforce, communal, seed=4)}
compare(runs, "reward")

# %% [markdown]
# **Your turn.** Take one text with the reward 5, far below the usual 10. Rung 1 takes one gradient step on *this text
# alone*. What happens to its probability: does it `"rise"`, `"fall"` or `"stay"`?

# %% tags=["exercise"]
it_will = None  # your answer

# %% tags=["solution"]
it_will = "rise"

# %% tags=["check"]
table, words = torch.zeros(START + 1, len(WORDS), requires_grad=True), torch.tensor([[4, 5, 6, 4, 5]])
reinforce(find_logprobs(table, words), {"reward": torch.tensor([5.0])}).backward()
change = (find_logprobs(table - 0.05 * table.grad, words) - find_logprobs(table, words)).sum().item()
happens = "rise" if change > 0 else "fall"
if it_will is None:
    print("No answer yet.")
elif it_will == happens:
    print(f"Right: its log-probability changes by {change:+.2f}. 5 is positive, so rung 1 asks for more of it.")
else:
    print(f"Not yet: its log-probability changes by {change:+.2f}. Rung 1 does not know that others earn 10.")

# %% [markdown]
# ## Rung 2: a baseline
#
# A bad text is pushed up too, only less than others. Over many samples this comes out even, since probabilities add
# up to 1. But one batch is noisy. Take a **baseline** off: reward less the mean reward of the batch. The expected
# gradient keeps its direction, because E[∇ log *p*] = 0; the noise falls. (Each text is part of its
# own mean. This makes the gradient shorter by 1/16 and turns it nowhere. Leave-one-out, in notebook 04, does
# without.)
#
# **Your turn.** Change one line.


# %% tags=["exercise"]
def with_baseline(new: torch.Tensor, batch: dict) -> torch.Tensor:
    """Rung 2: rung 1, with the reward less its mean over the batch."""
    advantage = batch["reward"]  # your turn: change this line
    return -(advantage[:, None] * new).sum(1).mean()


# %% tags=["solution"]
def with_baseline(new: torch.Tensor, batch: dict) -> torch.Tensor:
    """Rung 2: rung 1, with the reward less its mean over the batch."""
    advantage = batch["reward"] - batch["reward"].mean()
    return -(advantage[:, None] * new).sum(1).mean()


# %% tags=["check"]
new, earned = torch.tensor([[-1.0, -2.0], [-3.0, -1.0]]), torch.tensor([8.0, 12.0])
mine, shifted = (with_baseline(new, {"reward": earned + more}).item() for more in (0, 100))
if abs(mine - reinforce(new, {"reward": earned}).item()) < 1e-4:
    print("No answer yet: this is still rung 1.")
elif abs(mine - shifted) > 1e-3:
    print("Not yet: with 100 more for every text the loss changes. Take the mean of the rewards off.")
elif abs(mine + 1.0) < 1e-4:
    print("Not yet: the sign is turned around. Advantage is reward less mean, not mean less reward.")
elif abs(mine - 1.0) > 1e-4:
    print(f"Not yet: the loss of the example is {mine:.2f}, and should be 1. Do not divide by anything.")
else:
    print("Right. Half of the texts is now pushed down, and 100 more for everybody changes nothing.")

# %% [markdown]
# How much noise is gone? The next cell draws 300 batches from the *same* untrained policy and looks at one number of
# the gradient: that of *supportive* as the first word.


# %%
def find_gradients(loss, batches: int = 300) -> np.ndarray:
    """The step that each batch asks for, for `supportive` as the first word."""
    torch.manual_seed(1)
    asked = []
    for _ in range(batches):
        table = torch.zeros(START + 1, len(WORDS), requires_grad=True)
        words = sample(table.detach(), 16)
        batch = {"reward": torch.tensor([communal(text) for text in read(words)])}
        loss(find_logprobs(table, words), batch).backward()
        asked.append(-table.grad[START, 0].item())
    return np.array(asked)


# %%
spread = {"1 REINFORCE": find_gradients(reinforce), "2 baseline": find_gradients(with_baseline)}
figure, ax = plt.subplots(figsize=(7, 3.5))
for name, asked in spread.items():
    label = f"{name}: mean {asked.mean():.2f}, spread {asked.std():.2f}"
    ax.hist(asked, bins=np.linspace(-2.5, 3, 45), alpha=0.6, label=label)
ax.axvline(0, color="grey", lw=1)
ax.set(title="The same direction on average, far less noise", xlabel="change asked for by one batch", ylabel="batches")
ax.legend()
plt.show()

# %%
runs["2 baseline"] = train(with_baseline, communal, seed=4)
compare(runs, "reward", "kl")

# %% [markdown]
# The picture on the right is explained in rung 4: it says how far the policy has gone from its start. Rung 1 pushes
# up whatever it happened to sample, so it commits early. With `seed=4` it ends with one text that is worth 13 and
# never leaves it. With `seed=0` it is lucky, and even faster than rung 2: large rewards are large steps. Try both
# seeds. (On another kind of CPU the lucky seed may be another.)

# %% [markdown]
# ## Rung 3: the clip
#
# Sampling is expensive, so we want several steps on one batch. But after the first step the batch comes from an *old*
# policy. Two changes:
#
# - The **ratio** *r* = *p*(new) / *p*(old) of each word stands in place of its log-probability. At *r* = 1
#   the gradient is that of rung 2.
# - The **clip** (Schulman et al., 2017): min(*A* · *r*, *A* · clip(*r*, 0.8, 1.2)). Once a word has moved as
#   far as it may, nothing more is gained.

# %%
ratio = torch.linspace(0.4, 1.8, 200)
figure, axes = plt.subplots(1, 2, figsize=(10, 3.2), sharey=True)
for ax, advantage in zip(axes, (1.0, -1.0), strict=True):
    gain = torch.minimum(advantage * ratio, advantage * ratio.clamp(0.8, 1.2))
    ax.plot(ratio, gain)
    ax.axvspan(0.8, 1.2, color="#E8F0F6", zorder=0)
    ax.axvline(1, color="grey", lw=1)
    ax.set(title=f"advantage {advantage:+.0f}", xlabel="ratio of new to old probability")
axes[0].set_ylabel("what is gained")
plt.show()

# %% [markdown]
# **Your turn.** The gradient of a word is 0 where its curve is flat. For which of these four words is it 0?
#
# - `"A"`: advantage +1, ratio 1.5
# - `"B"`: advantage +1, ratio 0.5
# - `"C"`: advantage −1, ratio 1.5
# - `"D"`: advantage −1, ratio 0.5

# %% tags=["exercise"]
gradient_is_zero = None  # your answer, for instance {"A", "B"}

# %% tags=["solution"]
gradient_is_zero = {"A", "D"}

# %% tags=["check"]
gradient_is_zero = gradient_is_zero and set(gradient_is_zero)  # a list does as well
if gradient_is_zero is None:
    print("No answer yet.")
elif gradient_is_zero == {"A", "B", "C", "D"}:
    print("Not yet: the minimum keeps one side open. Look where the curves are flat, left and right.")
elif "B" in gradient_is_zero:
    print("Not yet: B is good and became rarer, by mistake. The clip must not stop it from coming back.")
elif "C" in gradient_is_zero:
    print("Not yet: C is bad and became likelier, by mistake. The clip must not stop it from going back.")
elif gradient_is_zero == {"A", "D"}:
    print("Right. Both have already moved the right way, and far enough. Mistakes may always be undone.")
else:
    print("Not yet: there are two. Read the curve of +1 at 1.5 and that of -1 at 0.5.")

# %% [markdown]
# **Your turn.** Write the rung. The cell of the figure has the line.


# %% tags=["exercise"]
def with_clip(new: torch.Tensor, batch: dict) -> torch.Tensor:
    """Rung 3: rung 2 with the clipped ratio in place of the log-probability."""
    advantage = (batch["reward"] - batch["reward"].mean())[:, None]
    ratio = (new - batch["old"]).exp()
    gain = advantage * ratio  # your turn: add the clip
    return -gain.sum(1).mean()


# %% tags=["solution"]
def with_clip(new: torch.Tensor, batch: dict) -> torch.Tensor:
    """Rung 3: rung 2 with the clipped ratio in place of the log-probability."""
    advantage = (batch["reward"] - batch["reward"].mean())[:, None]
    ratio = (new - batch["old"]).exp()
    gain = torch.minimum(advantage * ratio, advantage * ratio.clamp(0.8, 1.2))
    return -gain.sum(1).mean()


# %% tags=["check"]
new = torch.tensor([[1.5], [1.5], [0.5], [0.5]]).log().requires_grad_()
with_clip(new, {"reward": torch.tensor([1.0, -1.0, 1.0, -1.0]), "old": torch.zeros(4, 1)}).backward()
moves = (new.grad.abs() > 1e-6)[:, 0].tolist()  # of words A, C, B, D
if moves == [True] * 4:
    print("No answer yet: nothing is clipped.")
elif moves == [False] * 4:
    print("Not yet: you clip only. Take the minimum of the clipped and of the plain gain.")
elif moves == [True, False, False, True]:
    print("Not yet: this is the maximum of the two. It stops what should be undone. Take the minimum.")
else:
    print("Right: A and D stand still, B and C may come back." if moves == [False, True, True, False] else "Not yet.")

# %%
runs["3 clip"] = train(with_clip, communal, passes=4)
baseline = {f"2 baseline, passes: {n}": train(with_baseline, communal, passes=n) for n in (1, 4)}
compare(baseline | {"3 clip, passes: 4": runs["3 clip"]}, "reward", "kl")

# %% [markdown]
# Four passes learn faster. Look at the KL: without a clip nothing slows it down. But even the clip only limits one
# batch. Over many batches the policy goes as far as it likes.

# %% [markdown]
# ## Rung 4: a price on KL
#
# The reward is never all that we want. A language model that goes far from its start writes nonsense that happens to
# pay. So distance costs: *R* − *c* · Σₜ (log *p*(old) − log *p*(reference)). The sum is a sample of the KL
# from the reference, in nats a text.
#
# **Your turn.** Change one line. `PRICE` is *c*.

# %%
PRICE = 0.5  # of one nat


# %% tags=["exercise"]
def with_kl(new: torch.Tensor, batch: dict) -> torch.Tensor:
    """Rung 4: rung 3, where distance from the reference costs reward."""
    paid = batch["reward"]  # your turn: take off the price of the distance
    return with_clip(new, batch | {"reward": paid})


# %% tags=["solution"]
def with_kl(new: torch.Tensor, batch: dict) -> torch.Tensor:
    """Rung 4: rung 3, where distance from the reference costs reward."""
    paid = batch["reward"] - PRICE * (batch["old"] - batch["reference"]).sum(1)
    return with_clip(new, batch | {"reward": paid})


# %% tags=["check"]
old, reference = torch.tensor([[-1.0, -1.0], [-2.0, -2.0]]), torch.tensor([[-2.0, -2.0], [-2.0, -2.0]])
example = {"reward": torch.tensor([10.0, 10.0]), "old": old, "reference": reference}
new = old.clone().requires_grad_()
with_kl(new, example).backward()
asked = -2 * new.grad[0]  # the advantage of the first text, word by word: it is 2 nats away, the other 0
if asked.abs().max() == 0:
    print("No answer yet: both texts earn 10, and the one far away pays nothing.")
elif asked[0] > 0:
    print("Not yet: the text far from the reference is rewarded for it. Turn the sign around.")
elif torch.allclose(asked, torch.tensor(-PRICE)):
    print(f"Right: 2 nats cost {2 * PRICE}, the other text pays nothing; less the mean this is {-PRICE}.")
else:
    print(f"Not yet: the first text's advantage is {asked[0]:.2f}, not {-PRICE}. Sum over the words, times PRICE.")

# %%
runs["4 KL"] = train(with_kl, communal, passes=4)
compare({name: runs[name] for name in ("3 clip", "4 KL")}, "reward", "kl")

# %% [markdown]
# Less reward, less distance. Where the two balance is *your* choice of `PRICE`. Try 0.1 and 2.
#
# For this toy the best policy is known: π\*(text) ∝ *p*(text) · exp(*R* / *c*), with the *p* of the reference.
# The reward adds up over the words, so each word stands by itself: a feminine-coded one has the weight exp(1/*c*), a
# masculine-coded one exp(−1/*c*), *reliable* has 1.
#
# **Your turn.** Three of the seven words are feminine-coded, three masculine-coded. Which share of the words of the
# best policy is feminine-coded, for your `PRICE`?

# %% tags=["exercise"]
best_share = None  # your answer, to two digits

# %% tags=["solution"]
weights = np.exp(np.array([1, 1, 1, 0, -1, -1, -1]) / PRICE)
best_share = weights[:3].sum() / weights.sum()

# %% tags=["check"]
up, down = np.exp(1 / PRICE), np.exp(-1 / PRICE)
share = 3 * up / (3 * up + 1 + 3 * down)
learned = (sample(runs["4 KL"]["table"], 500) < 3).float().mean().item()
if best_share is None:
    print("No answer yet.")
elif abs(best_share - share) < 0.006:
    print(f"Right: {share:.2f}. Rung 4 has learned {learned:.2f} in 40 steps.")
elif abs(best_share - up / (up + 1 + down)) < 0.006:
    print("Not yet: three words have the high weight, three the low one, and one has 1.")
elif abs(best_share - 3 * np.exp(PRICE) / (3 * np.exp(PRICE) + 1 + 3 * np.exp(-PRICE))) < 0.006:
    print("Not yet: the reward is divided by c, not multiplied by it. A low price lets the weights differ more.")
else:
    print("Not yet: divide the three high weights by the sum of all seven.")

# %% [markdown]
# A price that is too low gives the hack, one that is too high gives the start. This is the one formula to keep in
# mind when a training on language does "nothing": compare the spread of the reward with the price of a nat.

# %% [markdown]
# ## GAE by hand, on five words
#
# So far each word of a text gets the same advantage. A **critic** guesses, before each word, what is still to come:
# its value *V*ₜ. Then a word can be better than expected by itself:
#
#     δₜ  =  rₜ + Vₜ₊₁ − Vₜ
#     Aₜ  =  δₜ + λ · Aₜ₊₁
#
# with a value and an advantage of 0 after the last word. This is *generalised advantage estimation* (Schulman et al.,
# 2016), without a discount. The reward comes with the last word.

# %%
rewards = [0.0, 0.0, 0.0, 0.0, 1.0]
values = [0.2, 0.4, 0.4, 0.1, 0.5]

# %% [markdown]
# **Your turn.** Work out the five *δ*ₜ. Then, with *λ* = 0.5, the five *A*ₜ: begin with the last.

# %% tags=["exercise"]
deltas = [None, None, None, None, None]  # your turn
advantages = [None, None, None, None, None]  # your turn

# %% tags=["solution"]
deltas = [0.2, 0.0, -0.3, 0.4, 0.5]
advantages = [0.20625, 0.0125, 0.025, 0.65, 0.5]

# %% tags=["check"]
expected = [0.2, 0.0, -0.3, 0.4, 0.5]
wrong = [t for t in range(5) if deltas[t] is None or abs(deltas[t] - expected[t]) > 0.005]
if None in deltas or None in advantages:
    print("No answer yet.")
elif wrong:
    print(f"Not yet: look at delta number {wrong[0]}, counted from 0. It is reward + next value - own value.")
else:
    carried, wrong = 0.0, []
    for t in reversed(range(5)):
        carried = deltas[t] + 0.5 * carried
        wrong += [t] * (abs(advantages[t] - carried) > 0.005)
    print(f"Not yet: A number {wrong[0]} is delta + 0.5 times the A after it." if wrong else "Right, all ten.")

# %% [markdown]
# `minimal.py` has the same lines. It is told the same numbers below, with three values of *λ*. (Its *returns*
# are *A*ₜ + *V*ₜ.)

# %%
from autorefine_lib.ppo import minimal

# %%
given = torch.tensor([rewards]), torch.tensor([values]), torch.ones(1, 5, dtype=torch.bool)
figure, ax = plt.subplots(figsize=(7, 3.2))
for place, lam in enumerate((0.0, 0.5, 1.0)):
    _, returns = minimal.estimate_advantages(*given, lam)
    found = (returns - given[1])[0]
    ax.bar(np.arange(5) + 0.27 * (place - 1), found, width=0.25, label=f"lambda {lam}")
    print(f"lambda {lam}:", [round(value, 4) for value in found.tolist()])
ax.axhline(0, color="grey", lw=1)
ax.set(title="The larger lambda, the further the reward is carried back", xlabel="word", ylim=(-0.4, 1.3))
ax.set_ylabel("advantage")
ax.legend(ncols=3)
plt.show()

# %% [markdown]
# **Your turn.** Look at *λ* = 1. Which of these is *A*ₜ then, whatever the values after *t* are?
#
# - `"a"`: the whole reward, 1, for each word
# - `"b"`: 1 less the value before that word
# - `"c"`: the change of the value from one word to the next

# %% tags=["exercise"]
with_lambda_1 = None  # your answer: "a", "b" or "c"

# %% tags=["solution"]
with_lambda_1 = "b"

# %% tags=["check"]
said = {
    "a": "Not yet: this is the return. The advantage takes off what was expected.",
    "b": "Right: add the deltas from word t on, and all other values cancel. No bias, but all the noise of the reward.",
    "c": "Not yet: this is lambda 0. It trusts the critic for everything but the next word.",
}
print(said.get(with_lambda_1, "No answer yet."))

# %% [markdown]
# ## Rung 5: a critic
#
# **Your turn.** Write the two lines of GAE for a whole batch, as you did by hand. `rewards` and `values` are [texts,
# words].


# %% tags=["exercise"]
def estimate_advantages(rewards: torch.Tensor, values: torch.Tensor, lam: float = 0.95) -> torch.Tensor:
    """The advantage of each word, [texts, words]."""
    advantages, carried, next_value = torch.zeros_like(rewards), 0.0, 0.0
    for t in reversed(range(LENGTH)):
        delta = 0.0 * next_value  # your turn
        carried = 0.0 * delta  # your turn
        advantages[:, t], next_value = carried, values[:, t]
    return advantages


# %% tags=["solution"]
def estimate_advantages(rewards: torch.Tensor, values: torch.Tensor, lam: float = 0.95) -> torch.Tensor:
    """The advantage of each word, [texts, words]."""
    advantages, carried, next_value = torch.zeros_like(rewards), 0.0, 0.0
    for t in reversed(range(LENGTH)):
        delta = rewards[:, t] + next_value - values[:, t]
        carried = delta + lam * carried
        advantages[:, t], next_value = carried, values[:, t]
    return advantages


# %% tags=["check"]
mine = estimate_advantages(given[0], given[1], lam=0.5)[0]
right = torch.tensor([0.20625, 0.0125, 0.025, 0.65, 0.5])
if not mine.any():
    print("No answer yet.")
elif torch.allclose(mine, right, atol=1e-4):
    print("Right: these are the five numbers that you worked out.")
elif torch.allclose(mine, torch.tensor([0.2, 0.0, -0.3, 0.4, 0.5]), atol=1e-4):
    print("Not yet: these are the deltas. Add lam times what was carried from the word after.")
else:
    last = max(t for t in range(5) if abs(mine[t] - right[t]) > 1e-4)
    print(f"Not yet: at word {last} you have {mine[last]:.4f}, and it should be {right[last]:.4f}.")

# %% [markdown]
# The rung: the price on KL falls due at each word, the reward at the last, and the critic learns what was to come.


# %%
def with_critic(new: torch.Tensor, batch: dict) -> torch.Tensor:
    """Rung 5: rung 4 with an advantage for each word, from a critic that learns beside."""
    paid = -PRICE * (batch["old"] - batch["reference"])
    paid[:, -1] += batch["reward"]
    advantage = estimate_advantages(paid, batch["old_value"])
    error = (batch["value"] - (advantage + batch["old_value"])) ** 2
    advantage = advantage - advantage.mean()
    ratio = (new - batch["old"]).exp()
    gain = torch.minimum(advantage * ratio, advantage * ratio.clamp(0.8, 1.2))
    return -gain.sum(1).mean() + 0.5 * error.sum(1).mean()


runs["5 critic"] = train(with_critic, communal, passes=4)
compare({name: runs[name] for name in ("4 KL", "5 critic")}, "reward", "kl")

# %% [markdown]
# Is rung 5 better than rung 4 here? Look again with `seed=1` and `seed=2` before you say so. A critic has to learn
# first. Where texts are short and the reward comes once, the mean of the batch is a good baseline already. In
# notebook 04 the value head is used only where it explains what the mean of the other rewrites has left.

# %% [markdown]
# ## How a reward is hacked, and how one notices
#
# The reward of rung 3 rose nicely. Read what it wrote.

# %%
torch.manual_seed(5)
print(*read(sample(runs["3 clip"]["table"], 4)), sep="\n")
compare({"3 clip": runs["3 clip"]}, "reward", "share of different words")

# %% [markdown]
# The reward counts words and does not mind that they repeat. So the policy settles on one that it found early. Nobody
# would want this text, and the reward curve alone looks like success.
#
# **Your turn.** Write a reward of your own for `text`: as `communal`, but a word that comes again pays nothing. It
# must still cost something to write a masculine-coded word.


# %% tags=["exercise"]
def my_reward(text: str) -> float:
    """Your turn."""
    return communal(text)  # your turn: change this line


# %% tags=["solution"]
def my_reward(text: str) -> float:
    """As `communal`, where each different word counts once."""
    return communal(" ".join(set(text.split())))


# %% tags=["check"]
again, three = "supportive " * 5, "supportive cooperative understanding reliable reliable"
if my_reward(again) == communal(again):
    print("No answer yet: five times the same word still pays five times.")
elif my_reward(again) >= my_reward(three):
    print("Not yet: repeating one word still pays as much as three different ones.")
elif my_reward(three) <= my_reward("reliable " * 5):
    print("Not yet: now feminine-coded words pay nothing at all.")
elif my_reward("dominant " * 5) >= my_reward("reliable " * 5):
    print("Not yet: a masculine-coded word costs nothing any more.")
else:
    print("Right. Now look whether the policy finds the next hole.")

# %%
runs["communal"], runs["my reward"] = (train(with_kl, reward, passes=4) for reward in (communal, my_reward))
compare({name: runs[name] for name in ("communal", "my reward")}, "share of different words", "kl")
print(*read(sample(runs["my reward"]["table"], 4)), sep="\n")

# %% [markdown]
# The two rewards have different scales, so their curves must not be compared. What the texts look like can be: here,
# how many words are different.
#
# **Your turn.** A colleague shows you a training whose reward rises. Which *three* of these would you ask for before
# you believe it?
#
# - `"A"`: texts of the last step, the best and the worst
# - `"B"`: the reward curve with more steps
# - `"C"`: the KL to the start and a measure of repetition
# - `"D"`: a measurement that was not the reward, on ads never seen
# - `"E"`: the reward of the best text of all

# %% tags=["exercise"]
ask_for = None  # your answer: three letters, for instance {"A", "B", "C"}

# %% tags=["solution"]
ask_for = {"A", "C", "D"}

# %% tags=["check"]
ask_for = ask_for and set(ask_for)  # a list does as well
if ask_for is None:
    print("No answer yet.")
elif "B" in ask_for:
    print("Not yet: a hacked reward rises too, and with more steps it rises further.")
elif "E" in ask_for:
    print("Not yet: the best text of a hacked reward is the hack itself. Read it; its number says nothing.")
elif ask_for == {"A", "C", "D"}:
    print("Right: read, watch what nobody paid for, and measure what you really want.")
else:
    print("Not yet: choose three.")

# %% [markdown]
# ## The same with a real decoder
#
# `minimal.py` is rung 5 with a transformer in place of the table, and texts that end where the model ends them. Below
# it trains a tiny decoder of random weights with *your* reward, twice: with a small and with a large price on KL.

# %%
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

vocabulary = Tokenizer(models.WordLevel({word: number for number, word in enumerate(["<end>", "ad", *WORDS])}))
vocabulary.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=vocabulary, pad_token="<end>", eos_token="<end>")
size = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
config = LlamaConfig(vocab_size=len(tokenizer), pad_token_id=0, eos_token_id=0, **size)


def reward_all(prompts: list[str], completions: list[str]) -> list[float]:
    """Your reward, as `minimal.py` asks for it."""
    return [my_reward(text) for text in completions]


# %%
def train_decoder(price: float) -> dict:
    """Twenty steps of `minimal.py`."""
    torch.manual_seed(0)
    args = minimal.Args(steps=20, batch_size=16, minibatches=1, epochs=4, max_new_tokens=5, kl_coef=price)
    args.learning_rate = 5e-3
    policy = minimal.Policy(LlamaForCausalLM(config), tokenizer, args)
    log = minimal.train(policy, reward_all, {"prompt": ["ad"] * 16})
    kl = [row["batch"]["kl"].sum(1).mean().item() for row in log]
    return {"reward": [np.mean(row["samples"]["reward"]) for row in log], "kl": kl}


compare({f"price {price}": train_decoder(price) for price in (0.05, 2.0)}, "reward", "kl")

# %% [markdown]
# **Where to go from here.** Open `autorefine_lib/ppo/minimal.py` and find the five rungs in it. Then write another
# reward in the cell of `my_reward`, for instance one for short words, and run the last cells again.
