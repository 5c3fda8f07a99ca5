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


def script(version, me, base, get, post, fetch, **more):
    uploaded = {}

    def pages(url, link, key="tickets"):
        ids = []
        while url:
            page = get(url)
            ids += [ticket["id"] for ticket in page[key]]
            url = link(page)
        return {"ids": ids}

    def next_link(page):
        return page["links"]["next"] if page["meta"]["has_more"] else None

    def article():
        id = get(f"{base}/api/v2/help_center/articles.json")["articles"][0]["id"]
        files = get(f"{base}/api/v2/help_center/articles/{id}/attachments.json")
        return {"sha256": sha256(fetch(files["article_attachments"][0]["content_url"]))}

    def recording():
        comments = get(f"{base}/api/v2/tickets/4/comments.json")["comments"]
        calls = [comment for comment in comments if comment["type"] == "VoiceComment"]
        return {"sha256": sha256(fetch(calls[0]["data"]["recording_url"]))}

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
            next_link,
        ),
        query=lambda: pages(
            f"{base}/api/v2/search/export.json?query=*&filter[type]=ticket&page[size]=100",
            next_link,
            "results",
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
        article=article,
        recording=recording,
        **more,
    )
