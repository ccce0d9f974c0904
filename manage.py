#!/usr/bin/env python
"""Django's command line, for single commands. `make run` and `make test` do everything else."""

import gc
import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    gc.disable()  # imports make hardly any garbage, and looking for it takes a tenth of a start
    import django
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        django.setup()
        gc.enable()
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:  # an environment variable is wrong; the message names it
        if "--traceback" in sys.argv:
            raise
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
