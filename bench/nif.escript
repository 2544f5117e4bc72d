#!/usr/bin/env escript
%% What a call into the core costs on the BEAM: medians of five runs, microseconds for each call.
%% Usage: bench/nif.escript   (after make)
-mode(compile).

main(_) ->
    Root = filename:dirname(filename:dirname(filename:absname(escript:script_name()))),
    true = code:add_patha(filename:join(Root, "_build/default/lib/mod_minimix/ebin")),
    io:format("~-44ts ~10ts ~10ts~n", ["", "median", "worst run"]),
    [row("a groupchat message to " ++ integer_to_list(N) ++ " session(s)", fork(N)) || N <- [1, 4, 16]],
    row("a presence among 1,000 occupants", presence(1_000)),
    [row("attach to " ++ integer_to_list(N) ++ " occupants, call", attach(N)) || N <- [100, 1_000, 10_000]],
    row("one chunk of a replay (32 stanzas)", chunk()).

row(What, Fun) ->
    Runs = lists:sort([Fun() || _ <- lists:seq(1, 5)]),
    io:format("~-44ts ~10.2f ~10.2f~n", [What, lists:nth(3, Runs), lists:last(Runs)]).

fork(Sessions) ->
    Core = joined(Sessions, 100),
    Message = message(),
    fun() -> each(20_000, fun() -> from_room(Core, <<"bob">>, Message) end) end.

presence(Occupants) ->
    Core = joined(1, Occupants),
    Presence = presence(<<"n00005">>, []),
    fun() -> each(20_000, fun() -> from_room(Core, <<"n00005">>, Presence) end) end.

attach(Occupants) ->
    Core = joined(1, Occupants),
    fun() -> each(200, fun() -> join(Core, <<"second">>) end) end.

chunk() ->
    Core = joined(1, 10_000),
    fun() ->
        [{replay, _, Rest}] = [Effect || {replay, _, _} = Effect <- join(Core, <<"second">>)],
        each(200, fun() -> minimix_nif:replay_next(Rest) end)
    end.

each(Count, Fun) ->
    {Time, ok} = timer:tc(fun() -> times(Count, Fun) end),
    Time / Count.

times(0, _Fun) -> ok;
times(Count, Fun) -> Fun(), times(Count - 1, Fun).

joined(Sessions, Occupants) ->
    Core = minimix_nif:new(#{'__struct__' => 'Config', nick => assign, occupant_address => bare, leave => auto, offline_presence => xa,
                             offline_delay => 1, detached_ttl => 86_400_000,
                             ping_interval => 900_000, history_size => 50, join_timeout => 60_000, max_rooms => 200,
                             max_occupants => 20_000}),
    _ = join(Core, <<"first">>),
    [from_room(Core, Nick, presence(Nick, [])) || N <- lists:seq(1, Occupants), Nick <- [nick(N)]],
    _ = from_room(Core, <<"alice">>, presence(<<"alice">>, [{xmlel, <<"status">>, [{<<"code">>, <<"110">>}], []}])),
    _ = from_room(Core, none, {xmlel, <<"message">>, [{<<"from">>, <<"room@rooms.example">>}, {<<"type">>, <<"groupchat">>}],
                               [{xmlel, <<"subject">>, [], []}]}),
    [attach_from_other_process(Core, N) || N <- lists:seq(1, Sessions)],
    Core.

attach_from_other_process(Core, N) ->
    Pid = spawn(fun() -> receive stop -> ok end end),
    Input = {session, Pid, integer_to_binary(N), <<"alice">>, join_presence()},
    minimix_nif:handle(Core, <<"alice@home.example">>, <<"room@rooms.example">>, Input, 1_000).

join(Core, Resource) ->
    Input = {session, self(), Resource, <<"alice">>, join_presence()},
    minimix_nif:handle(Core, <<"alice@home.example">>, <<"room@rooms.example">>, Input, 1_000).

from_room(Core, Nick, Stanza) ->
    minimix_nif:handle(Core, <<"alice@home.example">>, <<"room@rooms.example">>, {room, Nick, Stanza, none}, 1_000).

nick(N) ->
    iolist_to_binary(io_lib:format("n~5..0B", [N])).

join_presence() ->
    {xmlel, <<"presence">>, [{<<"xmlns">>, <<"jabber:client">>}],
     [{xmlel, <<"x">>, [{<<"xmlns">>, <<"http://jabber.org/protocol/muc">>}], []}]}.

presence(Nick, Codes) ->
    {xmlel, <<"presence">>, [{<<"from">>, <<"room@rooms.example/", Nick/binary>>}, {<<"xml:lang">>, <<"en">>}],
     [{xmlel, <<"c">>, [{<<"xmlns">>, <<"http://jabber.org/protocol/caps">>}, {<<"hash">>, <<"sha-1">>},
                        {<<"node">>, <<"https://client.example">>}, {<<"ver">>, <<"kvoNqpbXrzVmlUiGyPX31ba5gZI=">>}], []},
      {xmlel, <<"x">>, [{<<"xmlns">>, <<"http://jabber.org/protocol/muc#user">>}],
       [{xmlel, <<"item">>, [{<<"affiliation">>, <<"member">>}, {<<"role">>, <<"participant">>}], []} | Codes]}]}.

message() ->
    {xmlel, <<"message">>, [{<<"from">>, <<"room@rooms.example/bob">>}, {<<"type">>, <<"groupchat">>},
                            {<<"id">>, <<"d8e1b5e2-6f4c-4c5b-9a55-0d6a4f1d2c11">>}, {<<"xml:lang">>, <<"en">>}],
     [{xmlel, <<"stanza-id">>, [{<<"xmlns">>, <<"urn:xmpp:sid:0">>}, {<<"by">>, <<"room@rooms.example">>}, {<<"id">>, <<"1795401088001729">>}], []},
      {xmlel, <<"occupant-id">>, [{<<"xmlns">>, <<"urn:xmpp:occupant-id:0">>}, {<<"id">>, <<"dd72603deec90a38ba552f7c68cbcc61bca202cd">>}], []},
      {xmlel, <<"active">>, [{<<"xmlns">>, <<"http://jabber.org/protocol/chatstates">>}], []},
      {xmlel, <<"body">>, [], [{xmlcdata, <<"Shall I compare thee to a summer's day? Thou art more lovely and more temperate.">>}]}]}.
