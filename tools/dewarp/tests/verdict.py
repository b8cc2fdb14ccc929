# SPDX-License-Identifier: GPL-2.0
"""How a test says that it failed, and what is printed of it."""


class Wrong(Exception):
    """Why a test failed."""


def ensure(holds, why):
    if not holds:
        raise Wrong(why)


def judge(name, test):
    """Runs a test and prints `ok NAME` or `FAIL NAME: WHY`."""
    try:
        test()
        print(f"ok {name}", flush=True)
    except Wrong as why:
        print(f"FAIL {name}: {' '.join(str(why).split())[-500:]}", flush=True)
