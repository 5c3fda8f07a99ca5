"""A script with plain requests."""

import requests
from plain import header, script
from steps import CREDENTIAL, EMAIL, TOKEN, printed

printed(globals())
session = requests.Session()
if CREDENTIAL == "basic":
    session.auth = (f"{EMAIL}/token", TOKEN)
else:
    session.headers["Authorization"] = header()


def post(url, json=None, data=None, type=None):
    headers = {"Content-Type": type} if type else None
    answer = session.post(url, json=json, data=data, headers=headers)
    answer.raise_for_status()
    return answer.json()


def fetch(url):
    answer = session.get(url)
    answer.raise_for_status()
    return answer.content


def get(url):
    answer = session.get(url)
    answer.raise_for_status()
    return answer.json()


def link():
    ids, url = [], f"{BASE}/api/v2/help_center/articles.json?page[size]=15"
    while url:
        answer = session.get(url)
        answer.raise_for_status()
        ids += [article["id"] for article in answer.json()["articles"]]
        url = answer.links.get("next", {}).get("url")
    return {"ids": ids}


script(requests.__version__, me, BASE, get, post, fetch, link=link)
