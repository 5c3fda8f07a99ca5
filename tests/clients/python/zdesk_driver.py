"""A script with zdesk."""

from importlib.metadata import version
from steps import CREDENTIAL, MANY, TICKET, TOKEN, content, play, printed, replaced

if CREDENTIAL == "basic":
    printed(globals())
else:
    replaced(globals(), 'zdesk_email="any", zdesk_api="any"', f'zdesk_oauth="{TOKEN}"')


def ids(answer):
    return {"ids": [ticket["id"] for ticket in answer["tickets"]]}


def upload():
    answer = zendesk.upload_create(filename="image.png", data=content(), mime_type="image/png")
    return {"token": answer["upload"]["token"]}


def job():
    status = zendesk.tickets_create_many(data=MANY)["job_status"]
    while status["status"] != "completed":
        status = zendesk.job_status_show(status["id"])["job_status"]
    return {"results": len(status["results"])}


def create():
    location = zendesk.ticket_create(data={"ticket": TICKET})
    return {"id": int(location.rsplit("/", 1)[1].split(".")[0])}


def by_search():
    all = []
    query = {"query": "*", "filter[type]": "ticket", "page[size]": 100}
    while True:
        # It has no function for this route, but a generic one.
        page = zendesk.call("/api/v2/search/export.json", query=query)
        all += [ticket["id"] for ticket in page["results"]]
        if not page["meta"]["has_more"]:
            return {"ids": all}
        query["page[after]"] = page["meta"]["after_cursor"]


def export():
    all = []
    # It treats a start at 0 as missing.
    page = zendesk.incremental_tickets_cursor_list(start_time=1)
    while True:
        all += ids(page)["ids"]
        if page["end_of_stream"]:
            return {"ids": all}
        page = zendesk.incremental_tickets_cursor_list(cursor=page["after_cursor"])


play(
    version("zdesk"),
    me=lambda: {"id": zendesk.users_me()["user"]["id"]},
    offset=lambda: ids(zendesk.tickets_list(get_all_pages=True)),
    create=create,
    upload=upload,
    export=export,
    query=by_search,
    job=job,
)
