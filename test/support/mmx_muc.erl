%% What people do in rooms.
-module(mmx_muc).

-export([join/3, join/4, try_join/3, try_join/4, ask/3, ask/4, entered/2, answered/2]).
-export([enter/2, settle/2, leave/2, removed/3, nick/2, rename/3]).
-export([say/3, told/4, whisper/4, subject/3, hears/3, marker/3, until_marker/3, seen/2]).
-export([set_role/4, set_affiliation/4, configure/3, destroy/2]).

-include_lib("fast_xml/include/fxml.hrl").

-import(mmx_stanza, [el/2, el/3, presence/3, message/3, iq/3, from/1, bare/1, type/1]).

-define(NS_MUC, <<"http://jabber.org/protocol/muc">>).
-define(NS_MUC_ADMIN, <<"http://jabber.org/protocol/muc#admin">>).
-define(NS_MUC_OWNER, <<"http://jabber.org/protocol/muc#owner">>).

-type join_options() :: #{
    history => [{atom(), iodata() | integer()}],
    password => binary(),
    id => binary(),
    extra => [#xmlel{}]
}.

%% Joins, and gives all that the room sent up to its subject, which ends a join.
-spec join(mmx_client:client(), binary(), binary()) -> [#xmlel{}, ...].
join(Client, Room, Nick) ->
    join(Client, Room, Nick, #{}).

-spec join(mmx_client:client(), binary(), binary(), join_options()) -> [#xmlel{}, ...].
join(Client, Room, Nick, Options) ->
    ok = ask(Client, Room, Nick, Options),
    entered(Client, Room).

-spec try_join(mmx_client:client(), binary(), binary()) -> {ok, [#xmlel{}, ...]} | {error, #xmlel{}}.
try_join(Client, Room, Nick) ->
    try_join(Client, Room, Nick, #{}).

-spec try_join(mmx_client:client(), binary(), binary(), join_options()) ->
    {ok, [#xmlel{}, ...]} | {error, #xmlel{}}.
try_join(Client, Room, Nick, Options) ->
    ok = ask(Client, Room, Nick, Options),
    answered(Client, Room).

%% Asks to join, and does not wait for what the room says.
-spec ask(mmx_client:client(), binary(), binary()) -> ok.
ask(Client, Room, Nick) ->
    ask(Client, Room, Nick, #{}).

-spec ask(mmx_client:client(), binary(), binary(), join_options()) -> ok.
ask(Client, Room, Nick, Options) ->
    Children =
        [el(history, Limits) || #{history := Limits} <- [Options]] ++
            [el(password, [], [Password]) || #{password := Password} <- [Options]],
    Muc = el(x, [{xmlns, ?NS_MUC}], Children),
    Presence = presence(occupant(Room, Nick), available, [Muc | maps:get(extra, Options, [])]),
    Ids = [{<<"id">>, Id} || #{id := Id} <- [Options]],
    mmx_client:send(Client, Presence#xmlel{attrs = Ids ++ Presence#xmlel.attrs}).

%% All that the room sends to one who asked to join.
-spec entered(mmx_client:client(), binary()) -> [#xmlel{}, ...].
entered(Client, Room) ->
    case answered(Client, Room) of
        {ok, Stanzas} -> Stanzas;
        {error, Stanza} -> error({join_failed, mmx_stanza:to_text(Stanza)})
    end.

-spec answered(mmx_client:client(), binary()) -> {ok, [#xmlel{}, ...]} | {error, #xmlel{}}.
answered(Client, Room) ->
    Stanzas = until(Client, Room, fun(Stanza) -> mmx_stanza:is_subject(Stanza) orelse is_error(Stanza) end),
    Last = lists:last(Stanzas),
    case is_error(Last) of
        true -> {error, Last};
        false -> {ok, Stanzas}
    end.

is_error(#xmlel{name = <<"presence">>} = Presence) -> type(Presence) =:= <<"error">>;
is_error(_) -> false.

%% What the room sends up to what is waited for. What others send stays in the client's queue.
until(Client, Room, IsIt) ->
    OfRoom = fun(Stanza) -> bare(from(Stanza)) =:= Room end,
    Until = fun(Queue) ->
        case lists:splitwith(fun(Stanza) -> not (OfRoom(Stanza) andalso IsIt(Stanza)) end, Queue) of
            {_, []} ->
                more;
            {Before, [It | Rest]} ->
                {Ours, Others} = lists:partition(OfRoom, Before),
                {Ours ++ [It], Others ++ Rest}
        end
    end,
    mmx_client:take_with(Client, Until, 10_000).

%% One after the other joins, and then nobody has anything left to read.
-spec enter(binary(), [{mmx_client:client(), binary()}]) -> ok.
enter(Room, People) ->
    [join(Client, Room, Nick) || {Client, Nick} <- People],
    settle(Room, [Client || {Client, _} <- People]).

%% What the room has told them so far is read. One may hear of it before another does, so each asks the room.
-spec settle(binary(), [mmx_client:client()]) -> ok.
settle(Room, Clients) ->
    lists:foreach(fun(Client) -> mmx_client:sync(Client, Room) end, Clients).

%% Leaves, and gives the room's confirmation.
-spec leave(mmx_client:client(), binary()) -> #xmlel{}.
leave(Client, Room) ->
    Nick = nick(Client, Room),
    mmx_client:send(Client, presence(occupant(Room, Nick), unavailable, [])),
    removed(Client, Room, Nick).

%% The presence by which the room says that this occupant is out. Self-presences of a removal are not
%% marked as such by every room.
-spec removed(mmx_client:client(), binary(), binary()) -> #xmlel{}.
removed(Client, Room, Nick) ->
    Out = fun(Stanza) -> type(Stanza) =:= <<"unavailable">> andalso from(Stanza) =:= occupant(Room, Nick) end,
    lists:last(until(Client, Room, Out)).

%% The nick that the room has confirmed.
-spec nick(mmx_client:client(), binary()) -> binary().
nick(Client, Room) ->
    <<_, _/binary>> = mmx_client:nick_in(Client, Room).

%% Takes another nick, and gives the presence under the new one.
-spec rename(mmx_client:client(), binary(), binary()) -> #xmlel{}.
rename(Client, Room, Nick) ->
    mmx_client:send(Client, presence(occupant(Room, Nick), available, [])),
    Renamed = fun(Stanza) -> mmx_stanza:is_self_presence(Stanza) andalso from(Stanza) =:= occupant(Room, Nick) end,
    lists:last(until(Client, Room, fun(Stanza) -> Renamed(Stanza) orelse is_error(Stanza) end)).

-spec say(mmx_client:client(), binary(), binary()) -> ok.
say(Client, Room, Text) ->
    mmx_client:send(Client, message(Room, groupchat, [el(body, [], [Text])])).

%% Says this, which is the next that everybody hears.
-spec told(mmx_client:client(), binary(), binary(), [mmx_client:client()]) -> ok.
told(Client, Room, Text, Everybody) ->
    ok = say(Client, Room, Text),
    From = occupant(Room, nick(Client, Room)),
    lists:foreach(fun(Listener) -> hears(Listener, From, Text) end, Everybody).

-spec whisper(mmx_client:client(), binary(), binary(), binary()) -> ok.
whisper(Client, Room, Nick, Text) ->
    mmx_client:send(Client, message(occupant(Room, Nick), chat, [el(body, [], [Text])])).

-spec subject(mmx_client:client(), binary(), binary()) -> ok.
subject(Client, Room, Subject) ->
    mmx_client:send(Client, message(Room, groupchat, [el(subject, [], [Subject])])).

%% The next stanza is a message that says this, from this occupant or room.
-spec hears(mmx_client:client(), binary(), binary()) -> #xmlel{}.
hears(Client, From, Text) ->
    Message = mmx_client:recv(Client),
    case {Message#xmlel.name, from(Message), mmx_stanza:body(Message)} of
        {<<"message">>, From, Text} -> Message;
        _ -> error({expected, From, Text, instead_of, mmx_stanza:to_text(Message)})
    end.

%% Proves that the room has nothing more for a client: what another occupant says now comes next.
-spec marker(mmx_client:client(), mmx_client:client(), binary()) -> ok.
marker(Client, Other, Room) ->
    case until_marker(Client, Other, Room) of
        [] -> ok;
        Stanzas -> error({unexpected, mmx_client:jid(Client), mmx_stanza:to_text(Stanzas)})
    end.

%% What a client received before what the other occupant says now.
-spec until_marker(mmx_client:client(), mmx_client:client(), binary()) -> [#xmlel{}].
until_marker(Client, Other, Room) ->
    Text = <<"marker ", (mmx_stanza:unique())/binary>>,
    Marks = fun(Stanza) -> mmx_stanza:body(Stanza) =:= Text end,
    ok = say(Other, Room, Text),
    Before = lists:droplast(mmx_client:recv_until(Client, Marks)),
    _ = Client =:= Other orelse mmx_client:take(Other, Marks),
    Before.

%% What an occupant receives before what it says itself now: all that the room had for it.
-spec seen(mmx_client:client(), binary()) -> [#xmlel{}].
seen(Client, Room) ->
    until_marker(Client, Client, Room).

-spec set_role(mmx_client:client(), binary(), binary(), atom()) -> #xmlel{}.
set_role(Client, Room, Nick, Role) ->
    admin(Client, Room, [{nick, Nick}, {role, Role}]).

-spec set_affiliation(mmx_client:client(), binary(), binary(), atom()) -> #xmlel{}.
set_affiliation(Client, Room, Account, Affiliation) ->
    admin(Client, Room, [{jid, Account}, {affiliation, Affiliation}]).

admin(Client, Room, Attrs) ->
    Item = el(item, Attrs, [el(reason, [], [<<"a test">>])]),
    mmx_client:request(Client, iq(Room, set, [el(query, [{xmlns, ?NS_MUC_ADMIN}], [Item])])).

%% Sets the fields of a room's configuration, such as #{<<"muc#roomconfig_membersonly">> => <<"1">>}.
-spec configure(mmx_client:client(), binary(), #{binary() => binary()}) -> #xmlel{}.
configure(Client, Room, Fields) ->
    Type = {<<"FORM_TYPE">>, <<"http://jabber.org/protocol/muc#roomconfig">>},
    Form = [el(field, [{var, Var}], [el(value, [], [Value])]) || {Var, Value} <- [Type | maps:to_list(Fields)]],
    owner(Client, Room, el(x, [{xmlns, <<"jabber:x:data">>}, {type, submit}], Form)).

-spec destroy(mmx_client:client(), binary()) -> #xmlel{}.
destroy(Client, Room) ->
    owner(Client, Room, el(destroy, [])).

owner(Client, Room, Child) ->
    mmx_client:request(Client, iq(Room, set, [el(query, [{xmlns, ?NS_MUC_OWNER}], [Child])])).

occupant(Room, Nick) ->
    <<Room/binary, "/", Nick/binary>>.
