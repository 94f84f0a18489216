# %% [markdown]
# # Exercises 09 · What a result allows you to say
#
# **Read before:** `notebooks/09_result_tables.ipynb`. **Needs** no file: this notebook starts alone. **Takes** about
# 20 minutes; every cell answers within seconds.
#
# Where a cell says *your turn*, fill it in and run it. Then run the cell below it: it says what is right, what is
# not, and why. The answers are in `solutions/`.

# %%
import matplotlib.pyplot as plt
import numpy as np

plt.style.use("autorefine_lib.resources.figures")

# %% [markdown]
# ## 1. Change: compare in pairs
#
# Twelve ads were ranked before and after their rewrite. Ads differ far more from each other than a rewrite changes
# one. The numbers are made up.

# %%
generator = np.random.default_rng(3)
before = generator.normal(1.0, 0.3, 12)
after = before - 0.05 + generator.normal(0, 0.03, 12)


def find_interval(values: np.ndarray) -> np.ndarray:
    """95 % bootstrap interval of the mean."""
    draws = generator.choice(values, (2000, len(values)))
    return np.quantile(draws.mean(axis=1), [0.025, 0.975])


print("before:", find_interval(before).round(2), "after:", find_interval(after).round(2))

# %% [markdown]
# The two intervals overlap a lot. Does this mean that nothing changed? **Your turn.** Make the array of which the
# interval answers the question.

# %% tags=["exercise"]
paired = None  # your answer: an array of twelve numbers

# %% tags=["solution"]
paired = after - before

# %% tags=["check"]
if paired is None:
    print("No answer yet.")
elif np.shape(paired) != (12,):
    print(f"Not yet: one number for each ad is needed, your array has the shape {np.shape(paired)}.")
elif np.allclose(paired, before - after):
    print("Not yet: the sign is turned around. A change is after less before.")
elif not np.allclose(paired, after - before):
    print("Not yet: take the change of each ad by itself.")
else:
    print("Right. The change lies within", find_interval(paired).round(2), "- the spread between ads cancels.")

# %%
figure, ax = plt.subplots(figsize=(7, 3.2))
for y, values in enumerate((before - 1, after - 1, after - before)):
    ax.plot(values, np.full(12, y), "o", alpha=0.5, color="#0072B2")
    ax.plot(find_interval(values), [y, y], lw=4, color="#D55E00")
ax.axvline(0, color="grey", lw=1)
ax.set_yticks(range(3), ["before, less 1", "after, less 1", "change"])
ax.set(title="Points: ads. Bars: intervals of the mean", ylim=(2.5, -0.5))
plt.show()

# %% [markdown]
# ## 2. Compute: many tests, by hand
#
# Four methods are each tested against the original ads. Each test has a chance of 5 % to find something where nothing
# is. With four tests it is likelier that one of them does. **Holm** (1979): sort the p-values; multiply the smallest
# by 4, the next by 3, then by 2, then by 1; none may be smaller than the one before it, and none larger than 1.
#
# **Your turn.** Work out the four adjusted p-values of 0.010, 0.020, 0.022 and 0.300.

# %% tags=["exercise"]
adjusted = [None, None, None, None]  # your answer, in this order

# %% tags=["solution"]
adjusted = [0.04, 0.06, 0.06, 0.3]

# %% tags=["check"]
if None in adjusted:
    print("No answer yet.")
elif np.allclose(adjusted, [0.04, 0.08, 0.088, 1], atol=1e-3):
    print("Not yet: this is Bonferroni, all times 4. Holm multiplies by 4, 3, 2, 1.")
elif np.allclose(adjusted, [0.04, 0.06, 0.044, 0.3], atol=1e-3):
    print("Not yet: the third is smaller than the second. It must not be: raise it.")
elif np.allclose(adjusted, [0.01, 0.04, 0.066, 1], atol=1e-3):
    print("Not yet: the factors are the wrong way round. The smallest gets the largest.")
elif np.allclose(adjusted, [0.04, 0.06, 0.06, 0.3], atol=1e-3):
    print("Right. Three of four were below 0.05 before, one is after.")
else:
    print("Not yet: 0.010 * 4, 0.020 * 3, 0.022 * 2, 0.300 * 1, then let none be smaller than the one before.")

# %% [markdown]
# **Your turn.** If nothing is there and the four tests are independent, what is the chance that at least one has a
# p-value below 0.05?

# %% tags=["exercise"]
chance = None  # your answer, to two digits

# %% tags=["solution"]
chance = 1 - 0.95**4

# %% tags=["check"]
if chance is None:
    print("No answer yet.")
elif abs(chance - 0.05) < 0.001:
    print("Not yet: this is the chance of one test.")
elif abs(chance - 0.2) < 0.001:
    print("Not yet: adding up counts twice where two tests find something. All four are clean with 0.95^4.")
elif abs(chance - 0.95**4) < 0.005:
    print("Not yet: this is the chance that none does.")
else:
    print("Right: 1 - 0.95^4 = 0.19." if abs(chance - (1 - 0.95**4)) < 0.006 else "Not yet: 1 - 0.95^4.")

# %% [markdown]
# ## 3. Explain: what may be written?
#
# PPO in the published `embedded` run (commit 1aba12c): it changes the impact ratio by 0.027, with the interval from
# −0.052 to 0.148, on 20 test ads and with one seed. Random paraphrase changes it by −0.06 to +0.10. **Your turn.**
# Which sentences may stand in the report?
#
# - `"A"`: "The policy made the ranking less fair."
# - `"B"`: "On these 20 ads no effect was shown."
# - `"C"`: "It is proven that the policy has no effect."
# - `"D"`: "The change is no larger than that of random paraphrase."
# - `"E"`: "Another training seed would give the same."

# %% tags=["exercise"]
allowed = None  # your answer, for instance {"A"}

# %% tags=["solution"]
allowed = {"B", "D"}

# %% tags=["check"]
REASONS = {
    "A": "the interval holds 0, so the sign is not known",
    "C": "the interval also holds 0.14. Nothing shown is not the same as nothing there",
    "E": "one seed says nothing about another",
}
allowed = allowed and set(allowed)  # a list does as well
if allowed is None:
    print("No answer yet.")
elif too_much := sorted(allowed & set(REASONS)):
    print(f"Not yet: {too_much[0]} goes too far: {REASONS[too_much[0]]}.")
elif allowed != {"B", "D"}:
    print("Not yet: there are two. One is about the interval, one about the noise floor.")
else:
    print("Right. Both say what was measured, on what, and no more.")
