"""How the machine is run: so many stories of so many steps."""

import os

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.machine import Life
from tests.properties.system import System

#: Stories that are told where nobody says otherwise: always the same ones. `PROPERTY_EXAMPLES=5000` tells others.
EXAMPLES, STEPS = 60, 40


def options(*, examples: int = 0, shrink: bool = True) -> settings:
    """`examples`: so many, and always the same; else as the environment says."""
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
