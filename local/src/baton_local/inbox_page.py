"""The local inbox as a web page: every mail that left the world, newest first, and each as its reader would see it.

A mail is somebody else's HTML: it is shown in a sandbox, and the page itself runs no script and loads nothing.
"""

from collections.abc import Sequence
from html import escape
from typing import Final

from aiohttp import web

from baton.shown import shown
from baton_local.mailbox import Mail, Mailbox

_LISTED_MAX: Final = 200
"""Newer mails that the list shows: it is sent anew every few seconds."""
_REFRESH_SECONDS: Final = 5
_SANDBOX: Final = "allow-popups allow-popups-to-escape-sandbox allow-downloads"
"""A link of a mail opens in a tab of its own, which is a page like any other; the mail itself may do nothing. Browsers
hold the mail's sandbox against what such a tab downloads, and nearly every link here is a download."""
_NEW_TAB: Final = '<base target="_blank">'
_HEADERS: Final = {
    # Holds for the mails as well, which inherit it: no picture of theirs tells anybody that they were read.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_STYLE: Final = """
:root { color-scheme: light dark }
body { margin: 0 auto; padding: 1rem; max-width: 48rem; font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.25rem }
ol { margin: 0; padding: 0; list-style: none }
li { border-top: 1px solid #8886 }
li a { display: block; padding: .75rem 0; color: inherit; text-decoration: none }
li a:hover strong { text-decoration: underline }
strong { display: block }
small, dt { color: #777 }
dl { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1rem }
dd { margin: 0 }
iframe { width: 100%; height: 70vh; border: 1px solid #8886; border-radius: 6px; background: #fff; color-scheme: light }
pre { white-space: pre-wrap; unicode-bidi: plaintext; border-top: 1px solid #8886; padding-top: 1rem }
"""


def routes(mailbox: Mailbox) -> list[web.RouteDef]:
    """Return the pages `/` and `/mails/{number}`, for any application."""

    async def inbox(_: web.Request) -> web.Response:
        return _answer(_inbox(mailbox.mails))

    async def one(request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        found = [mail for mail in mailbox.mails if mail.number == number]
        if not found:
            raise web.HTTPNotFound(text=f"no mail {number}; the oldest ones go first")
        return _answer(_mail(found[0]))

    return [web.get("/", inbox), web.get(r"/mails/{number:\d{1,9}}", one)]


def _answer(page: str) -> web.Response:
    return web.Response(text=page, content_type="text/html", headers=_HEADERS)


def _inbox(mails: Sequence[Mail]) -> str:
    newest = mails[::-1][:_LISTED_MAX]
    items = "".join(
        f'<li><a href="/mails/{mail.number}"><strong>{_line(mail.subject)}</strong>'
        f"<small>{_time(mail)} · {_line(_to(mail))}</small></a></li>\n"
        for mail in newest
    )
    older = len(mails) - len(newest)
    return _page(
        f"Inbox ({len(mails)})",
        f"<ol>\n{items}</ol>\n" if newest else "<p>No mail yet. This page looks again by itself.</p>\n",
        f"<p><small>and {older:,} older ones: <code>baton inbox</code></small></p>\n" if older else "",
        refresh=True,
    )


def _mail(mail: Mail) -> str:
    facts = {"From": _line(mail.sender), "To": _line(_to(mail)), "Received": _time(mail)}
    text = "".join(f"{escape(shown(line, most=None))}\n" for line in mail.text.splitlines())
    frame = f'<iframe title="The mail" sandbox="{_SANDBOX}" srcdoc="{escape(_NEW_TAB + mail.html)}"></iframe>\n'
    return _page(
        shown(mail.subject, most=None),
        '<p><a href="/">All mails</a></p>\n',
        "<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items()) + "</dl>\n",
        frame if mail.html else "",
        f"<pre>{text}</pre>\n" if text else "",
    )


def _page(title: str, *parts: str, refresh: bool = False) -> str:
    """Return a whole page; `parts` are HTML, the title is text."""
    again = f'<meta http-equiv="refresh" content="{_REFRESH_SECONDS}">\n' if refresh else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{again}<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{''.join(parts)}</body>\n</html>\n"
    )


def _line(text: str) -> str:
    return f"<bdi>{escape(shown(text, most=None))}</bdi>"


def _to(mail: Mail) -> str:
    return ", ".join(mail.recipients)


def _time(mail: Mail) -> str:
    return f'<time datetime="{mail.received_at.isoformat()}">{mail.received_at:%Y-%m-%d %H:%M:%S} UTC</time>'
