"""A script with Python's own urllib."""

import json as json_module
import platform

from plain import header, script
from steps import printed

printed(globals())


def fetch(url, **more):
    request = urllib.request.Request(url, **more)
    request.add_unredirected_header("Authorization", header())
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def get(url):
    return json_module.loads(fetch(url))


def post(url, json=None, data=None, type="application/json"):
    body = json_module.dumps(json).encode() if json else data
    return json_module.loads(fetch(url, data=body, headers={"Content-Type": type}))


script(platform.python_version(), me, BASE, get, post, fetch)
