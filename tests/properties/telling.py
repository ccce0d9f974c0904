"""Runs the machine: so many stories of so many steps."""

import os

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.machine import Life
from tests.properties.system import System

#: The default number of stories, always the same ones. `PROPERTY_EXAMPLES=5000` runs others.
EXAMPLES, STEPS = 60, 40


def options(*, examples: int = 0, shrink: bool = True) -> settings:
    """Return options for `examples` stories, always the same ones; without it, as the environment says."""
    asked = int(os.environ.get("PROPERTY_EXAMPLES", "0"))
    return settings(
        max_examples=examples or asked or EXAMPLES,
        stateful_step_count=STEPS,
        derandomize=bool(examples) or not asked,
        database=None,
        deadline=None,
        print_blob=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
    )


def tell(system: System, chosen: settings) -> None:
    """Run the machine; raises what it finds."""

    class Told(Life):
        pass

    Told.system = system
    run_state_machine_as_test(Told, settings=chosen)
