# %% [markdown]
# # Exercises 02 · Impact ratio, pools, intervals
#
# **Read before:** `notebooks/02_baseline.ipynb`. **Needs** no file: this notebook starts alone. **Takes** about 25
# minutes; every cell answers within seconds.
#
# Where a cell says *your turn*, fill it in and run it. Then run the cell below it: it says what is right, what is
# not, and why. The answers are in `solutions/`.

# %%
import matplotlib.pyplot as plt
import numpy as np

plt.style.use("autorefine_lib.resources.figures")

# %% [markdown]
# ## 1. Compute: the four-fifths rule by hand
#
# 30 women and 20 men are in the pool. An ad has 10 places. The recommender selects 4 women and 6 men.
#
# **Your turn.** What is the selection rate of women, that of men, and the impact ratio of women against men? How many
# women must be among the 10 at least, so that the ratio is not below 4/5?

# %% tags=["exercise"]
rate_of_women = None  # your answer
rate_of_men = None  # your answer
impact_ratio = None  # your answer
fewest_women = None  # your answer, a whole number

# %% tags=["solution"]
rate_of_women = 4 / 30
rate_of_men = 6 / 20
impact_ratio = rate_of_women / rate_of_men
fewest_women = 6

# %% tags=["check"]
if None in (rate_of_women, rate_of_men, impact_ratio):
    print("No answer yet.")
elif abs(rate_of_women - 4 / 10) < 0.01:
    print("Not yet: 4/10 is the share of women among the selected. A rate divides by the women in the pool.")
elif abs(rate_of_women - 4 / 30) > 0.01 or abs(rate_of_men - 6 / 20) > 0.01:
    print("Not yet: a selection rate is selected members of a group / members of the group in the pool.")
elif abs(impact_ratio - 0.3 / (4 / 30)) < 0.01:
    print("Not yet: this is the ratio of men against women. The reference group stands below the line.")
elif abs(impact_ratio - 4 / 6) < 0.01:
    print("Not yet: this divides the numbers of the selected. Divide the rates: the pool has more women than men.")
else:
    right = abs(impact_ratio - 4 / 9) < 0.01
    print("Right: 0.133 / 0.3 = 0.44, far below 4/5." if right else "Not yet: divide women's rate by men's.")

# %% tags=["check"]
if fewest_women is None:
    print("No answer yet.")
elif fewest_women == 5:
    print("Not yet: 5 of 10 looks equal, but the pool holds 3 women for 2 men: (5/30) / (5/20) = 0.67.")
elif fewest_women == 6:
    print("Right: (6/30) / (4/20) = 1. With five it is 0.67, so one person decides. Small numbers jump.")
else:
    ratio = (fewest_women / 30) / ((10 - fewest_women) / 20) if fewest_women < 10 else np.inf
    print(f"Not yet: {fewest_women} women make a ratio of {ratio:.2f}. Find the first number that reaches 0.8.")

# %%
women = np.arange(0, 9)
figure, ax = plt.subplots(figsize=(7, 3.5))
ax.plot(women, (women / 30) / ((10 - women) / 20), "o-")
ax.axhline(0.8, color="#D55E00", ls="--", label="4/5")
ax.axhline(1, color="#009E73", label="parity")
ax.set(title="One ad: each person moves the ratio a lot", xlabel="women among the 10 selected", ylabel="impact ratio")
ax.legend()
plt.show()

# %% [markdown]
# ## 2. Predict: two pools, two answers
#
# There are 20 nurses (18 women, 2 men) and 20 surgeons (4 women, 16 men). One ad looks for a nurse. It has 10 places,
# and all go to nurses: 8 women and 2 men.
#
# **Your turn.** What is the impact ratio of women against men in the **whole** pool (all 40), and what among the
# **qualified** (the nurses)?

# %% tags=["exercise"]
ratio_whole = None  # your answer
ratio_qualified = None  # your answer

# %% tags=["solution"]
ratio_whole = (8 / 22) / (2 / 18)
ratio_qualified = (8 / 18) / (2 / 2)

# %% tags=["check"]
if ratio_whole is None or ratio_qualified is None:
    print("No answer yet.")
elif abs(ratio_whole - 4) < 0.05:
    print("Not yet: 8 / 2 divides numbers, not rates. How many women and men does the pool hold?")
elif abs(ratio_whole - (8 / 22) / (2 / 18)) > 0.05:
    print("Not yet: the whole pool holds 18 + 4 women and 2 + 16 men. Divide by these.")
elif abs(ratio_qualified - (8 / 18) / 1) > 0.02:
    print("Not yet: among the nurses 8 of 18 women and 2 of 2 men are selected.")
else:
    print("Right: 3.27 and 0.44. The same selection favours women in one pool and men in the other.")

# %% [markdown]
# **Your turn.** Now a selection that favours nobody: half of the women and half of the men *of the occupation*. One
# week the firm looks for a nurse and selects 9 women and 1 man. The next week it looks for a surgeon and selects 2
# women and 8 men. What are the two ratios in the **whole** pool, and what is the ratio among the qualified in both
# weeks?

