"""Load a chapter from its folder: the prose of `chapter.md` and the acts of `steps.py` as one object.

`chapter.md` is Markdown. It begins with a title and a question as front matter, `key: value` between two lines of dashes. The
sections of `SECTIONS` follow, each under a heading of the second level:

- *The code*: a list of links to files. A link's text in backticks is a name in that file; any other stands for the whole file. Of a
  long one the page shows a piece, given by words of its first and of its last line: "`name` from `words` to `words`".
- *Run it, break it*: a heading `### name: Words on the button` for each step, in the order of `STEPS` in `steps.py`. A step may
  end with a question (`prediction_text`).
- *Look closer in the admin*: a list of links, each to the name of a URL, with a query where one is needed.
- *Trade-offs*: a table.
- *In your monolith*: a heading for each advice, then the text, then fences with commands, one a line. After the language each fence
  says where its commands work (`Place`): "sh after lifting".

`{NAME}` in capitals stands for the constant of that name in `steps.py`. A link to another chapter leads to its `chapter.md`.
"""

import re
from collections.abc import Iterable
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from types import ModuleType

from markdown_it import MarkdownIt
from markdown_it.token import Token

from config.env import ROOT
from walkthrough.script import prediction_text
from walkthrough.script.chapter import Act, Advice, Chapter, Commands, Listing, Place, Step, TradeOff, Unplayable, Window

KEYS = ("title", "question")
STEPS, WRONG = "Run it, break it", "What is still wrong"
#: What the last chapter calls that section.
LAST = "What it costs, and what you get"
SECTIONS = (
    "Situation",
    "The smallest change",
    "The code",
    STEPS,
    "Look closer in the admin",
    WRONG,
    "Trade-offs",
    "In your monolith",
)
#: The text of a link to code: a name or a file, and the piece of it that the page shows.
PIECE = re.compile(r"(?:`(?P<symbol>[\w.]+)`|(?P<file>[\w.]+))(?: from `(?P<first>[^`]+)`)?(?: to `(?P<last>[^`]+)`)?")
#: Only blocks: what is inside of a line stays a text, and is rendered when the page is shown.
_markdown = MarkdownIt("commonmark").enable("table").disable(["inline", "text_join"])


def load(folder: Path) -> Chapter:
    """Load the chapter of a folder such as `c03_outbox`: its number and its slug. Raises `Unplayable`."""
    steps = import_module(f"walkthrough.chapters.{folder.name}.steps")
    try:
        return chapter(folder, (folder / "chapter.md").read_text(encoding="utf-8"), steps)
    except Unplayable as wrong:
        raise Unplayable(f"{folder.name}/chapter.md: {wrong}") from None


def chapter(folder: Path, text: str, code: ModuleType) -> Chapter:
    """Build the chapter from the text of `chapter.md` and the module `steps.py`."""
    about, text = _front_matter(text)
    found = _sections(_filled(text, code), "h2")
    ending = LAST if LAST in found else WRONG
    wanted = [ending if title == WRONG else title for title in SECTIONS]
    if list(found) != wanted:
        raise Unplayable(f"its sections are {_listed(found)}. They should be {_listed(wanted)}.")
    return Chapter(
        number=int(folder.name[1:3]),
        slug=folder.name[4:].replace("_", "-"),
        title=about["title"],
        question=about["question"],
        situation=found["Situation"],
        change=found["The smallest change"],
        still_wrong=found[ending],
        ending=ending,
        starts=code.starts,
        steps=_steps(found[STEPS], code),
        listings=tuple(_listing(folder, *link) for link in _links(found["The code"])),
        trade_offs=_trade_offs(found["Trade-offs"]),
        advice=tuple(_advice(where, text) for where, text in _sections(found["In your monolith"], "h3").items()),
        windows=tuple(_window(*link) for link in _links(found["Look closer in the admin"])),
    )


def _front_matter(text: str) -> tuple[dict[str, str], str]:
    found = re.match(r"---\n(.*?)\n---\n(.*)", text, re.DOTALL)
    about = dict(line.split(": ", 1) for line in found[1].splitlines() if ": " in line) if found else {}
    if not found or tuple(about) != KEYS:
        raise Unplayable(f"it should begin with {_listed(KEYS)}, as `key: value` between two lines of dashes.")
    return about, found[2]


def _filled(text: str, code: ModuleType) -> str:
    def value(found: re.Match[str]) -> str:
        if not hasattr(code, found[1]):
            raise Unplayable(f"{found[0]} stands for a constant, and steps.py has none by that name.")
        constant = getattr(code, found[1])
        return f"{constant:g}" if isinstance(constant, float) else str(constant)

    return re.sub(r"\{([A-Z][A-Z0-9_]*)\}", value, text)


