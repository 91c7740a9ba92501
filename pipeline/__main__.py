"""``python -m pipeline``."""

import atexit
import gc
import os
import sys
import warnings
from contextlib import suppress

from pipeline.process import reuse_freed_memory, stop_in_order, stop_status


def start() -> None:
    """Run the command line; nothing ends it with a traceback at any moment."""
    status = 0

    def end() -> None:
        """End at once: to take apart what was imported takes a tenth of a command."""
        with suppress(OSError, ValueError):  # Python says what cannot be written
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(status)

    atexit.register(end)  # the first one is called last
    try:
        if not sys.warnoptions:  # what users should know is said in our own words
            warnings.simplefilter("ignore")
        _open_closed_streams()
        stop_in_order()
        reuse_freed_memory()
        # Imports make objects by the hundred thousand, all to stay.
        gc.set_threshold(50_000)
        from pipeline.commands.cli import main

        main()
    except SystemExit as asked:
        status = asked.code if isinstance(asked.code, int) else bool(asked.code)
        raise
    except KeyboardInterrupt:
        status = stop_status()
        sys.exit(status)
    except Exception as error:
        # A library that is not there, or an output that takes nothing.
        from pipeline.commands.failure import describe_failure

        with suppress(OSError):
            sys.stderr.write(f"error: {describe_failure(error, is_told=False)}\n")
        os._exit(1)  # Python would try to write the rest, and say that it cannot


def _open_closed_streams() -> None:
    """Give what reads or prints something that says it is closed, as `sql >&-` has."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            # Reading gives nothing, and writing fails with words; errors go nowhere.
            mode = "w" if name == "stderr" else "r"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


if __name__ == "__main__":
    start()
