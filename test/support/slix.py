"""A slixmpp client that is driven by JSON lines on its standard input and tells what it sees on its output."""

import asyncio
import json
import logging
import os
import sys

import slixmpp

# What goes wrong is told as an event.
logging.disable(logging.CRITICAL)


def tell(event, **details):
    try:
        print(json.dumps({"event": event, **details}), flush=True)
    except BrokenPipeError:
        os._exit(1)


class Client(slixmpp.ClientXMPP):
    def __init__(self, jid, password):
        super().__init__(jid, password)
        for plugin in ("xep_0030", "xep_0045", "xep_0198", "xep_0199", "xep_0313", "xep_0410"):
            self.register_plugin(plugin)
        # The server of the tests speaks plain TCP.
        self.enable_starttls = self.enable_direct_tls = False
        self.enable_plaintext = True
        self["feature_mechanisms"].unencrypted_plain = True
        self.add_event_handler("session_start", self.started)
        self.add_event_handler("failed_auth", lambda _: tell("failed", reason="authentication"))
        self.add_event_handler("disconnected", lambda _: tell("disconnected"))
        self.add_event_handler("groupchat_message", self.heard)
        self.add_event_handler("message", self.whispered)
        self.add_event_handler("groupchat_presence", self.moved)

    async def started(self, _):
        self.send_presence()
        tell("connected", jid=self.boundjid.full)

    def heard(self, message):
        tell("heard", room=message["from"].bare, nick=message["from"].resource, body=message["body"])

    def whispered(self, message):
        if message["type"] == "chat":
            tell("whispered", sender=message["from"].full, body=message["body"])

    def moved(self, presence):
        item = presence["muc"]
        tell(
            "presence",
            room=presence["from"].bare,
            nick=presence["from"].resource,
            type=presence["type"],
            role=item["role"],
            affiliation=item["affiliation"],
            codes=sorted(item["status_codes"]),
        )

    async def do_join(self, room, nick):
        try:
            _, subject, _, delayed = await self["xep_0045"].join_muc_wait(slixmpp.JID(room), nick, timeout=20)
        except slixmpp.exceptions.PresenceError as error:
            tell("refused", room=room, condition=error.condition)
        else:
            history = [[message["from"].resource, message["body"]] for message in delayed]
            tell("joined", room=room, subject=subject["subject"], history=history)

    async def do_leave(self, room, nick):
        self["xep_0045"].leave_muc(slixmpp.JID(room), nick)

    async def do_nick(self, room, nick):
        await self["xep_0045"].set_self_nick(slixmpp.JID(room), nick, timeout=20)
        tell("renamed", room=room, nick=nick)

    async def do_say(self, room, text):
        self.send_message(mto=slixmpp.JID(room), mbody=text, mtype="groupchat")

    async def do_whisper(self, to, text):
        self.send_message(mto=slixmpp.JID(to), mbody=text, mtype="chat")

    async def do_occupants(self, room):
        tell("occupants", room=room, nicks=sorted(self["xep_0045"].get_roster(slixmpp.JID(room))))

    async def do_ping(self, to):
        try:
            await self["xep_0199"].send_ping(slixmpp.JID(to), timeout=20)
        except slixmpp.exceptions.IqError as error:
            tell("pinged", to=to, condition=error.condition)
        else:
            tell("pinged", to=to, condition=None)

    async def do_self_ping(self, occupant):
        status = await self["xep_0410"].send_self_ping(slixmpp.JID(occupant), timeout=20)
        tell("self_pinged", occupant=occupant, status=status.name)

    async def do_archive(self, room, amount):
        """All of a room's archive, in pages of this size."""
        found = []
        async for message in self["xep_0313"].iterate(slixmpp.JID(room), rsm={"max": amount}):
            forwarded = message["mam_result"]["forwarded"]["stanza"]
            found.append([forwarded["from"].resource, forwarded["body"], message["to"].full])
        tell("archive", room=room, found=found)


    async def do_own_archive(self, amount, start):
        """All of the own archive since then with groupchat, in pages of this size, forwards and backwards."""
        plugin = self["xep_0313"]
        fields = await plugin.get_fields()
        plain = plugin._pre_mam_retrieve

        def with_groupchat(*args):
            iq, mask = plain(*args)
            iq["mam"].set_custom_field("include-groupchat", "true")
            return iq, mask

        plugin._pre_mam_retrieve = with_groupchat
        start = slixmpp.plugins.xep_0082.parse(start)
        found = {}
        for way, reverse in (("forwards", False), ("backwards", True)):
            pages = plugin.iterate(slixmpp.JID(self.boundjid.bare), start=start, reverse=reverse, rsm={"max": amount})
            messages = [message["mam_result"]["forwarded"]["stanza"] async for message in pages]
            found[way] = [[message["type"], message["body"]] for message in messages]
        tell("own_archive", fields=sorted(fields.get_fields()), **found)


async def run(command):
    try:
        await command
    except Exception as error:
        tell("broken", error=repr(error))


async def serve(client):
    running = set()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command = json.loads(line)
        action = command.pop("do")
        if action == "quit":
            await client.disconnect()
            return
        running.add(task := asyncio.ensure_future(run(getattr(client, "do_" + action)(**command))))
        task.add_done_callback(running.discard)


async def main():
    host, port, jid, password = sys.argv[1:]
    client = Client(jid, password)
    client.connect(host, int(port))
    await serve(client)


asyncio.run(main())
