# %% [markdown]
# # Exercises 05 · Learning from a fixed set of rewrites
#
# **Read before:** `notebooks/05_ilql.ipynb`. **Needs** no file: this notebook starts alone. **Takes** about 20
# minutes; every cell answers within seconds.
#
# Where a cell says *your turn*, fill it in and run it. Then run the cell below it: it says what is right, what is
# not, and why. The answers are in `solutions/`.

# %%
import matplotlib.pyplot as plt
import numpy as np

plt.style.use("autorefine_lib.resources.figures")

# %% [markdown]
# ## 1. Predict and change: the expectile, a cautious maximum
#
# Four rewrites go on from the same words. They earned 0, 0, 0 and 1. What is the state worth? The mean says 0.25, the
# maximum says 1. ILQL takes the **expectile** *τ*: the number *m* at which what lies above, weighted by *τ*,
# balances what lies below, weighted by 1 − *τ*:
#
#     τ · (sum of x − m over all x > m)  =  (1 − τ) · (sum of m − x over all x < m)
#
# **Your turn.** Work out *m* by hand for *τ* = 0.5 and for *τ* = 0.9.

# %%
EARNED = np.array([0.0, 0.0, 0.0, 1.0])

# %% tags=["exercise"]
expectile_50 = None  # your answer for 0.5
expectile_90 = None  # your answer for 0.9, to two digits

# %% tags=["solution"]
expectile_50 = 0.25  # 0.5 (1 - m) = 0.5 * 3 m
expectile_90 = 0.75  # 0.9 (1 - m) = 0.1 * 3 m

# %% tags=["check"]
if expectile_50 is None or expectile_90 is None:
    print("No answer yet.")
elif abs(expectile_50) < 0.01:
    print("Not yet: 0 is the median. For 0.5 the expectile weighs both sides alike, so it is the mean.")
elif abs(expectile_50 - 0.25) > 0.005:
    print("Not yet: 0.5 (1 - m) = 0.5 * 3 m. Solve for m.")
elif abs(expectile_90 - 0.9) < 0.005:
    print("Not yet: three values lie below m, each with the weight 0.1: 0.9 (1 - m) = 0.1 * 3 m.")
elif abs(expectile_90 - 0.75) > 0.005:
    print("Not yet: 0.9 (1 - m) = 0.1 * 3 m. Solve for m.")
else:
    print("Right: 0.25 and 0.75. A large tau comes near the best that was seen, but never above it.")

# %% [markdown]
# **Your turn.** The loss of *V* is |*τ* − 1(*u* < 0)| · *u*² with *u* = *x* − *m*: above *m* the weight is *τ*, below
# it is 1 − *τ*. Finish the function; the cell after the check finds the smallest loss on a grid.


# %% tags=["exercise"]
def find_loss(m: float, tau: float) -> float:
    """The mean expectile loss over EARNED."""
    u = EARNED - m
    weight = 0.5  # your turn: one weight for each u
    return (weight * u**2).mean()


# %% tags=["solution"]
def find_loss(m: float, tau: float) -> float:
    """The mean expectile loss over EARNED."""
    u = EARNED - m
    weight = np.where(u < 0, 1 - tau, tau)
    return (weight * u**2).mean()


# %% tags=["check"]
grid = np.linspace(0, 1, 401)
least = {tau: grid[np.argmin([find_loss(m, tau) for m in grid])] for tau in (0.1, 0.5, 0.9)}
if least[0.1] == least[0.9]:
    print("No answer yet: tau changes nothing.")
elif least[0.9] < least[0.1]:
    print("Not yet: the weights are the wrong way round. What lies above m (u > 0) has the weight tau.")
elif abs(least[0.9] - 0.75) > 0.01:
    print(f"Not yet: for 0.9 the least loss is at {least[0.9]:.2f}, not at 0.75.")
else:
    print("Right: the least loss for 0.9 is at 0.75, as by hand.")

# %%
taus = np.linspace(0.05, 0.99, 60)
found = [grid[np.argmin([find_loss(m, tau) for m in grid])] for tau in taus]
figure, ax = plt.subplots(figsize=(7, 3.3))
ax.plot(taus, found)
ax.axhline(EARNED.mean(), color="grey", ls="--", label="mean")
ax.axhline(EARNED.max(), color="#D55E00", ls="--", label="maximum")
ax.set(title="From the mean to the maximum", xlabel="tau", ylabel="value of the state")
ax.legend()
plt.show()

