%% Many sessions at once: nothing is lost, doubled or misordered, and a replay ends exactly where
%% live messages begin.
-module(concurrency_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    sessions_that_join_at_once_are_one_occupant/1,
    a_replay_ends_where_live_messages_begin/1,
    attaching_and_detaching_while_many_talk/1
]).

-include("support/mmx.hrl").

-define(PATIENCE, 60_000).

all() ->
    [Name || {Name, 1} <- ?MODULE:module_info(exports), Name =/= init_per_suite, Name =/= end_per_suite, Name =/= module_info].

init_per_suite(Config) ->
    [{server, mmx_server:start(#{minimix => #{history_size => 1000}, muc => #{history_size => 1000}})} | Config].

end_per_suite(Config) ->
    Server = ?config(server, Config),
    Complaints = mmx_server:complaints(Server),
    mmx_server:stop(Server),
    ?assertEqual([], Complaints).

%% I1 B2.25 (XEP-0045 §7.2.8)
sessions_that_join_at_once_are_one_occupant(Config) ->
    Phones = ["alice/" ++ integer_to_list(N) || N <- lists:seq(1, 8)],
    story(Config, ["bob/desk" | Phones], fun(Room, Bob, A, B, C, D, E, F, G, H) ->
        join(Bob, Room, <<"bob">>),
        Sessions = [A, B, C, D, E, F, G, H],
        at_once([fun() -> join(Session, Room, <<"alice">>) end || Session <- Sessions]),
        ?assertEqual([{<<"alice">>, account(A)}, {<<"bob">>, account(Bob)}],
                     mmx_server:room_occupants(?config(server, Config), Room)),
        ?assertEqual([<<"alice">>], [from_nick(Stanza) || #xmlel{name = <<"presence">>} = Stanza <- sync(Bob, Room)])
    end).

%% I3 B2.23 T3 (XEP-0045 §7.2.16)
a_replay_ends_where_live_messages_begin(Config) ->
    story(Config, ["bob/desk", "alice/keeper"], fun(Room, Bob, Keeper) ->
        join(Bob, Room, <<"bob">>),
        join(Keeper, Room, <<"alice">>),
        Count = 600,
        Talk = fun() -> [say(Bob, Room, integer_to_binary(N)) || N <- lists:seq(1, Count)] end,
        Server = ?config(server, Config),
        Attach = fun(M) ->
            Session = connect(Server, [user(Keeper), "/s", integer_to_list(M)]),
            join_quietly(Session, Room),
            numbers_until(Session, Count)
        end,
        Results = at_once([Talk | [fun() -> Attach(M) end || M <- lists:seq(1, 12)]]),
        [?assertEqual(lists:seq(1, Count), Numbers) || Numbers <- tl(Results)],
        ?assertEqual(lists:seq(1, Count), numbers_until(Keeper, Count))
    end).

%% I3 I1 T2 B8.58
attaching_and_detaching_while_many_talk(Config) ->
    story(Config, ["bob/desk", "carol/desk", "alice/keeper"], fun(Room, Bob, Carol, Keeper) ->
        [join(Client, Room, Nick) || {Client, Nick} <- [{Bob, <<"bob">>}, {Carol, <<"carol">>}, {Keeper, <<"alice">>}]],
        drain(Bob),
        Server = ?config(server, Config),
        Count = 1_000,
        Talk = fun(Client, Name) -> fun() -> [say(Client, Room, body_of(Name, N)) || N <- lists:seq(1, Count)] end end,
        Rounds = fun(M) -> fun() -> come_and_go(Server, user(Keeper), Room, M, 15) end end,
        at_once([Talk(Bob, <<"bob">>), Talk(Carol, <<"carol">>) | [Rounds(M) || M <- lists:seq(1, 6)]]),
        Heard = bodies_until(Keeper, [<<"bob:1000">>, <<"carol:1000">>]),
        [?assertEqual([body_of(Name, N) || N <- lists:seq(1, Count)], of_one(Name, Heard)) || Name <- [<<"bob">>, <<"carol">>]],
        ?assertEqual([account(Keeper)], [Jid || {<<"alice">>, Jid} <- mmx_server:room_occupants(Server, Room)]),
        Seen = [from_nick(Stanza) || #xmlel{name = <<"presence">>} = Stanza <- sync(Bob, Room)],
        ?assertEqual([], [Nick || Nick <- Seen, Nick =:= <<"alice">>])
    end).

%% One device that comes, hears some messages without a gap, and goes in one of three ways.
come_and_go(_Server, _User, _Room, _M, 0) ->
    ok;
come_and_go(Server, User, Room, M, Rounds) ->
    Session = connect(Server, [User, "/d", integer_to_list(M)]),
    join_quietly(Session, Room),
    Bodies = some_bodies(Session, 20),
    [?assertEqual(consecutive(of_one(Name, Bodies)), of_one(Name, Bodies)) || Name <- [<<"bob">>, <<"carol">>]],
    case Rounds rem 3 of
        0 -> kill(Session);
        1 -> leave(Session, Room), close(Session);
        2 -> close(Session)
    end,
    come_and_go(Server, User, Room, M, Rounds - 1).

consecutive([]) ->
    [];
consecutive([First | _] = Bodies) ->
    [Name, From] = binary:split(First, <<":">>),
    N = binary_to_integer(From),
    [body_of(Name, I) || I <- lists:seq(N, N + length(Bodies) - 1)].

body_of(Name, N) ->
    <<Name/binary, ":", (integer_to_binary(N))/binary>>.

of_one(Name, Bodies) ->
    [Body || Body <- Bodies, hd(binary:split(Body, <<":">>)) =:= Name].

%% As many messages as wanted, or up to the last ones.
some_bodies(Session, Wanted) ->
    some_bodies(Session, Wanted, []).

some_bodies(Session, Wanted, Bodies) ->
    case length(Bodies) >= Wanted orelse [<<"bob:1000">>, <<"carol:1000">>] -- Bodies =:= [] of
        true ->
            lists:reverse(Bodies);
        false ->
            case body(recv(Session, ?PATIENCE)) of
                undefined -> some_bodies(Session, Wanted, Bodies);
                Body -> some_bodies(Session, Wanted, [Body | Bodies])
            end
    end.

join_quietly(Session, Room) ->
    send(Session, presence(<<Room/binary, "/alice">>, [el(x, [{xmlns, ?NS_MUC}])])).

numbers_until(Session, Last) ->
    [binary_to_integer(Body) || Body <- bodies_until(Session, [integer_to_binary(Last)])].

bodies_until(Session, Lasts) ->
    bodies_until(Session, Lasts, []).

bodies_until(_Session, [], Bodies) ->
    lists:reverse(Bodies);
bodies_until(Session, Lasts, Bodies) ->
    case body(recv(Session, ?PATIENCE)) of
        undefined -> bodies_until(Session, Lasts, Bodies);
        Body -> bodies_until(Session, Lasts -- [Body], [Body | Bodies])
    end.

%% Runs all at the same time and gives their results in order.
at_once(Funs) ->
    Self = self(),
    Workers = [spawn_monitor(fun() -> Self ! {self(), Fun()} end) || Fun <- Funs],
    [
        receive
            {Pid, Result} -> demonitor(Ref, [flush]), Result;
            {'DOWN', Ref, process, Pid, Reason} -> error(Reason)
        end
     || {Pid, Ref} <- Workers
    ].

user(Client) ->
    hd(binary:split(account(Client), <<"@">>)).
