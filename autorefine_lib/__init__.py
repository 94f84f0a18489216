"""AutoRefine: fine-tune a language model by measured downstream effect instead of human feedback.

The package follows the data flow of Korkmaz et al. (2025, arXiv 2501.07324):
generator -> recommender -> diversity metrics -> reward -> reinforcement learning.
"""

import os
import warnings

__version__ = "0.1.0"

# With AVX-512, Intel MKL adds the parts of a product in another order for one text than for several: a vector would
# depend on the texts beside it. Here it does not. Other processors ignore this; nothing may be multiplied before.
os.environ.setdefault("MKL_CBWR", "AVX512,STRICT")

# TRL's trainers tell the Hub which model they train; what is done with people's texts is nobody's business.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

# PEFT and TRL ask transformers for what has another name by now. Whoever runs a notebook cannot change that.
warnings.filterwarnings("ignore", "`.*gradient_checkpointing` is deprecated", FutureWarning)
