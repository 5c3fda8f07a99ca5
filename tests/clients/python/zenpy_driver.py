"""An unchanged script with Zenpy: two environment variables point it at loopdesk."""

from importlib.metadata import version
from zenpy import Zenpy
from zenpy.lib.api_objects import Comment, Ticket
from steps import CREDENTIAL, EMAIL, FILE, SUBJECT, TOKEN, play, sha256

if CREDENTIAL == "basic":
    zendesk = Zenpy(subdomain="acme", email=EMAIL, token=TOKEN)
else:
    zendesk = Zenpy(subdomain="acme", oauth_token=TOKEN)
uploaded = {}


def ids(tickets):
    return {"ids": [ticket.id for ticket in tickets]}


def create():
    audit = zendesk.tickets.create(Ticket(subject=SUBJECT, description="Unmodified"))
    return {"id": audit.ticket.id}


def upload():
    upload = zendesk.attachments.upload(FILE, target_name="image.png", content_type="image/png")
    uploaded["attachment"] = upload.attachment
    return {"token": upload.token}


def download():
    path = FILE + ".back"
    zendesk.attachments.download(uploaded["attachment"].id, path)
    with open(path, "rb") as file:
        return {"sha256": sha256(file.read())}


def job():
    tickets = [Ticket(subject=SUBJECT, comment=Comment(body=f"{n}")) for n in range(2)]
    status = zendesk.tickets.create(tickets)
    while status.status != "completed":
        status = zendesk.job_status(id=status.id)
    return {"results": len(status.results)}


play(
    version("zenpy"),
    me=lambda: {"id": zendesk.users.me().id},
    offset=lambda: ids(zendesk.tickets(cursor_pagination=False)),
    cursor=lambda: ids(zendesk.tickets(cursor_pagination=100)),
    create=create,
    upload=upload,
    download=download,
    export=lambda: ids(
        zendesk.tickets.incremental(start_time=0, paginate_by_time=False, per_page=100)
    ),
    query=lambda: ids(zendesk.search_export(type="ticket")),
    job=job,
)
