%% What the module does, shown with real clients, or a server for clients of one's own.
-module(mmx_demo).

-export([demo/0, run/0]).

-import(mmx_client, [connect/2, jid/1]).
-import(mmx_muc, [join/3, leave/2, say/3, hears/3]).

-spec demo() -> ok.
demo() ->
    [show(Title, Minimix) || {Title, Minimix} <- [{"Plain rooms", none}, {"With mod_minimix", #{}}]],
    ok.

show(Title, Minimix) ->
    Server = mmx_server:start(#{minimix => Minimix}),
    Room = mmx_server:fresh_room(Server),
    io:format("~n~ts, ejabberd ~ts~n", [Title, mmx_server:version(Server)]),

    Bob = connect(Server, "bob/desk"),
    join(Bob, Room, <<"bob">>),
    [Phone, Laptop] = [connect(Server, ["alice/", Device]) || Device <- ["phone", "laptop"]],
    join(Phone, Room, <<"alice">>),
    join(Laptop, Room, <<"alice">>),
    mmx_client:drain(Phone),
    tell("Alice joins with her phone and her laptop. The room sees", occupants(Server, Room)),
    tell("  of which Bob was told in stanzas", length(mmx_client:sync(Bob, Room))),

    say(Bob, Room, <<"Hello, both of you!">>),
    [hears(Client, <<Room/binary, "/bob">>, <<"Hello, both of you!">>) || Client <- [Phone, Laptop]],
    mmx_client:drain(Bob),
    tell("Bob says hello, and it is heard by", [jid(Phone), jid(Laptop)]),

    leave(Laptop, Room),
    tell("The laptop leaves. The room sees", occupants(Server, Room)),
    tell("  and Bob is told in stanzas", length(mmx_client:sync(Bob, Room))),

    mmx_client:going_offline(Phone),
    tell("The phone goes offline. The room sees", occupants(Server, Room)),
    tell("  and Bob is told in stanzas", length(mmx_client:sync(Bob, Room))),
    mmx_server:stop(Server).

occupants(Server, Room) ->
    [Jid || {_, Jid} <- mmx_server:room_occupants(Server, Room)].

tell(What, Number) when is_integer(Number) ->
    io:format("  ~ts: ~b~n", [What, Number]);
tell(What, Names) ->
    io:format("  ~ts: ~ts~n", [What, lists:join(", ", Names)]).

-spec run() -> no_return().
run() ->
    Server = mmx_server:start(#{minimix => #{}, pubsub => true, websocket => true}),
    [ok = mmx_server:register(Server, User) || User <- [<<"alice">>, <<"bob">>, <<"carol">>]],
    Host = mmx_server:host(Server),
    io:format("ejabberd ~ts with mod_minimix~n", [mmx_server:version(Server)]),
    io:format("  XMPP       127.0.0.1:~b, not encrypted~n", [mmx_server:port(Server)]),
    io:format("  WebSocket  ws://127.0.0.1:~b/ws~n", [mmx_server:http_port(Server)]),
    io:format("  accounts   alice, bob, carol @~ts, password ~ts~n", [Host, mmx_server:password()]),
    io:format("  rooms      anything@~ts~n", [mmx_server:rooms(Server)]),
    receive stop -> halt() end.
