%% What people send in scripted conversations; see mmx_conversation for the words that are filled in.
-module(mmx_script).
-compile({no_auto_import, [error/2]}).

-export([join/1, join/2, leave/1, show/2, nick/1, say/1, subject/1, message/3, chat/2, whisper/2]).
-export([iq/3, query/3, ping/1, info/1, items/1]).
-export([error/2, role/2, affiliation/2, admin/1, roles/1, affiliations/1, configure/1, instant/0, destroy/1, form/2]).
-export([open_room/0, room_with/1, both/0, everybody/0]).

-type text() :: iodata().
-type steps() :: [mmx_conversation:step()].

-spec join(text()) -> text().
join(Nick) ->
    join(Nick, "").

-spec join(text(), text()) -> text().
join(Nick, Inside) ->
    show(Nick, ["<x xmlns='http://jabber.org/protocol/muc'>", Inside, "</x>"]).

-spec leave(text()) -> text().
leave(Nick) ->
    ["<presence type='unavailable' to='$room/", Nick, "'/>"].

-spec show(text(), text()) -> text().
show(Nick, Inside) ->
    ["<presence to='$room/", Nick, "'>", Inside, "</presence>"].

-spec nick(text()) -> text().
nick(Nick) ->
    show(Nick, "").

-spec say(text()) -> text().
say(Text) ->
    message("$room", "groupchat", ["<body>", Text, "</body>"]).

-spec subject(text()) -> text().
subject(Text) ->
    message("$room", "groupchat", ["<subject>", Text, "</subject>"]).

-spec message(text(), text(), text()) -> text().
message(To, Type, Inside) ->
    ["<message to='", To, "' type='", Type, "'>", Inside, "</message>"].

-spec chat(text(), text()) -> text().
chat(Nick, Inside) ->
    message(["$room/", Nick], "chat", Inside).

-spec whisper(text(), text()) -> text().
whisper(Nick, Text) ->
    chat(Nick, ["<body>", Text, "</body><x xmlns='http://jabber.org/protocol/muc#user'/>"]).

-spec iq(text(), text(), text()) -> text().
iq(To, Type, Inside) ->
    ["<iq to='", To, "' type='", Type, "'>", Inside, "</iq>"].

-spec query(text(), text(), text()) -> text().
query(To, Type, Namespace) ->
    iq(To, Type, ["<query xmlns='", Namespace, "'/>"]).

-spec ping(text()) -> text().
ping(Nick) ->
    iq(["$room/", Nick], "get", "<ping xmlns='urn:xmpp:ping'/>").

-spec info(text()) -> text().
info(To) ->
    query(To, "get", "http://jabber.org/protocol/disco#info").

-spec items(text()) -> text().
items(To) ->
    query(To, "get", "http://jabber.org/protocol/disco#items").

-spec error(text(), text()) -> text().
error(Type, Condition) ->
    ["<error type='", Type, "'><", Condition, " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"].

-spec role(text(), text()) -> text().
role(Nick, Role) ->
    admin(["<item nick='", Nick, "' role='", Role, "'><reason>so it is</reason></item>"]).

-spec affiliation(text(), text()) -> text().
affiliation(Account, Affiliation) ->
    admin(["<item jid='", Account, "' affiliation='", Affiliation, "'><reason>so it is</reason></item>"]).

-spec admin(text()) -> text().
admin(Items) ->
    iq("$room", "set", ["<query xmlns='http://jabber.org/protocol/muc#admin'>", Items, "</query>"]).

-spec roles(text()) -> text().
roles(Role) ->
    listed(["role='", Role, "'"]).

-spec affiliations(text()) -> text().
affiliations(Affiliation) ->
    listed(["affiliation='", Affiliation, "'"]).

listed(Which) ->
    iq("$room", "get", ["<query xmlns='http://jabber.org/protocol/muc#admin'><item ", Which, "/></query>"]).

%% The options are named without muc#roomconfig_; some are ejabberd's own.
-spec configure([{text(), text()}]) -> text().
configure(Options) ->
    owner(form("http://jabber.org/protocol/muc#roomconfig", [{option(Name), Value} || {Name, Value} <- Options])).

option(Name) ->
    case Name =:= "mam" orelse lists:member($_, Name) of
        true -> Name;
        false -> ["muc#roomconfig_", Name]
    end.

-spec instant() -> text().
instant() ->
    owner("<x xmlns='jabber:x:data' type='submit'/>").

-spec destroy(text()) -> text().
destroy(Inside) ->
    owner(["<destroy", Inside]).

owner(Inside) ->
    iq("$room", "set", ["<query xmlns='http://jabber.org/protocol/muc#owner'>", Inside, "</query>"]).

-spec form(text(), [{text(), text()}]) -> text().
form(Type, Fields) ->
    [
        "<x xmlns='jabber:x:data' type='submit'>",
        [
            ["<field var='", Var, "'><value>", Value, "</value></field>"]
         || {Var, Value} <- [{"FORM_TYPE", Type} | Fields]
        ],
        "</x>"
    ].

%% bob is in a new room, which is his.
-spec open_room() -> steps().
open_room() ->
    [{bob, join("bob")}, {bob, {done, instant()}}].

-spec room_with([{text(), text()}]) -> steps().
room_with(Options) ->
    [{bob, join("bob")}, {bob, {done, configure(Options)}}].

%% bob in his room, and alice.
-spec both() -> steps().
both() ->
    open_room() ++ [{phone, join("alice")}].

-spec everybody() -> steps().
everybody() ->
    both() ++ [{carol, join("carol")}].
