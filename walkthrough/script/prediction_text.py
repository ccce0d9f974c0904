"""The question at the end of a step's text in `chapter.md`: a paragraph that begins with “**Predict:**”, and a list of options.

**Predict:** How many events arrive?

- all: All of them.
- none: None.

The word before the colon is the option's name in `steps.py`: `stage.outcome(all=…, none=…)`.
"""

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

from walkthrough.script.chapter import Prediction, Unplayable

ASKS = "**Predict:** "
FEWEST, MOST = 2, 4
_markdown = MarkdownIt("commonmark").disable(["inline", "text_join"])  # the text in a block stays as it is


def split(step: str, text: str) -> tuple[str, Prediction | None]:
    """Split a step's text into its sentences and its prediction; None if it asks nothing. Raises `Unplayable`."""
    tokens, lines = _markdown.parse(text), text.splitlines()
    asking = [at for at, token in enumerate(tokens) if token.type == "inline" and token.content.startswith(ASKS)]
    if not asking:
        return text, None
    first = tokens[asking[0]]
    above = (first.map or (0, 0))[0]  # a block's token always has its lines
    question = " ".join(first.content.removeprefix(ASKS).split())
    return "\n".join(lines[:above]).strip(), Prediction(question, _options(step, tokens[asking[0] + 2 :]))


def _options(step: str, tokens: list[Token]) -> dict[str, str]:
    blocks = [token for token in tokens if token.level == 0]
    items = [" ".join(token.content.split()) for token in tokens if token.type == "inline"]
    found = [re.fullmatch(r"([a-z][a-z_]*): (.+)", item) for item in items]
    options = {one[1]: one[2] for one in found if one}
    alone = [token.type for token in blocks] == ["bullet_list_open", "bullet_list_close"]
    if not alone or len(options) != len(items) or not FEWEST <= len(options) <= MOST:
        raise Unplayable(
            f"the step “{step}” asks for a prediction. Below the question there should be one list of {FEWEST} to {MOST} options, "
            "each with a name of its own, a colon and a text."
        )
    return options
