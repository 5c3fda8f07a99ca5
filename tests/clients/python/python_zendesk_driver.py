"""A script with python-zendesk, which is generated from Zendesk's description of its API."""

from importlib.metadata import version
from steps import EMAIL, MANY, TICKET, TOKEN, play, replaced

replaced(
    globals(),
    'username="any", password="any"',
    f'username="{EMAIL}/token", password="{TOKEN}"',
)


def cursor():
    ids = []
    page = zendesk.tickets.list_tickets(page_size=100)
    # Zendesk sends a cursor with the last page too, and the library would follow it forever.
    while page.result.tickets:
        ids += [ticket.id for ticket in page.result.tickets]
        page = page.next()
    return {"ids": ids}


def export():
    ids, cursor = [], None
    while True:
        page = zendesk.incremental_export.incremental_ticket_export_cursor(
            start_time=0, cursor=cursor
        )
        ids += [ticket.id for ticket in page.tickets]
        if page.end_of_stream:
            return {"ids": ids}
        cursor = page.after_cursor


def query():
    ids = []
    page = zendesk.search.export_search_results(query="*", filter_type="ticket", page_size=100)
    while page.result.results:
        ids += [ticket.id for ticket in page.result.results]
        page = page.next()
    return {"ids": ids}


def create():
    made = zendesk.tickets.create_ticket(request={"ticket": TICKET})
    return {"id": made.result.ticket.id if hasattr(made, "result") else made.ticket.id}


def job():
    status = zendesk.tickets.tickets_create_many(request=MANY).job_status
    while status.status != "completed":
        status = zendesk.job_statuses.show_job_status(job_status_id=status.id).job_status
    return {"results": len(status.results)}


play(
    version("python-zendesk"),
    me=lambda: {"id": zendesk.users.show_current_user().user.id},
    cursor=cursor,
    create=create,
    export=export,
    query=query,
    job=job,
)
