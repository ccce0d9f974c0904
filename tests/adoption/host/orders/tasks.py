"""The host's own work."""

import os
import time
from pathlib import Path

from celery import shared_task


@shared_task
def export(seconds: float) -> None:
    """Take longer than messaging's messages may wait for their acknowledgement."""
    with Path(os.environ["SHOP_EXPORTS"]).open("a") as file:
        file.write("began\n")
        time.sleep(seconds)
        file.write("ended\n")
