"""A script with libzapi."""

from importlib.metadata import version
from steps import CREDENTIAL, SUBJECT, TOKEN, play, printed, replaced

if CREDENTIAL == "basic":
    printed(globals())
else:
    replaced(globals(), 'email="any", api_token="any"', f'oauth_token="{TOKEN}"')

play(
    version("libzapi"),
    me=lambda: {"id": zendesk.tickets.get(1).id},
    offset=lambda: {"users": [user.id for user in zendesk.users.list_all()]},
    create=lambda: {"id": zendesk.tickets.create(SUBJECT, "Unmodified").id},
)
