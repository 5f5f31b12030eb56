"""Stand-in for Route 53: the TXT record that names the active Region, which follows the routing controls.

On AWS these are two failover records, each with a health check of the type RECOVERY_CONTROL. When both controls are
Off, Route 53 answers with the primary record, whatever its health: it fails open. So does this, and that is one reason
why nothing in Baton takes the record for permission; the other is that a resolver may cache it for its whole TTL.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, override

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from baton_local.stand_ins.gates import HOST

_log = logging.getLogger(__name__)

TTL_SECONDS: Final = 60


class TxtServer(asyncio.DatagramProtocol):
    """Answers for one name, over UDP."""

    def __init__(self, name: str, text: Callable[[], str]) -> None:
        """Take the name of the record, and what gives its text at the moment of a question."""
        self._name = dns.name.from_text(name)
        self._text = text
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self, port: int, *, listens_on: str = HOST) -> asyncio.DatagramTransport:
        """Listen on this port, of this machine alone unless told otherwise; close what is returned to stop."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(listens_on, port))
        return transport

    @override
    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            query = dns.message.from_wire(data)
            answer = self._answer(query)
        except dns.exception.DNSException as error:
            _log.warning("dns_query_dropped from %s: %s", addr, error)
            return
        if self._transport:
            self._transport.sendto(answer.to_wire(), addr)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA
        for question in query.question:
            if question.name != self._name:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            elif question.rdtype in {dns.rdatatype.TXT, dns.rdatatype.ANY}:
                record = (question.name, TTL_SECONDS, dns.rdataclass.IN, dns.rdatatype.TXT, f'"{self._text()}"')
                answer.answer.append(dns.rrset.from_text(*record))
        return answer
