"""The local inbox as a web page: every mail that was sent, newest first, shown as a mail client would show it.

A mail is foreign HTML: it is shown in a sandbox, and the page itself runs no script and loads nothing.
"""

from functools import partial
from typing import Any, Final

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from baton.shown import shown
from baton_local.stand_ins.mailbox import Mailbox

_LISTED_MAX: Final = 200
"""Newer mails that the list shows: it is sent anew every few seconds."""
_HEADERS: Final = {
    # Holds for the mails as well, which inherit it: no picture of theirs tells anybody that they were read.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_TEMPLATES: Final = Environment(
    loader=PackageLoader("baton_local.stand_ins"),
    undefined=StrictUndefined,
    auto_reload=False,  # they are part of the package
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["shown"] = partial(shown, most=None)


def routes(mailbox: Mailbox) -> list[web.RouteDef]:
    """Return the pages `/` and `/mails/{number}`, for any application."""

    async def inbox(_: web.Request) -> web.Response:
        newest = mailbox.mails[::-1][:_LISTED_MAX]
        return _answer("inbox.html.j2", newest=newest, older=len(mailbox.mails) - len(newest))

    async def one(request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        found = [mail for mail in mailbox.mails if mail.number == number]
        if not found:
            raise web.HTTPNotFound(text=f"no mail {number}; the oldest ones go first")
        return _answer("mail.html.j2", mail=found[0])

    return [web.get("/", inbox), web.get(r"/mails/{number:\d{1,9}}", one)]


def _answer(template: str, **values: Any) -> web.Response:
    page = _TEMPLATES.get_template(template).render(values)
    return web.Response(text=page, content_type="text/html", headers=_HEADERS)
