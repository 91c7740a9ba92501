"""``python -m pipeline``."""

import gc
import sys
import warnings

from pipeline.allocator import reuse_freed_memory
from pipeline.stop import stop_in_order, stop_status


def start() -> None:
    """Run the command line; Ctrl-C ends it without a traceback at any moment."""
    try:
        if not sys.warnoptions:  # what users should know is said in our own words
            warnings.simplefilter("ignore")
        stop_in_order()
        reuse_freed_memory()
        # Imports make objects by the hundred thousand, all to stay.
        gc.set_threshold(50_000)
        from pipeline.cli import main

        main()
    except KeyboardInterrupt:
        sys.exit(stop_status())


if __name__ == "__main__":
    start()
