"""A measurement that measures nothing: it prints its first argument, and ends with the second one as its exit code. With "wait" it
never ends by itself, and notes in the file that is its second argument that it was asked to."""

import sys
import time
from pathlib import Path

if __name__ == "__main__":
    if sys.argv[1] == "wait":
        try:
            while True:
                time.sleep(0.1)
        except KeyboardInterrupt:
            Path(sys.argv[2]).write_text("ended")
            raise
    print("what a library says first")
    print(sys.argv[1])
    if sys.argv[2:] == ["1"]:
        raise SystemExit("The relay didn't start.")
