"""The distributed engine under kills: as long as is asked for, and the numbers.

python -m tests.distributed --seconds 60 --broker rabbitmq [--mailboxes 30] [--seed 0] [--database URL]
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.distributed.brokers import BROKERS
from tests.distributed.stage import Stage
from tests.torture.exchange import Exchange

SHOWN = 20


def main() -> int:
    """Mirror among kills, print what was done, and 1 when anything differs from an undisturbed run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--broker", choices=BROKERS, default="redis")
    parser.add_argument("--mailboxes", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--database", default=os.environ.get("TERRACRM_TEST_DATABASE_URL", ""))
    asked = parser.parse_args()
    if why := BROKERS[asked.broker].missing() or ("" if asked.database else "needs --database, of PostgreSQL"):
        print(why)
        return 2
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name, Exchange() as exchange:
        folder = Path(name)
        broker = BROKERS[asked.broker](folder / "broker")
        stage = Stage(folder, asked.database, broker, exchange, asked.mailboxes, random.Random(asked.seed))
        try:
            stage.set_up()
            stage.start()
            end = time.monotonic() + asked.seconds
            while time.monotonic() < end:
                stage.step()
                time.sleep(stage.random.uniform(0, 1))
            stage.settle()
            problems = stage.problems()
        except BaseException:
            print(stage.log()[-6000:], file=sys.stderr)
            raise
        finally:
            stage.close()
    told = ", ".join(f"{count} {what}" for what, count in sorted(stage.done.items()))
    print("\n".join(line[:400] for line in problems[:SHOWN]), end="\n" if problems else "")
    print(f"{asked.mailboxes} mailboxes over {asked.broker}, {time.monotonic() - started:.0f} s: {told}")
    print(f"{len(problems)} differences")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
