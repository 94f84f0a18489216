"""Every figure is drawn, its texts do not overlap, and saving the same figure twice gives the same bytes."""

from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import matplotlib

matplotlib.use("agg")

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from autorefine_lib.report import figures

METHODS = ["original ads", "word swap", "aligned, no RL", "best of 8", "PPO", "paper: original ads", "paper: PPO"]
OCCUPATIONS = ["accountant", "software_engineer", "nurse", "surgeon", "yoga_teacher", "interior_designer", "dj"]


def method_rows() -> pd.DataFrame:
    rows = []
    for number, method in enumerate(METHODS):
        paper = method.startswith("paper")
        for metric, base, step in (("impact_ratio", 0.61, 0.02), ("mrr", 0.81, 0.001), ("ndcg", 0.74, -0.002)):
            if paper and metric != "impact_ratio":
                continue
            value = base + step * number
            interval = (np.nan, np.nan) if paper else (value - 0.03, value + 0.03)
            rows.append((method, metric, 20, value, *interval, 300, paper))
    return pd.DataFrame(rows, columns=["method", "metric", "k", "value", "low", "high", "n", "paper"])


def draw(name: str) -> Figure:
    rng = np.random.default_rng(0)
    if name == "methods":
        return figures.draw_methods(method_rows(), "PPO comes nearest to parity at the same ranking quality", True)
    if name == "learning_curves":
        steps = np.tile(np.arange(40), 3)
        log = pd.DataFrame({"seed": np.repeat([0, 1, 2], 40), "step": steps, "kl": 0.002 * steps})
        log["reward"] = 1 - np.exp(-steps / 15) + rng.normal(0, 0.03, 120)
        labels = {"reward": "mean reward", "kl": "KL to the reference, nats per token"}
        alarms = pd.DataFrame({"seed": [0, 2, 1], "step": [12, 12, 30], "monitor": ["KL", "group", "entropy"]})
        title = "The reward rises in all three seeds"
        return figures.draw_learning_curves(log, ["reward", "kl"], title, True, labels, alarms)
    if name == "against_reward_calls":
        ends = {"best of 4": 1680, "reward-weighted": 2560, "ILQL": 2560}
        rows = [("aligned, no RL", 0, 0.0, 0.9)] + [(method, calls, 0.02, 0.92) for method, calls in ends.items()]
        rows += [(m, calls, calls / 5e4, 0.9 + calls / 2e4) for m in ("RLOO", "PPO") for calls in (640, 1280, 2560)]
        points = pd.DataFrame(rows, columns=["method", "reward_calls", "reward", "impact_ratio"]).assign(seed=0)
        again = points[points["method"] == "PPO"].assign(seed=1, impact_ratio=0.95)
        points = pd.concat([points, again])
        return figures.draw_reward_calls(points, "PPO gains most for its reward calls", True, "female")
    if name == "before_after":
        before = np.linspace(0.4, 0.9, len(OCCUPATIONS))
        table = pd.DataFrame({"before": before, "after": before + 0.06}, index=OCCUPATIONS)
        return figures.draw_before_after(
            table, "Every occupation moves towards parity", "female impact ratio at 20", True, 1.0
        )
    if name == "groups_by_occupation":
        frame = pd.DataFrame(
            {"occupation": rng.choice(OCCUPATIONS, 700), "gender": rng.choice(["female", "male"], 700)}
        )
        return figures.draw_groups_by_occupation(
            frame, "gender", "Half of the candidates in each occupation are women", True
        )
    if name == "coding_of_ads":
        table = pd.DataFrame({"masculine": [3.1, 0.2, 1.5], "neutral": [1.0, 3.8, 1.8], "feminine": [0.8, 0.9, 1.6]})
        table.index = METHODS[:3]
        return figures.draw_coding(table, "The swap removes masculine-coded phrases", True)
    scores = pd.DataFrame({"gender": np.repeat(["female", "male"], 200), "score": rng.normal(0.4, 0.1, 400)})
    return figures.draw_histogram(scores, "gender", "score", "Women and men score alike", "cosine to the ad", True)


