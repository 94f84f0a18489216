"""AutoRefine: fine-tune a language model by measured downstream effect instead of human feedback.

The package follows the data flow of Korkmaz et al. (2025, arXiv 2501.07324):
generator -> recommender -> diversity metrics -> reward -> reinforcement learning.
"""

import warnings

__version__ = "0.1.0"

# PEFT and TRL ask transformers for what has another name by now. Whoever runs a notebook cannot change that.
warnings.filterwarnings("ignore", "`.*gradient_checkpointing` is deprecated", FutureWarning)
