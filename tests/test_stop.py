"""Commands that are asked to stop while a library is at work."""

import signal
import subprocess
import sys

LOSES_THE_STOP = """
import os
import signal
import time

from pipeline.cli import main
from pipeline.stop import stop_in_order


@main.command()
def lose() -> None:
    try:
        os.kill(os.getpid(), signal.{name})
        while True:  # in a pause, a signal that came just before would be missed
            time.sleep(0.01)
    except KeyboardInterrupt:
        raise KeyError("half of a library") from None


stop_in_order()
main(["lose"])
"""


def test_command_says_that_it_was_stopped_though_a_library_lost_the_stop() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        code = LOSES_THE_STOP.format(name=number.name)
        words = [sys.executable, "-c", code]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (128 + number, "stopped\n")
