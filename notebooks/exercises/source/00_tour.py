# %% [markdown]
# # Exercises 00 · One rewrite
#
# **Read before:** `notebooks/00_tour.ipynb`. **Needs** no file: this notebook starts alone. **Takes** about 15
# minutes; every cell answers within seconds.
#
# Where a cell says *your turn*, fill it in and run it. Then run the cell below it: it says what is right, what is
# not, and why. The answers are in `solutions/`.

# %%
import matplotlib.pyplot as plt
import numpy as np

from autorefine_lib.text import faithfulness
from autorefine_lib.text.rewritable import explain_sentences

plt.style.use("autorefine_lib.resources.figures")

# %% [markdown]
# ## 1. Predict: which lines may be rewritten?
#
# The model rewrites sentences. Lines that hold facts and no wording are left alone: headings, lists of technologies,
# legal statements, ways to make contact. Line 0 is the headline.

# %%
LINES = [
    "Nurse at Riverside Clinic",
    "\nWe are a dynamic team of 12 people who care for patients after surgery.",
    "You lead the night shift and take decisions under pressure.",
    "\nRequirements:",
    "- You have at least 3 years of experience in a hospital.",
    "- Excel, Word, SAP",
    "\nWe are an equal opportunity employer and welcome all applicants.",
    "Send your application to jobs@riverside.example.",
]
for number, line in enumerate(LINES):
    print(number, line.strip())

# %% [markdown]
# **Your turn.** Write the numbers of the lines that may be rewritten.

# %% tags=["exercise"]
may_be_rewritten = None  # your answer, for instance {0, 7}

# %% tags=["solution"]
may_be_rewritten = {1, 2, 4}

# %% tags=["check"]
left = [reason for _, _, reason in explain_sentences("\n".join(LINES))]
may_be_rewritten = may_be_rewritten and set(may_be_rewritten)  # a list does as well
if may_be_rewritten is None:
    print("No answer yet.")
elif may_be_rewritten == {number for number, reason in enumerate(left) if reason is None}:
    print("Right. Three of eight lines may be rewritten, so most of an ad never changes.")
else:
    for number, reason in enumerate(left):
        if reason and number in may_be_rewritten:
            print(f"Not yet: line {number} is left alone, because it is {reason}.")
        elif not reason and number not in may_be_rewritten:
            print(f"Not yet: line {number} is a whole sentence with a wording of its own. It may be rewritten.")

# %% [markdown]
# ## 2. Change: get past the guards, and be stopped by one
#
# Write two rewrites of the sentence below. The **first** must be accepted and must not be the sentence itself. The
# **second** must be refused by the guard `facts`, because it loses or changes a number.

# %%
SENTENCE = "You lead a team of 12 developers and plan their work."

# %% tags=["exercise"]
accepted = None  # your turn: "..."
refused = None  # your turn: "..."

# %% tags=["solution"]
accepted = "You head a team of 12 developers and plan their work."
refused = "You lead a team of 20 developers and plan their work."

# %% tags=["check"]
if accepted is None or refused is None:
    print("No answer yet.")
elif accepted == SENTENCE:
    print("Not yet: the first is the sentence itself. That is always accepted, and earns nothing.")
elif against := sum(faithfulness.by_guard(SENTENCE, accepted).values(), []):
    print("Not yet: the first is refused:", "; ".join(against))
elif "facts" not in (said := faithfulness.by_guard(SENTENCE, refused)):
    print("Not yet: the guard `facts` has nothing against the second. Others say:", said or "nothing")
else:
    print("Right. The first is accepted. The second is refused:", "; ".join(said["facts"]))

# %% [markdown]
# **If you have time.** Find a rewrite that the guards accept and that *you* would refuse. Guards are rules: they stop
# known errors and prove nothing about others. Show yours to your neighbour.

# %% [markdown]
# ## 3. Predict: which rewrites become likelier?
#
# Four rewrites of one sentence were sampled. Their rewards are below: one helps, one is refused and pays the fee, one
# is the unchanged sentence, one does a little harm. All have the same number of tokens, all values are 0 (the guesses
# of the value head), and there is no KL yet (the policy has not left its start). So the advantage of each token is the
# reward of its rewrite less the mean of the batch (divided by one number for all).

# %%
rewards = np.array([0.010, -0.030, 0.000, -0.002])

# %% [markdown]
# **Your turn.** Which of the rewrites 0, 1, 2, 3 have a positive advantage?

# %% tags=["exercise"]
likelier = None  # your answer, for instance {0}

# %% tags=["solution"]
likelier = {0, 2, 3}

# %% tags=["check"]
likelier = likelier and set(likelier)  # a list does as well
if likelier is None:
    print("No answer yet.")
elif likelier == set(np.flatnonzero(rewards > rewards.mean())):
    print("Right. The fee pulls the mean down to -0.0055. Even the rewrite that does harm is better than that.")
elif likelier == {0}:
    print("Not yet: the sign of the reward does not decide. Compare each reward with the mean of the four.")
elif likelier == {0, 2}:
    print("Not yet: you compare with 0. The mean of the four is not 0: work it out.")
else:
    print("Not yet: work out the mean of the four. What earned more than the mean has a positive advantage.")

# %%
figure, ax = plt.subplots(figsize=(7, 3))
ax.bar(range(4), rewards, color=["#009E73" if reward > rewards.mean() else "#D55E00" for reward in rewards])
ax.axhline(rewards.mean(), color="black", ls="--", label="mean of the batch")
ax.axhline(0, color="grey", lw=1)
ax.set_xticks(range(4), ["helps", "refused", "unchanged", "harms a little"])
ax.set(title="Green: more of this. Red: less of this", ylabel="reward")
ax.legend()
plt.show()

# %% [markdown]
# This is why the fee matters so much: where many samples are refused, a policy first learns to be accepted. Only then
# do the small differences between accepted rewrites count. `docs/results.md` tells what came of it.

# %% [markdown]
# ## 4. Explain: from tokens to the whole rewrite
#
# A rewrite has three tokens with the probabilities 0.5, 0.25 and 0.8. One step of PPO adds 0.1 to the *natural log*
# of each of the three probabilities. **Your turn.** What is the probability of the whole rewrite before the step, and
# how many times as likely is it after it?

# %% tags=["exercise"]
before = None  # your answer
times = None  # your answer, to two digits

# %% tags=["solution"]
before = 0.5 * 0.25 * 0.8
times = np.exp(3 * 0.1)

# %% tags=["check"]
if before is None or times is None:
    print("No answer yet.")
elif abs(before - 1.55) < 0.01 or abs(before - 1.55 / 3) < 0.01:
    print("Not yet: probabilities of tokens that follow each other are multiplied, not added or averaged.")
elif abs(before - 0.1) > 0.001:
    print("Not yet: multiply the three probabilities.")
elif abs(times - np.exp(0.1)) < 0.005:
    print("Not yet: this is the change of one token. There are three.")
elif abs(times - 1.30) < 0.005:
    print("Not yet: 0.3 is added to the log. To get from the log to the probability, take exp.")
else:
    right = abs(times - np.exp(0.3)) < 0.01
    print("Right: exp(0.3) = 1.35. Small steps on each token add up." if right else "Not yet: logs add up; then exp.")
