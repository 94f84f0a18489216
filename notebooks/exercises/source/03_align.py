# %% [markdown]
# # Exercises 03 · Guards, temperature, and what alignment learns
#
# **Read before:** `notebooks/03_align.ipynb`. **Needs** no file: this notebook starts alone. **Takes** about 15
# minutes; every cell answers within seconds.
#
# Where a cell says *your turn*, fill it in and run it. Then run the cell below it: it says what is right, what is
# not, and why. The answers are in `solutions/`.

# %%
import matplotlib.pyplot as plt
import numpy as np

from autorefine_lib.text import faithfulness

plt.style.use("autorefine_lib.resources.figures")

# %% [markdown]
# ## 1. Predict: which rewrites do the guards accept?
#
# The guards compare facts and requirements. With a dependency parser they compare who does what, what must be, and
# what is denied.

# %%
SENTENCE = "You must not share the records of our patients with others."
REWRITES = {
    "A": "You must never share our patients' records with others.",
    "B": "You must share the records of our patients with others.",
    "C": "You should not share the records of our patients with others.",
    "D": "Others must not share the records of our patients with you.",
    "E": "You must not share the records of our patients with other people.",
}

# %% [markdown]
# **Your turn.** Which are accepted?

# %% tags=["exercise"]
accepted = None  # your answer, for instance {"B", "C"}

# %% tags=["solution"]
accepted = {"A", "E"}

# %% tags=["check"]
refused = {name: sum(faithfulness.by_guard(SENTENCE, text).values(), []) for name, text in REWRITES.items()}
accepted = accepted and set(accepted)  # a list does as well
if accepted is None:
    print("No answer yet.")
else:
    for name in sorted(accepted):
        if refused[name]:
            print(f"Not yet: {name} is refused. It {refused[name][0]}.")
    for name in sorted(set(REWRITES) - accepted):
        if not refused[name]:
            print(f"Not yet: {name} is accepted. It says the same in other words.")
    if accepted == {name for name, reasons in refused.items() if not reasons}:
        print("Right. One word can turn the meaning around, so a likeness of words is not enough.")

# %% [markdown]
# ## 2. Change: the temperature of sampling
#
# The model gives each next word a number, its *logit*. With the temperature *T* the probabilities are
#
#     pᵢ  =  exp(zᵢ / T) / Σⱼ exp(zⱼ / T)
#
# **Your turn.** Add the temperature to the function.

# %%
NEXT_WORDS = ["lead", "head", "manage", "guide", "banana"]
LOGITS = np.array([3.0, 2.0, 1.5, 1.0, -2.0])


# %% tags=["exercise"]
def find_probabilities(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities that add up to 1."""
    weights = np.exp(logits)  # your turn: change this line
    return weights / weights.sum()


# %% tags=["solution"]
def find_probabilities(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities that add up to 1."""
    weights = np.exp(logits / temperature)
    return weights / weights.sum()


# %% tags=["check"]
cold, warm = (find_probabilities(LOGITS, temperature) for temperature in (0.5, 2.0))
if np.allclose(cold, warm):
    print("No answer yet, or the temperature cancels out: it changes nothing.")
elif not np.isclose(cold.sum(), 1):
    print(f"Not yet: the probabilities add up to {cold.sum():.2f}.")
elif cold[0] < warm[0]:
    print("Not yet: a low temperature must favour the likeliest word. Divide by T.")
elif not np.isclose(cold[0] / cold[1], np.exp(2)):
    print("Not yet: divide the logits by T before exp, not the probabilities after it.")
else:
    print("Right: at T = 0.5 a lead of 1 in the logits counts double, at T = 2 half.")

# %%
figure, ax = plt.subplots(figsize=(8, 3.5))
for place, temperature in enumerate((0.5, 1.0, 2.0)):
    heights = find_probabilities(LOGITS, temperature)
    ax.bar(np.arange(5) + 0.27 * (place - 1), heights, width=0.25, label=f"T = {temperature}")
ax.set_xticks(range(5), NEXT_WORDS)
ax.set(title="A high temperature tries more words, also wrong ones", ylabel="probability")
ax.legend()
plt.show()

# %% [markdown]
# **Your turn.** A training by reward needs samples that differ, or there is nothing to compare. What does a *higher*
# temperature do to the share of rewrites that the guards accept?
#
# - `"a"`: it rises, because there are more different rewrites
# - `"b"`: it falls, because unlikely words are drawn more often
# - `"c"`: nothing, because the guards do not know the temperature

# %% tags=["exercise"]
share_accepted = None  # your answer: "a", "b" or "c"

# %% tags=["solution"]
share_accepted = "b"

# %% tags=["check"]
said = {
    "a": "Not yet: more different is not more often right. Look at `banana` in the figure.",
    "b": "Right. Notebook 03 measures it: of the likeliest answers more are accepted than at T = 0.8 or 1.",
    "c": "Not yet: the guards stay the same, but what they are given changes.",
}
print(said.get(share_accepted, "No answer yet."))

# %% [markdown]
# ## 3. Explain: the loss of the alignment, by hand
#
# The alignment shows the model a sentence with a good rewrite. The **loss** is the mean, over the tokens of the
# rewrite, of minus the natural log of the probability that the model gave to the token.
#
# **Your turn.** A rewrite has three tokens. The model gave them 0.5, 0.25 and 0.5. What is the loss? And what is the
# *perplexity*, exp(loss)?

# %% tags=["exercise"]
loss = None  # your answer, to two digits
perplexity = None  # your answer, to two digits

# %% tags=["solution"]
loss = -(np.log(0.5) + np.log(0.25) + np.log(0.5)) / 3
perplexity = np.exp(loss)

# %% tags=["check"]
right = 4 * np.log(2) / 3
hints = {
    -right: "the sign: the log of a probability is negative, so the loss is positive",
    3 * right: "this is the sum. The loss is the mean over the three tokens",
    4 / 3: "this is the log to the base 2. Take the natural log",
    -np.log(1.25 / 3): "you took the log of the mean. Take the mean of the logs",
}
if loss is None or perplexity is None:
    print("No answer yet.")
elif abs(loss - right) > 0.01:
    near = [hint for value, hint in hints.items() if abs(loss - value) < 0.01]
    print("Not yet:", near[0] if near else "add the three logs, divide by 3, change the sign.")
else:
    right = abs(perplexity - np.exp(loss)) < 0.02
    print("Right: as unsure as a fair choice among 2.5 words." if right else "Not yet: perplexity is exp(loss).")

# %% [markdown]
# The loss never asks whether a rewrite helps anybody in the ranking. It only asks whether the model would have
# written it. This is why the alignment has no direction.
