"""A job that is killed like a machine that loses its power: run as a process, it ends itself with SIGKILL.

crashing_job.py SOURCE OUTPUT STEP NUMBER: at the NUMBER-th time that STEP of any file is reached (0: never).
"""

import os
import signal
import sys

from rich.console import Console

from batch.job import Job, JobSettings
from batch.plan import Question
from batch.store import Step, open_store
from tests.batch.fake_engine import FakeEngine


def main(source: str, output: str, step: str, number: int) -> None:
    left = [number]

    def reached(now: Step, _name: str) -> None:
        if now == step:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    settings = JobSettings(source=source, question=Question(top_k=2), shard_size=30)
    Job(settings, FakeEngine(), open_store(output, reached), Console(stderr=True)).run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