# %% tags=["exercise"]
whole_nurse = None  # your answer
whole_surgeon = None  # your answer
qualified_both = None  # your answer

# %% tags=["solution"]
whole_nurse = (9 / 22) / (1 / 18)
whole_surgeon = (2 / 22) / (8 / 18)
qualified_both = (9 / 18) / (1 / 2)

# %% tags=["check"]
if None in (whole_nurse, whole_surgeon, qualified_both):
    print("No answer yet.")
elif abs(qualified_both - 1) > 0.01:
    print("Not yet: half of the women and half of the men of the occupation: equal rates. So the ratio is ...")
elif abs(whole_nurse - (9 / 22) / (1 / 18)) > 0.1:
    print("Not yet: the nurse's week. 9 of all 22 women, 1 of all 18 men.")
elif abs(whole_surgeon - (2 / 22) / (8 / 18)) > 0.01:
    print("Not yet: the surgeon's week. 2 of all 22 women, 8 of all 18 men.")
else:
    print("Right: 7.36 and 0.20, though no wording favours anybody. The whole pool shows who works where.")

# %% [markdown]
# So notebook 02 reports both pools. One caution: where occupations differ in their ratio among the qualified, a ratio
# over all ads still mixes them. Notebook 09 takes that apart.

# %% [markdown]
# ## 3. Change: an interval by resampling ads
#
# One number for 20 ads says little without an interval. The **bootstrap** draws 20 ads *with replacement* from the
# 20, works out the ratio again, and does so many times. The middle 95 % of the results are the interval.

# %%
generator = np.random.default_rng(0)
women_selected = generator.binomial(10, 0.55, size=20)  # of 10 places, ad by ad
POOL = {"women": 25, "men": 25}  # in the pool of each ad


def find_ratio(selected: np.ndarray) -> float:
    """Impact ratio of women over the ads together."""
    men_selected = 10 - selected
    return (selected.sum() / POOL["women"]) / (men_selected.sum() / POOL["men"])


print(f"{len(women_selected)} ads, impact ratio {find_ratio(women_selected):.2f}")

# %% [markdown]
# **Your turn.** Fill in the line that draws the ads again.


# %% tags=["exercise"]
def resample(selected: np.ndarray) -> np.ndarray:
    """As many ads as before, drawn with replacement."""
    return selected  # your turn: change this line


# %% tags=["solution"]
def resample(selected: np.ndarray) -> np.ndarray:
    """As many ads as before, drawn with replacement."""
    return generator.choice(selected, len(selected))


# %% tags=["check"]
drawn = np.array([resample(np.arange(20)) for _ in range(200)])
if (drawn == np.arange(20)).all():
    print("No answer yet: every ad is drawn exactly once, so nothing varies.")
elif drawn.shape[1] != 20:
    print(f"Not yet: {drawn.shape[1]} ads are drawn, not 20. A sample of another size has another spread.")
elif (np.sort(drawn, axis=1) == np.arange(20)).all():
    print("Not yet: the ads are only put in another order. Draw with replacement: an ad may come twice.")
elif set(drawn.ravel()) != set(range(20)):
    print("Not yet: some ads never come. Each must have the same chance.")
else:
    print("Right. In a draw about a third of the ads is missing, and others come twice or more.")

# %% [markdown]
# **Your turn.** With **80** ads in place of 20, by what factor does the width of the interval change?

# %% tags=["exercise"]
factor = None  # your answer, for instance 0.25

# %% tags=["solution"]
factor = 0.5

# %%
many = generator.binomial(10, 0.55, size=80)
ratios = {len(ads): [find_ratio(resample(ads)) for _ in range(2000)] for ads in (women_selected, many)}
limits = {number: np.quantile(values, [0.025, 0.975]) for number, values in ratios.items()}
figure, ax = plt.subplots(figsize=(7, 3.5))
for (number, values), color in zip(ratios.items(), ("#0072B2", "#E69F00"), strict=True):
    low, high = limits[number]
    ax.hist(values, bins=40, alpha=0.6, density=True, color=color, label=f"{number} ads: {low:.2f} to {high:.2f}")
ax.axvline(1, color="#009E73", label="parity")
ax.set(title="More ads, narrower interval", xlabel="impact ratio")
ax.legend()
plt.show()

# %% tags=["check"]
if factor is None:
    print("No answer yet.")
elif abs(factor - 0.25) < 0.01:
    print("Not yet: four times the ads make the variance a quarter. The width goes with its root.")
elif abs(factor - 1) < 0.01:
    print("Not yet: look at the figure. More ads say more.")
elif abs(factor - 0.5) < 0.1:
    print("Right: about a half. To halve an interval takes four times as many ads.")
else:
    print("Not yet: the width falls with the square root of the number of ads.")