# %% [markdown]
# ## 2. Change: perturb the model
#
# No weight of the generator changes. Its probabilities *p* are multiplied by what a word is worth, and made to add up
# to 1 again:
#
#     π(a)  ∝  p(a) · exp( β · (Q(a) − V) )
#
# **Your turn.** Write it.

# %%
NEXT_WORDS = ["lead", "head", "manage", "guide", "banana"]
P = np.array([0.55, 0.25, 0.12, 0.079, 0.001])
Q = np.array([0.00, 0.01, 0.02, 0.05, 0.00])
V = 0.01


# %% tags=["exercise"]
def perturb(p: np.ndarray, q: np.ndarray, v: float, beta: float) -> np.ndarray:
    """The probabilities of the perturbed model."""
    return p  # your turn


# %% tags=["solution"]
def perturb(p: np.ndarray, q: np.ndarray, v: float, beta: float) -> np.ndarray:
    """The probabilities of the perturbed model."""
    weights = p * np.exp(beta * (q - v))
    return weights / weights.sum()


# %% tags=["check"]
none, some, much = (perturb(P, Q, V, beta) for beta in (0.0, 16.0, 1000.0))
if np.allclose(some, P):
    print("No answer yet: beta changes nothing.")
elif not np.isclose(some.sum(), 1):
    print(f"Not yet: the probabilities add up to {some.sum():.2f}. Divide by their sum.")
elif not np.allclose(none, P):
    print("Not yet: with beta 0 this must be the model as it was. Is p in your formula?")
elif much.argmax() != 3:
    print("Not yet: with a very large beta the word with the largest Q must win. Look at the sign.")
else:
    right = np.isclose(some[3] / some[0], P[3] / P[0] * np.exp(16 * 0.05))
    print("Right. V is the same for all words here, so it drops out." if right else "Not yet: exp(beta * (q - v)).")

# %%
betas = np.geomspace(1, 300, 60)
figure, ax = plt.subplots(figsize=(7, 3.5))
for word, chances in zip(NEXT_WORDS, np.array([perturb(P, Q, V, beta) for beta in betas]).T, strict=True):
    ax.plot(betas, chances, label=word)
ax.set(title="A larger beta follows Q and forgets the model", xscale="log", xlabel="beta", ylabel="probability")
ax.legend()
plt.show()

# %% [markdown]
# ## 3. Explain: why not the largest beta?
#
# *Q* was learned from few samples, so it errs. Below, 30 words have a true worth. *Q* is the mean of the samples of
# each word: likely words have many, unlikely ones have one. The curve is what the perturbed model *really* earns,
# over 200 repetitions.
#
# **Your turn**, before you run the cell after the next: as beta grows, what does the curve do?
#
# - `"a"`: it rises to the end
# - `"b"`: it rises, then falls
# - `"c"`: it falls from the start

# %% tags=["exercise"]
the_curve = None  # your answer: "a", "b" or "c"

# %% tags=["solution"]
the_curve = "b"

# %%
generator, betas = np.random.default_rng(0), np.geomspace(0.5, 1000, 40)
p = np.sort(generator.dirichlet(np.full(30, 0.5)))[::-1]
samples = np.maximum(1, (200 * p).astype(int))  # of each word
earned, promised = np.zeros((2, 200, len(betas)))
for repetition in range(200):
    truth = generator.normal(0, 0.02, 30) - 0.03 * (p < 0.01)  # unlikely words are unlikely for a reason
    q = truth + generator.normal(0, 0.1, 30) / np.sqrt(samples)
    chances = np.array([perturb(p, q, 0.0, beta) for beta in betas])
    earned[repetition], promised[repetition] = chances @ truth, chances @ q
best = earned.mean(0).argmax()

# %%
figure, ax = plt.subplots(figsize=(7, 3.5))
ax.plot(betas, earned.mean(0), label="what it really earns")
ax.plot(betas, promised.mean(0), ls="--", label="what Q promises")
ax.axvline(betas[best], color="grey", ls=":", label=f"best: beta {betas[best]:.0f}")
ax.set(title="Q promises more and more, the truth turns", xscale="log", xlabel="beta", ylabel="reward")
ax.legend()
plt.show()

# %% tags=["check"]
said = {
    "a": "Not yet: this is what Q promises, the dashed line. Q errs, and the largest Q is often the largest error.",
    "b": "Right. First beta finds better words, then it finds the errors of Q: few samples, large luck.",
    "c": "Not yet: a small beta follows Q where it is well known, and gains.",
}
print(said.get(the_curve, "No answer yet."))

# %% [markdown]
# So beta is chosen on ads that were neither trained on nor tested. The loss `CQL` has the same aim from the other
# side: it keeps *Q* low for words that the data do not hold.
