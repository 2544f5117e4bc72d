%% The main job, shown: the same story on a server with the module and on one without, stanzas counted.
-module(mmx_demo).

-export([demo/0, run/0]).

-import(mmx_client, [connect/2, kill/1, sync/2]).
-import(mmx_muc, [join/3, leave/2, say/3, rename/3, removed/3, set_role/4]).

-type counts() :: {Sent :: non_neg_integer(), Copies :: non_neg_integer(), Seen :: non_neg_integer()}.

%% What the module must not exceed, step by step.
-define(NICK, <<"alice">>).

-spec demo() -> no_return().
demo() ->
    io:format("~nalice has a phone, a laptop and a web client. bob sits in the room.~n"
              "The same story on two servers, first with mod_minimix, then without.~n~n"),
    With = on_server(#{access => served}),
    Without = on_server(none),
    print(With, Without),
    case [Step || {Step, Counts, Limit} <- With, not within(Counts, Limit)] of
        [] ->
            io:format("~nAll counts hold. bob never saw a device of alice come, go or reconnect,~n"
                      "and the room sent each message to her server once.~n"),
            halt(0);
        Wrong ->
            io:format("~nThese counts do not hold: ~ts~n", [lists:join("; ", Wrong)]),
            halt(1)
    end.

%% A server that stays up for clients of the reader's own.
-spec run() -> no_return().
run() ->
    Server = mmx_server:start(#{minimix => #{}, websocket => true}),
    [ok = mmx_server:register(Server, User) || User <- [<<"alice">>, <<"bob">>]],
    io:format("ejabberd ~ts with mod_minimix is up.~n~n"
              "  XMPP       127.0.0.1:~B, without TLS~n"
              "  WebSocket  ws://127.0.0.1:~B/ws~n"
              "  accounts   alice@~ts and bob@~ts, password ~ts~n"
              "  a room     lobby@~ts~n~n"
              "Log in as alice with two clients, join the room with both, and let bob look.~n"
              "Ctrl-C ends it.~n",
              [mmx_server:version(Server), mmx_server:port(Server), mmx_server:http_port(Server),
               mmx_server:host(Server), mmx_server:host(Server), mmx_server:password(), mmx_server:rooms(Server)]),
    receive
        never -> halt(0)
    end.

on_server(Minimix) ->
    AllButBob = [#{deny => #{user => <<"bob@mmx.example">>}}, #{allow => all}],
    Server = mmx_server:start(#{minimix => Minimix, top => #{access_rules => #{served => AllButBob}}}),
    try story(Server)
    after mmx_server:stop(Server)
    end.

%% A step is what happens, what was counted, and how much the module may need for it.
-spec story(mmx_server:server()) -> [{string(), counts(), counts()}].
story(Server) ->
    Room = mmx_server:fresh_room(Server),
    Bob = connect(Server, "bob/desk"),
    [Phone, Laptop, Web] = [connect(Server, ["alice/", Device]) || Device <- ["phone", "laptop", "web"]],
    join(Bob, Room, <<"bob">>),
    ok = mmx_count:start(Server, <<"alice">>, mmx_server:host(Server)),
    Step = fun(What, Limit, Fun) -> Result = Fun(), {{What, count(Server, Bob, Room), Limit}, Result} end,

    {S1, _} = Step("phone joins", {1, 5, 1}, fun() -> join(Phone, Room, ?NICK) end),
    {S2, _} = Step("laptop joins", {0, 0, 0}, fun() -> join(Laptop, Room, ?NICK) end),
    {S3, _} = Step("web client joins", {0, 0, 0}, fun() -> join(Web, Room, ?NICK) end),
    {S4, _} = Step("bob says hello, all three hear it", {0, 1, 1}, fun() ->
        all_hear([Phone, Laptop, Web], Bob, Room, <<"hello">>)
    end),
    {S5, Again} = Step("phone loses its connection and is back", {0, 0, 0}, fun() ->
        kill(Phone),
        gone(Server, Phone),
        Phone2 = connect(Server, "alice/phone"),
        join(Phone2, Room, ?NICK),
        Phone2
    end),
    {S6, _} = Step("alice answers from the phone", {1, 1, 1}, fun() ->
        all_hear([Again, Laptop, Web], Again, Room, <<"hi bob">>)
    end),
    {S7, _} = Step("alice takes another nick", {1, 2, 2}, fun() -> rename(Laptop, Room, <<"ally">>) end),
    {S8, _} = Step("web client leaves", {0, 0, 0}, fun() -> leave(Web, Room) end),
    {S9, _} = Step("laptop and phone leave", {1, 2, 1}, fun() -> [leave(Device, Room) || Device <- [Laptop, Again]] end),
    {S10, _} = Step("all three join again", {1, 6, 1}, fun() -> [join(D, Room, ?NICK) || D <- [Again, Laptop, Web]] end),
    {S11, _} = Step("bob kicks alice, all three are told", {0, 2, 1}, fun() ->
        <<"result">> = mmx_stanza:type(set_role(Bob, Room, ?NICK, none)),
        [[110, 307] = lists:usort([110 | mmx_stanza:status_codes(removed(D, Room, ?NICK))]) || D <- [Again, Laptop, Web]]
    end),
    [S1, S2, S3, S4, S5, S6, S7, S8, S9, S10, S11].

all_hear(Devices, Speaker, Room, Text) ->
    ok = say(Speaker, Room, Text),
    [mmx_client:take(Device, fun(Stanza) -> mmx_stanza:body(Stanza) =:= Text end) || Device <- Devices].

gone(Server, Client) ->
    mmx_server:wait_until("the stream is gone", fun() -> mmx_server:c2s_pid(Server, mmx_client:jid(Client)) =:= none end).

%% What bob has got is complete when the room has answered him.
count(Server, Bob, Room) ->
    Seen = length([Stanza || Stanza <- sync(Bob, Room), mmx_stanza:bare(mmx_stanza:from(Stanza)) =:= Room]),
    {Sent, Copies} = mmx_count:read(Server),
    {Sent, Copies, Seen}.

within({Sent, Copies, Seen}, {MaxSent, MaxCopies, MaxSeen}) ->
    Sent =< MaxSent andalso Copies =< MaxCopies andalso Seen =< MaxSeen.

print(With, Without) ->
    io:format("~-42ts ~22ts ~22ts ~22ts~n", ["", "alice -> room", "room -> alice", "bob sees"]),
    io:format("~-42ts ~22ts ~22ts ~22ts~n", ["", "with  without", "with  without", "with  without"]),
    [print_step(Step, A, B) || {{Step, A, _}, {Step, B, _}} <- lists:zip(With, Without)],
    print_step("together", total(With), total(Without)).

print_step(Step, {Sent, Copies, Seen}, {Sent0, Copies0, Seen0}) ->
    io:format("~-42ts ~22ts ~22ts ~22ts~n", [Step, pair(Sent, Sent0), pair(Copies, Copies0), pair(Seen, Seen0)]).

pair(With, Without) ->
    io_lib:format("~4B  ~7B", [With, Without]).

total(Steps) ->
    lists:foldl(fun({_, {A, B, C}, _}, {X, Y, Z}) -> {A + X, B + Y, C + Z} end, {0, 0, 0}, Steps).
