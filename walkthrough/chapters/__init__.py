"""The chapters, in their order. Each file is one chapter and says everything about it; nothing of it lives elsewhere."""

from walkthrough.chapter import Chapter
from walkthrough.chapters.c00_monolith import CHAPTER as MONOLITH
from walkthrough.chapters.c01_draw_the_line import CHAPTER as DRAW_THE_LINE
from walkthrough.chapters.c02_ask_the_api import CHAPTER as ASK_THE_API
from walkthrough.chapters.c03_outbox import CHAPTER as OUTBOX
from walkthrough.chapters.c04_own_copy import CHAPTER as OWN_COPY
from walkthrough.chapters.c05_seed import CHAPTER as SEED
from walkthrough.chapters.c06_cut_over import CHAPTER as CUT_OVER
from walkthrough.chapters.c07_silent_hour import CHAPTER as SILENT_HOUR
from walkthrough.chapters.c08_broker_lost import CHAPTER as BROKER_LOST
from walkthrough.chapters.c09_stale_data import CHAPTER as STALE_DATA
from walkthrough.chapters.c10_contract import CHAPTER as CONTRACT
from walkthrough.chapters.c11_move_out import CHAPTER as MOVE_OUT
from walkthrough.chapters.c12_truth import CHAPTER as TRUTH

CHAPTERS: tuple[Chapter, ...] = (
    MONOLITH,
    DRAW_THE_LINE,
    ASK_THE_API,
    OUTBOX,
    OWN_COPY,
    SEED,
    CUT_OVER,
    SILENT_HOUR,
    BROKER_LOST,
    STALE_DATA,
    CONTRACT,
    MOVE_OUT,
    TRUTH,
)


def chapter(number: int) -> Chapter:
    """The chapter by its number; `KeyError` where there is none."""
    return {one.number: one for one in CHAPTERS}[number]
