"""A script with plain aiohttp: one session and one loop for all of it."""

import os

from plain import header, script
from steps import printed

printed(globals())
loop = asyncio.new_event_loop()


async def opened():
    headers = {"Authorization": header()}
    # Under `loopdesk exec`, a script has to set this.
    setting = {"trust_env": True} if "SETTING" in os.environ else {}
    return aiohttp.ClientSession(headers=headers, raise_for_status=True, **setting)


session = loop.run_until_complete(opened())


async def answered(method, url, read, **more):
    async with session.request(method, url, **more) as answer:
        return await read(answer)


def get(url):
    return loop.run_until_complete(answered("GET", url, lambda answer: answer.json()))


def fetch(url):
    return loop.run_until_complete(answered("GET", url, lambda answer: answer.read()))


def post(url, json=None, data=None, type=None):
    more = {"json": json} if type is None else {"data": data, "headers": {"Content-Type": type}}
    return loop.run_until_complete(answered("POST", url, lambda answer: answer.json(), **more))


script(aiohttp.__version__, me, BASE, get, post, fetch)
loop.run_until_complete(session.close())
