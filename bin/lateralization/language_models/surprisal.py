"""Surprisal of words: how unlikely each was after what the model had read before it.

It falls out of the pass that gives the hidden states: the last state before a token, through the
model's own head, gives the token's probability. A word's surprisal is the sum over its tokens of
-log2 p, in bits (Hale, NAACL 2001; Levy, Cognition 2008).
"""

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from lateralization.arrays import Floats
from lateralization.language_models.batches import RunTokens
from lateralization.language_models.loading import call_model
from lateralization.words.by_story import story_column

CHUNK = 512
"""Tokens whose probabilities over the whole vocabulary are held at a time."""

Head = Callable[[Any], Any]
"""Last hidden states (n, width) → logits (n, vocabulary), float32."""


def reads_forward(trunk: Any, device: Any) -> bool:
    """Tell whether a model reads forward only: a later token changes no earlier state."""
    import torch

    ids = torch.tensor([[4, 5, 6, 7], [4, 5, 6, 3]], device=device)
    with torch.inference_mode():
        states = call_model(trunk, input_ids=ids, use_cache=False).last_hidden_state[:, :3].float()
    return bool(torch.allclose(states[0], states[1], rtol=1e-3, atol=1e-3 * states.std().item()))


def head_of(model: Any, device: Any) -> tuple[Head | None, str | None]:
    """Return what makes logits of a model's last states and None, or None and why there is none.

    The head is the model itself, whose trunk gives way to the states: scales, caps and layers of
    its own are in it. What it says of a few tokens is compared with what the whole model answers.
    The model is of no other use after that.
    """
    import torch

    trunk = model.base_model
    if model is trunk or model.get_output_embeddings() is None:
        return None, "the model or its checkpoint has no language-modelling head"
    if not reads_forward(trunk, device):
        return None, "the model reads in both directions"
    ids = torch.tensor([[4, 5, 6, 7]], device=device)
    with torch.inference_mode():
        whole = model(input_ids=ids, use_cache=False).logits[0].float()
        out = trunk(input_ids=ids, use_cache=False)
        logits = _own_head(model, out)
        found = logits(out.last_hidden_state[0]).to(whole.device)
    bound = 1e-4 if trunk.dtype == torch.float32 else 1e-2
    if whole.shape != found.shape or not torch.allclose(
        whole, found, rtol=bound, atol=bound * whole.std().item()
    ):
        return None, "the model's head is of an unknown kind"
    return logits, None


def _own_head(model: Any, answered: Any) -> Head:
    """Return a model as a function of last states; ``answered`` is what its trunk gives."""
    import torch

    told = torch.nn.Module()
    told.__dict__["decoder"] = told  # what some ask instead of the trunk around it: OPT, BART
    given: list[Any] = []

    def answer_with_given(*_: Any, **__: Any) -> Any:
        out = copy.copy(answered)
        out["last_hidden_state"] = given.pop()
        return out

    told.forward = answer_with_given
    setattr(model, model.base_model_prefix, told)

    def logits(states: Any) -> Any:
        given.append(states[None])
        ids = torch.zeros((1, len(states)), dtype=torch.int64, device=states.device)
        return model(input_ids=ids, use_cache=False).logits[0].float()

    return logits


def of_tokens(head: Head, states: Any, ids: Any, tokens: Any) -> Floats:
    """Return the surprisal of tokens, bits.

    Parameters
    ----------
    head : Head
    states : tensor of shape (n, width)
        Last hidden states of a batch, windows one after the other.
    ids : tensor of shape (n,)
        The tokens that were read.
    tokens : array of shape (m,)
        Which of them are asked for; none is the first of its window.
    """
    import torch

    parts = []
    for at in range(0, len(tokens), CHUNK):
        chosen = torch.from_numpy(tokens[at : at + CHUNK]).to(states.device)
        logits = head(states[chosen - 1])
        target = ids.to(logits.device)[chosen.to(logits.device)]
        parts.append(torch.nn.functional.cross_entropy(logits, target, reduction="none"))
    if not parts:
        return np.empty(0)
    bits: Floats = torch.cat(parts).double().cpu().numpy() / math.log(2)
    return bits


def surprisal_table(words: pd.DataFrame, runs: list[RunTokens], sums: list[Floats]) -> pd.DataFrame:
    """Return the table of surprisals, one row per word in the order of the table of words.

    Parameters
    ----------
    words : DataFrame
        The table of words.
    runs : list of Run
    sums : list over runs of arrays of shape (n_segments,)
        Surprisal of each segment; NaN where a token has nothing before it.

    Returns
    -------
    DataFrame
        ``run`` or ``story``, ``word``, ``onset``, ``offset``, ``surprisal`` (bits; empty for a
        word whose first token nothing precedes), ``n_tokens``.
    """
    values, counts = [], []
    for run, found in zip(runs, sums, strict=True):
        owners = run.pieces.table[run.segments[:, 0], 0]
        values.append(np.bincount(owners, weights=found, minlength=run.n_words))
        lengths = run.segments[:, 3] - run.segments[:, 2]
        counts.append(np.bincount(owners, weights=lengths, minlength=run.n_words))
    table = words[[story_column(words), "word", "onset", "offset"]].copy()
    table["surprisal"] = np.concatenate(values).round(6)
    table["n_tokens"] = np.concatenate(counts).astype(int)
    return table
