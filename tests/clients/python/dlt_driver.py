"""A pipeline's source with dlt's REST client."""

from importlib.metadata import version
from steps import CREDENTIAL, EMAIL, MANY, TICKET, TOKEN, play, printed
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth, HttpBasicAuth
from dlt.sources.helpers.rest_client.paginators import HeaderLinkPaginator, JSONLinkPaginator

printed(globals())
zendesk.auth = (
    HttpBasicAuth(f"{EMAIL}/token", TOKEN) if CREDENTIAL == "basic" else BearerTokenAuth(TOKEN)
)


class ExportPaginator(JSONLinkPaginator):
    """dlt's own paginator, told where Zendesk's export ends as dlt's documentation shows."""

    def update_state(self, response, data=None):
        super().update_state(response, data)
        if response.json()["end_of_stream"]:
            self._has_next_page = False


def ids(path, params, paginator, key="tickets"):
    pages = zendesk.paginate(path, params=params, paginator=paginator, data_selector=key)
    return {"ids": [record["id"] for page in pages for record in page]}


def job():
    status = zendesk.post("tickets/create_many.json", json=MANY).json()["job_status"]
    while status["status"] != "completed":
        status = zendesk.get(status["url"]).json()["job_status"]
    return {"results": len(status["results"])}


def create():
    answer = zendesk.post("tickets.json", json={"ticket": TICKET})
    answer.raise_for_status()
    return {"id": answer.json()["ticket"]["id"]}


play(
    version("dlt"),
    me=lambda: {"id": zendesk.get("users/me.json").json()["user"]["id"]},
    offset=lambda: ids("tickets.json", {}, JSONLinkPaginator("next_page")),
    cursor=lambda: ids("tickets.json", {"page[size]": 100}, JSONLinkPaginator("links.next")),
    query=lambda: ids(
        "search/export.json",
        {"query": "*", "filter[type]": "ticket", "page[size]": 100},
        JSONLinkPaginator("links.next"),
        "results",
    ),
    link=lambda: ids(
        "help_center/articles.json", {"page[size]": 15}, HeaderLinkPaginator(), "articles"
    ),
    create=create,
    export=lambda: ids(
        "incremental/tickets/cursor.json",
        {"start_time": 0, "per_page": 100},
        ExportPaginator("after_url"),
    ),
    job=job,
)