NAMES = [
    "methods",
    "learning_curves",
    "against_reward_calls",
    "before_after",
    "groups_by_occupation",
    "coding_of_ads",
    "histogram",
]


def shown_texts(fig: Figure) -> list[matplotlib.text.Text]:
    """Every text that is drawn: tick labels only where their tick lies inside the axes."""
    hidden = set()
    for ax in fig.axes:
        for axis, limits in ((ax.xaxis, sorted(ax.get_xlim())), (ax.yaxis, sorted(ax.get_ylim()))):
            for tick in axis.get_major_ticks():
                if not limits[0] <= tick.get_loc() <= limits[1]:
                    hidden |= {tick.label1, tick.label2}
    texts = fig.findobj(matplotlib.text.Text)
    return [text for text in texts if text not in hidden and text.get_visible() and text.get_text().strip()]


def check_texts_and_close(fig: Figure) -> None:
    """No text overlaps another or runs off the figure, and synthetic data are marked as such."""
    fig.canvas.draw()
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown_texts(fig)]
    assert "synthetic data" in [words for words, _ in boxes]
    assert not [words for words, box in boxes if box.x0 < -1 or box.x1 > fig.bbox.x1 + 1 or box.y1 > fig.bbox.y1 + 1]
    clashes = [(a, b) for (a, box_a), (b, box_b) in combinations(boxes, 2) if box_a.shrunk(0.9, 0.9).overlaps(box_b)]
    assert not clashes
    matplotlib.pyplot.close(fig)


@pytest.mark.parametrize("name", NAMES)
def test_texts_do_not_overlap_nor_run_off_and_synthetic_is_marked(name: str):
    check_texts_and_close(draw(name))


def test_saving_twice_gives_the_same_bytes(tmp_path: Path):
    first = [path.read_bytes() for path in figures.save(draw("methods"), tmp_path / "methods")]
    second = [path.read_bytes() for path in figures.save(draw("methods"), tmp_path / "methods")]
    assert first == second and len(first[0]) > 10_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["methods.pdf", "methods.png"]


def test_palette_stays_apart_under_colour_blindness():
    """Machado, Oliveira and Fernandes (2009): simulated deuteranopia keeps the first five colours apart."""
    matrix = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]])
    colors = np.array([matplotlib.colors.to_rgb(color) for color in figures.PALETTE[:5]]) @ matrix.T
    assert min(np.linalg.norm(a - b) for a, b in combinations(colors, 2)) > 0.15


def test_lines_start_where_the_methods_began():
    fig = draw("against_reward_calls")
    lines = {line.get_label(): line for line in fig.axes[1].get_lines()}
    assert lines["PPO"].get_xdata().tolist() == [0, 640, 1280, 2560] and lines["PPO"].get_ydata()[0] == 0.9
    assert lines["_PPO"].get_xdata().tolist() == [0, 640, 1280, 2560], "another seed is a line of its own"
    assert lines["_PPO"].get_ydata().tolist() == [0.9, 0.95, 0.95, 0.95]
    assert lines["ILQL"].get_xdata().tolist() == [2560], "one point is a mark"
    assert lines["parity"].get_ydata() == [1, 1]
    matplotlib.pyplot.close(fig)


def test_live_curves_show_the_steps_before_an_interruption_and_the_time_left(tmp_path: Path, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda first, display_id: SimpleNamespace(update=shown.append))
    log = pd.DataFrame({"step": [1, 2], "kl": [0.0, 0.1], "seconds/step": [20.0, 40.0]})
    path = tmp_path / "log.csv"
    draw_live = figures.draw_live_curves(path, 3, ["kl"], "Seed 0", True, {})
    for rows in (log, pd.concat([log, log.tail(1).assign(step=3)])):
        rows.to_csv(path, index=False)
        draw_live(rows.iloc[-1].to_dict())
    titles = [" ".join(text.get_text() for text in shown_texts(fig)) for fig in shown]
    assert "Seed 0: step 2 of 3, about 0:30 left" in titles[0] and "step 3 of 3, done" in titles[1]
    assert shown[0].axes[0].get_lines()[0].get_xdata().tolist() == [1, 2]
