"""Shared by all Python drivers: reads steps as lines, writes the result of each as JSON.

A driver passes functions by the names of steps. It knows nothing of loopdesk: it runs the code
that `loopdesk env --for CLIENT` prints, and what a user of the library would write next.
"""

import hashlib
import json
import os
import sys
import traceback

CREDENTIAL = os.environ["CREDENTIAL"]
EMAIL, TOKEN = "me@example.com", os.environ["TOKEN"]
SUBJECT = os.environ["SUBJECT"]
FILE = os.environ["FILE"]
TICKET = {"subject": SUBJECT, "comment": {"body": "Unmodified"}}
MANY = {"tickets": [{"subject": SUBJECT, "comment": {"body": f"{n}"}} for n in range(2)]}


def printed(into):
    """Runs what `loopdesk env` has printed, as if it stood at the top of the script."""
    with open(os.environ["SNIPPET"]) as file:
        code = file.read()
    exec(compile(code, "printed by loopdesk env", "exec"), into)


def replaced(into, old, new):
    """The same with the credential that this script already has."""
    with open(os.environ["SNIPPET"]) as file:
        code = file.read()
    # A local key goes where the printed code has a place for it.
    if TOKEN not in code:
        assert old in code, f"{old!r} is not in what was printed: {code}"
        code = code.replace(old, new)
    exec(compile(code, "printed by loopdesk env", "exec"), into)


def content():
    with open(FILE, "rb") as file:
        return file.read()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def play(version, **steps):
    answer({"version": version})
    for line in sys.stdin:
        step = steps.get(line.strip())
        if step is None:
            answer({"cannot": True})
            continue
        try:
            answer({"done": step()})
        except Exception as error:
            traceback.print_exc()
            answer({"failed": f"{type(error).__name__}: {error}"})


def answer(value):
    print(json.dumps(value), flush=True)
