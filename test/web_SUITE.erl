%% Sessions over WebSocket and BOSH take part as those over TCP do (RFC 7395, XEP-0206).
-module(web_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    a_session_enters_talks_and_leaves/1,
    a_second_session_is_given_the_room/1,
    many_messages_arrive_once_and_in_order/1,
    a_goodbye_is_no_leave/1,
    a_lost_connection_is_no_leave/1,
    a_kick_reaches_the_session/1,
    a_session_resumes_over_another_connection/1
]).

-include("support/mmx.hrl").

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    Options = beside_plain(#{}),
    [{server, mmx_server:start(Options#{websocket => true, bosh => true})} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% Bob and the desk are connected by TCP, the phone by each of the others in turn.
by_web(Config, Fun) ->
    [
        begin
            ct:log("over ~p", [Over]),
            People = ["bob/desk", {"alice/phone", #{over => Over}}, "alice/desk"],
            story(Config, People, fun(Room, Bob, Phone, Desk) ->
                enter(Room, [{Bob, <<"bob">>}]),
                Fun(Room, Bob, Phone, Desk)
            end)
        end
     || Over <- [mmx_websocket, mmx_bosh]
    ].

%% B1.5, B7.53, B15.95 (XEP-0045 §7.2, §7.4, §7.14)
a_session_enters_talks_and_leaves(Config) ->
    by_web(Config, fun(Room, Bob, Phone, _Desk) ->
        ?assertMatch([_, <<"bob">>, <<"alice">>], nicks(join(Phone, Room, <<"alice">>))),
        settle(Room, [Bob, Phone]),
        [told(Client, Room, <<"hello">>, [Bob, Phone]) || Client <- [Bob, Phone]],
        unnoticed(Config, Room, Bob, [Phone]),
        ?assertEqual([110], status_codes(leave(Phone, Room))),
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

%% B2.17, B2.18, B2.22, B6.46 (XEP-0045 §7.2)
a_second_session_is_given_the_room(Config) ->
    by_web(Config, fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Desk, <<"alice">>}]),
        settle(Room, [Bob]),
        subject(Bob, Room, <<"tea">>),
        [say(Bob, Room, Text) || Text <- [<<"one">>, <<"two">>]],
        settle(Room, [Bob, Desk]),
        Entered = join(Phone, Room, <<"alice">>),
        ?assertMatch([_, <<"bob">>, <<"alice">>], nicks(Entered)),
        ?assertEqual({[<<"one">>, <<"two">>], <<"tea">>}, {bodies(Entered), cdata(child(lists:last(Entered), subject))}),
        unnoticed(Config, Room, Bob, [Phone, Desk]),
        leave(Phone, Room),
        unnoticed(Config, Room, Bob, [Desk])
    end).

%% I3 (XEP-0045 §7.4)
many_messages_arrive_once_and_in_order(Config) ->
    by_web(Config, fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        settle(Room, [Bob, Phone]),
        Texts = [integer_to_binary(Number) || Number <- lists:seq(1, 500)],
        [say(Client, Room, Text) || Text <- Texts, Client <- [Bob, Phone]],
        [
            begin
                Heard = [recv(Client) || _ <- Texts, _ <- [Bob, Phone]],
                [?assert(Texts =:= bodies([S || S <- Heard, from_nick(S) =:= Nick])) || Nick <- [<<"bob">>, <<"alice">>]]
            end
         || Client <- [Bob, Phone, Desk]
        ],
        unnoticed(Config, Room, Bob, [Phone, Desk])
    end).

%% B8.58 (XEP-0045 §7.14)
a_goodbye_is_no_leave(Config) ->
    by_web(Config, fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        settle(Room, [Bob]),
        close(Phone),
        unnoticed(Config, Room, Bob, [Desk]),
        leave(Desk, Room),
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

%% B8.58 (XEP-0045 §7.14, XEP-0124 §10)
a_lost_connection_is_no_leave(Config) ->
    by_web(Config, fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        settle(Room, [Bob]),
        Stream = mmx_server:c2s_pid(?config(server, Config), jid(Phone)),
        kill(Phone),
        gone(Config, Stream),
        unnoticed(Config, Room, Bob, [Desk]),
        leave(Desk, Room),
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

%% B9.65 (XEP-0045 §8.2)
a_kick_reaches_the_session(Config) ->
    by_web(Config, fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        set_role(Bob, Room, <<"alice">>, none),
        [?assertEqual([110, 307], status_codes(removed(Client, Room, <<"alice">>))) || Client <- [Phone, Desk]],
        ?assertMatch([_, <<"bob">>, <<"alice">>], nicks(join(Phone, Room, <<"alice">>)))
    end).

%% B8.60, T14 (XEP-0198 §5)
a_session_resumes_over_another_connection(Config) ->
    People = ["bob/desk", {"alice/phone", #{over => mmx_websocket, sm => true}}, "alice/desk"],
    story(Config, People, fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        [
            begin
                lose(Config, Phone),
                told(Bob, Room, <<"missed">>, [Bob, Desk]),
                ok = resume(Phone),
                hears(Phone, <<Room/binary, "/bob">>, <<"missed">>),
                told(Phone, Room, <<"heard">>, [Bob, Phone, Desk])
            end
         || _ <- [1, 2, 3]
        ],
        unnoticed(Config, Room, Bob, [Phone, Desk])
    end).
