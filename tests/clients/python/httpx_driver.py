"""A script with plain httpx."""

from plain import header, script
from steps import CREDENTIAL, EMAIL, TOKEN, printed

printed(globals())
if CREDENTIAL == "basic":
    client.auth = (f"{EMAIL}/token", TOKEN)
else:
    client.headers["Authorization"] = header()


def get(url):
    return client.get(url).raise_for_status().json()


def post(url, json=None, data=None, type=None):
    headers = {"Content-Type": type} if type else None
    answer = client.post(url, json=json, content=data, headers=headers)
    return answer.raise_for_status().json()


def fetch(url):
    return client.get(url).raise_for_status().content


script(httpx.__version__, me, BASE, get, post, fetch)
