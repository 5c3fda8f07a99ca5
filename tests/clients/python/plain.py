"""What the drivers of general HTTP libraries share: the steps as a hand-written script does them.

`get(url)` and `post(url, json=…)` or `post(url, data=…, type=…)` give the parsed answer,
`fetch(url)` the bytes at the end of the redirects.
"""

import base64

from steps import CREDENTIAL, EMAIL, MANY, SUBJECT, TICKET, TOKEN, content, play, sha256


def header():
    if CREDENTIAL == "bearer":
        return f"Bearer {TOKEN}"
    return "Basic " + base64.b64encode(f"{EMAIL}/token:{TOKEN}".encode()).decode()


def script(version, me, base, get, post, fetch):
    uploaded = {}

    def pages(url, link):
        ids = []
        while url:
            page = get(url)
            ids += [ticket["id"] for ticket in page["tickets"]]
            url = link(page)
        return {"ids": ids}

    def upload():
        url = f"{base}/api/v2/uploads.json?filename=image.png"
        answer = post(url, data=content(), type="image/png")
        uploaded["url"] = answer["upload"]["attachment"]["content_url"]
        return {"token": answer["upload"]["token"]}

    def job():
        status = post(f"{base}/api/v2/tickets/create_many.json", json=MANY)["job_status"]
        while status["status"] != "completed":
            status = get(status["url"])["job_status"]
        return {"results": len(status["results"])}

    play(
        version,
        me=lambda: {"id": me["user"]["id"]},
        offset=lambda: pages(f"{base}/api/v2/tickets.json", lambda page: page["next_page"]),
        cursor=lambda: pages(
            f"{base}/api/v2/tickets.json?page[size]=100",
            lambda page: page["links"]["next"] if page["meta"]["has_more"] else None,
        ),
        search=lambda: {
            "ids": [
                one["id"]
                for one in get(f"{base}/api/v2/search.json?query=created>2025-01-01")["results"]
            ]
        },
        create=lambda: {
            "id": post(f"{base}/api/v2/tickets.json", json={"ticket": TICKET})["ticket"]["id"]
        },
        upload=upload,
        download=lambda: {"sha256": sha256(fetch(uploaded["url"]))},
        export=lambda: pages(
            f"{base}/api/v2/incremental/tickets/cursor.json?start_time=0&per_page=100",
            lambda page: None if page["end_of_stream"] else page["after_url"],
        ),
        job=job,
    )
