# %% [markdown]
# # Exercises 01 · Labels, splits, groups
#
# **Read before:** `notebooks/01_data_prep.ipynb`. **Needs** no file: this notebook starts alone. **Takes** about 15
# minutes; every cell answers within seconds.
#
# Where a cell says *your turn*, fill it in and run it. Then run the cell below it: it says what is right, what is
# not, and why. The answers are in `solutions/`.

# %%
import re

import matplotlib.pyplot as plt
import pandas as pd

from autorefine_lib.data import corpus

plt.style.use("autorefine_lib.resources.figures")

# %% [markdown]
# ## 1. Change: a label from pronouns
#
# Real biographies come without a gender. In *Bias in Bios* it was taken from the pronouns. **Your turn.** The
# function below looks for letters. Change it so that it looks for whole words, in capital letters or not, and returns
# None where it finds no pronoun or pronouns of both kinds.

# %%
WORD = re.compile(r"\w+")  # WORD.findall(text) gives the words of a text
PRONOUNS = {"female": {"she", "her", "hers"}, "male": {"he", "him", "his"}}


# %% tags=["exercise"]
def find_label(text: str) -> str | None:
    """ "female", "male", or None where the pronouns do not say."""
    if "she" in text or "her" in text:  # your turn: change these lines
        return "female"
    if "he" in text or "his" in text:
        return "male"
    return None


# %% tags=["solution"]
def find_label(text: str) -> str | None:
    """ "female", "male", or None where the pronouns do not say."""
    words = set(WORD.findall(text.lower()))
    found = [group for group, pronouns in PRONOUNS.items() if words & pronouns]
    return found[0] if len(found) == 1 else None


# %% tags=["check"]
CASES = {
    "She teaches yoga.": ("female", "a capital letter changes nothing"),
    "He has shipped three products.": ("male", "a capital letter changes nothing"),
    "His shelter is known in the town.": ("male", "'shelter' holds 'she', but is no pronoun"),
    "The teacher works with others.": (None, "'teacher', 'the' and 'others' hold 'he' or 'her', but are no pronouns"),
    "They write code.": (None, "'they' says neither"),
    "She works with her brother and his firm.": (None, "pronouns of both kinds: the text does not say whose is whose"),
}
wrong = {text: said for text, said in CASES.items() if find_label(text) != said[0]}
for text, (label, why) in wrong.items():
    print(f"Not yet: {text!r} gives {find_label(text)!r} and should give {label!r}: {why}.")
if find_label("The teacher works with others.") == "female" and find_label("She teaches yoga.") == "male":
    print("No answer yet: this is the function as it was.")
print("" if wrong else "Right: all six.")

# %% [markdown]
# **Talk about it.** Who is missing in data that are labelled so? Who is labelled wrongly? What can a result on such
# data not say?

# %% [markdown]
# ## 2. Compute: a test set that is not known already
#
# A model that has seen an ad's sentences in training looks better on this ad than it is. Ads of one company share
# sentences. So they must share a split.

# %%
ads = pd.DataFrame(
    {
        "ad": ["a", "b", "c", "d", "e", "f", "g", "h"],
        "company": ["Northgate", "Riverside", "Northgate", "Elm", "Oak", "Riverside", "Elm", "Birch"],
        "split": ["train", "train", "test", "train", "test", "train", "validation", "validation"],
    }
)
print(ads.to_string(index=False))

# %% [markdown]
# **Your turn.** Which companies have ads in more than one split? Work it out with pandas, or by eye.

# %% tags=["exercise"]
leaking = None  # your answer: a set of names

# %% tags=["solution"]
splits = ads.groupby("company")["split"].nunique()
leaking = set(splits[splits > 1].index)

# %% tags=["check"]
leaking = leaking and set(leaking)  # a list does as well
if leaking is None:
    print("No answer yet.")
elif "Riverside" in leaking:
    print("Not yet: both ads of Riverside are in train. Two ads in one split are no leak.")
elif "Elm" not in leaking:
    print("Not yet: Elm has one ad in train and one in validation. It must be unseen too: it says when to stop.")
elif leaking == {"Northgate", "Elm"}:
    print("Right. One way out: give each company, not each ad, a split.")
else:
    print("Not yet: look for companies with two different splits.")

# %% [markdown]
# ## 3. Predict: the groups of an occupation
#
# The candidates of the embedded corpus, cut small: 28 occupations, 20 synthetic people each. **Your turn**, before
# you run the next cell: which of these three has the smallest share of women, `"nurse"`, `"surgeon"` or
# `"professor"`?

# %% tags=["exercise"]
fewest_women = None  # your answer

# %% tags=["solution"]
fewest_women = "surgeon"

# %%
people = corpus.make_candidates(corpus.CorpusConfig(candidates_per_occupation=20))
shares = people.groupby("occupation")["gender"].agg(lambda labels: (labels == "female").mean()).sort_values()
figure, ax = plt.subplots(figsize=(7, 6))
ax.barh(shares.index, shares, color="#0072B2")
ax.axvline(0.5, color="grey", lw=1)
ax.set(title="Occupations differ far more than any wording could explain", xlabel="share of women", xlim=(0, 1))
plt.show()

# %% tags=["check"]
three = shares[["nurse", "surgeon", "professor"]].round(2)
if fewest_women is None:
    print("No answer yet.")
elif fewest_women == three.idxmin():
    print("Right:", three.to_dict())
else:
    print("Not yet: read the figure.", three.to_dict())

# %% [markdown]
# **Your turn.** An occupation has **one** woman and 40 men, and its ad selects 10. Which values can the selection
# rate of women among them take for this ad (with no ties)?

# %% tags=["exercise"]
possible_rates = None  # your answer: a set of numbers, for instance {0.25, 0.5}

# %% tags=["solution"]
possible_rates = {0.0, 1.0}

# %% tags=["check"]
possible_rates = possible_rates and set(possible_rates)  # a list does as well
if possible_rates is None:
    print("No answer yet.")
elif possible_rates == {0, 1}:
    print("Right. One person makes it 0 or 1, and the impact ratio 0 or 4.4. So small groups are left out.")
elif any(0 < rate < 1 for rate in possible_rates):
    print("Not yet: the rate divides by the number of women, which is 1. She is selected, or she is not.")
else:
    print("Not yet: there are two cases. Write down both.")