def _sections(text: str, level: str) -> dict[str, str]:
    """Heading to the text below it."""
    tokens, lines = _markdown.parse(text), text.splitlines()
    heads = [at for at, token in enumerate(tokens) if (token.type, token.tag) == ("heading_open", level)]
    spans = [_span(tokens[at]) for at in heads]
    ends = [*(first for first, _ in spans), len(lines)]
    if above := "\n".join(lines[: ends[0]]).strip():
        raise Unplayable(f"“{above.splitlines()[0]}” is above the first heading of its section.")
    titles = [tokens[at + 1].content for at in heads]
    if twice := {title for title in titles if titles.count(title) > 1}:
        raise Unplayable(f"it has more than one heading {_listed(sorted(twice))}.")
    return {title: "\n".join(lines[below:end]).strip() for title, (_, below), end in zip(titles, spans, ends[1:], strict=True)}


def _steps(text: str, code: ModuleType) -> tuple[Step, ...]:
    described = [(*heading.partition(": "), says) for heading, says in _sections(text, "h3").items()]
    names = [name for name, _, _, _ in described]
    for name, colon, _, _ in described:
        if not colon:
            raise Unplayable(f"“### {name}” should be a step's name, a colon and the text of its button.")
        if name not in code.STEPS:
            raise Unplayable(f"it describes the step “{name}”, which steps.py doesn't have. It has {_listed(code.STEPS)}.")
    for name in code.STEPS:
        if name not in names:
            raise Unplayable(f"steps.py has the step “{name}”, and nothing here describes it. Add “### {name}: …” to “{STEPS}”.")
    if names != list(code.STEPS):
        raise Unplayable(f"it has the steps in the order {_listed(names)}, and steps.py as {_listed(code.STEPS)}.")
    return tuple(_step(name, button, text, code.STEPS[name]) for name, _, button, text in described)


def _step(name: str, button: str, text: str, act: Act) -> Step:
    says, prediction = prediction_text.split(name, text)
    return Step(name, button, says, act.run, act.kind, prediction)


def _links(text: str) -> list[tuple[str, str, str]]:
    """Text, target and description of each item of a list of links."""
    found = []
    for token in _markdown.parse(text):
        if token.type == "inline":
            link = re.fullmatch(r"\[([^\]]+)\]\(([^)\s]+)\)(?:: (.+))?", token.content, re.DOTALL)
            if not link:
                raise Unplayable(f"“{token.content}” should be a link, alone or followed by a colon and a text.")
            found.append((link[1], link[2], link[3] or ""))
    return found


def _listing(folder: Path, words: str, target: str, says: str) -> Listing:
    path = (folder / target).resolve()
    if not path.is_relative_to(ROOT):
        raise Unplayable(f"{target} is outside of the project.")
    piece = PIECE.fullmatch(words)
    if not piece:
        raise Unplayable(f"“{words}” should be a name in backticks or a file, then “from `…`” and “to `…`” where it is cut.")
    return Listing(path.relative_to(ROOT).as_posix(), piece["symbol"] or "", says, piece["first"] or "", piece["last"] or "")


def _window(title: str, target: str, says: str) -> Window:
    name, _, query = target.partition("?")
    return Window(title, name, query)


def _trade_offs(text: str) -> tuple[TradeOff, ...]:
    tokens = _markdown.parse(text)
    heads, cells = (
        [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == kind] for kind in ("th_open", "td_open")
    )
    if heads != [field.name for field in fields(TradeOff)]:
        raise Unplayable(f"the table of trade-offs has the columns {_listed(heads)}.")
    return tuple(TradeOff(*cells[at : at + 3]) for at in range(0, len(cells), 3))


def _advice(where: str, text: str) -> Advice:
    tokens = _markdown.parse(text)
    first = next((at for at, token in enumerate(tokens) if token.type == "fence"), len(tokens))
    fences, lines = tokens[first:], text.splitlines()
    if any(token.type != "fence" for token in fences):
        raise Unplayable(f"“{where}” has text below its commands. They come last.")
    does = lines[: _span(fences[0])[0]] if fences else lines
    return Advice(where, "\n".join(does).strip(), tuple(_commands(where, fence) for fence in fences))


def _commands(where: str, fence: Token) -> Commands:
    place = fence.info.partition(" ")[2]
    if place not in list(Place):
        raise Unplayable(
            f"“{where}” has commands that work “{place}”. After the language, its fence should say one of {_listed(Place)}."
        )
    return Commands(Place(place), tuple(fence.content.splitlines()))


def _span(token: Token) -> tuple[int, int]:
    first, below = token.map or (0, 0)  # a block's token always has its lines
    return first, below


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"“{word}”" for word in words) or "none"
