%% Profanity in two terminals of one account, with bob in the same rooms.
-module(profanity_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    two_terminals_join_and_talk/1,
    a_terminal_that_comes_later_shows_the_history/1,
    a_nick_is_changed_in_both_terminals/1,
    terminals_leave_one_after_the_other/1,
    a_kick_is_shown_in_both_terminals/1,
    a_private_conversation_is_shown_in_both_terminals/1,
    who_logs_out_and_in_is_seen_by_nobody/1,
    a_lost_connection_is_seen_by_nobody/1
]).

-include("../test/support/mmx.hrl").

-import(mmx_profanity, [shows/2, shows_occupants/2, shows_line/2]).

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    [{server, mmx_server:start(beside_plain(#{}))} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% I1, B1.1, B2.17, B2.18, B15.95, B15.96 (XEP-0045 §7.2, §7.4)
two_terminals_join_and_talk(Config) ->
    with_two_terminals(Config, fun(Room, Alice, Bob, Phone, Desk) ->
        Server = ?config(server, Config),
        mmx_count:start(Server, Alice, mmx_server:host(Server)),
        join_all(Room, Bob, [Phone]),
        %% The room's own presence, two occupants and the subject.
        ?assertEqual({1, 4}, mmx_count:read(Server)),
        mmx_profanity:join(Desk, Room, <<"alice">>),
        ?assertEqual({0, 0}, mmx_count:read(Server)),
        [shows_occupants(Terminal, [<<"bob">>, <<"alice">>]) || Terminal <- [Phone, Desk]],
        Said = [{<<"alice">>, <<"from the phone">>}, {<<"alice">>, <<"from the desk">>}, {<<"bob">>, <<"from bob">>}],
        mmx_profanity:say(Phone, <<"from the phone">>),
        [shows(Terminal, lists:sublist(Said, 1)) || Terminal <- [Phone, Desk]],
        mmx_profanity:say(Desk, <<"from the desk">>),
        [shows(Terminal, lists:sublist(Said, 2)) || Terminal <- [Phone, Desk]],
        [hears(Bob, <<Room/binary, "/alice">>, Text) || {_, Text} <- lists:sublist(Said, 2)],
        told(Bob, Room, <<"from bob">>, [Bob]),
        [shows(Terminal, Said) || Terminal <- [Phone, Desk]],
        ?assertEqual({2, 3}, mmx_count:read(Server))
    end).

%% B2.20, B2.21, B2.22 (XEP-0045 §7.2.13, §7.2.15)
a_terminal_that_comes_later_shows_the_history(Config) ->
    with_two_terminals(Config, fun(Room, _Alice, Bob, Phone, Desk) ->
        join_all(Room, Bob, [Phone]),
        told(Bob, Room, <<"one">>, [Bob]),
        shows(Phone, [{<<"bob">>, <<"one">>}]),
        mmx_profanity:join(Desk, Room, <<"alice">>),
        told(Bob, Room, <<"two">>, [Bob]),
        [shows(Terminal, [{<<"bob">>, <<"one">>}, {<<"bob">>, <<"two">>}]) || Terminal <- [Phone, Desk]]
    end).

%% B4.34 (XEP-0045 §7.6)
a_nick_is_changed_in_both_terminals(Config) ->
    with_two_terminals(Config, fun(Room, _Alice, Bob, Phone, Desk) ->
        join_all(Room, Bob, [Phone, Desk]),
        mmx_profanity:say(Phone, <<"/nick lissy">>),
        [shows_occupants(Terminal, [<<"bob">>, <<"lissy">>]) || Terminal <- [Phone, Desk]],
        ?assertEqual([<<"alice">>, <<"lissy">>], [from_nick(recv(Bob)) || _ <- [1, 2]]),
        mmx_profanity:say(Desk, <<"it is me">>),
        hears(Bob, <<Room/binary, "/lissy">>, <<"it is me">>),
        [shows(Terminal, [{<<"lissy">>, <<"it is me">>}]) || Terminal <- [Phone, Desk]]
    end).

%% B6.46, B6.47, B7.53 (XEP-0045 §7.14)
terminals_leave_one_after_the_other(Config) ->
    with_two_terminals(Config, fun(Room, _Alice, Bob, Phone, Desk) ->
        join_all(Room, Bob, [Phone, Desk]),
        mmx_profanity:leave(Phone),
        mmx_profanity:say(Desk, <<"still here">>),
        hears(Bob, <<Room/binary, "/alice">>, <<"still here">>),
        shows(Desk, [{<<"alice">>, <<"still here">>}]),
        shows_occupants(Desk, [<<"bob">>, <<"alice">>]),
        mmx_profanity:leave(Desk),
        ?assertMatch(#{role := <<"none">>}, item(removed(Bob, Room, <<"alice">>))),
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room)),
        mmx_profanity:join(Phone, Room, <<"alice">>),
        shows_occupants(Phone, [<<"bob">>, <<"alice">>])
    end).

%% B9.65 (XEP-0045 §8.2)
a_kick_is_shown_in_both_terminals(Config) ->
    with_two_terminals(Config, fun(Room, _Alice, Bob, Phone, Desk) ->
        join_all(Room, Bob, [Phone, Desk]),
        ?assertEqual(<<"result">>, type(set_role(Bob, Room, <<"alice">>, none))),
        [shows_line(Terminal, ["Kicked from ", Room, " by bob, reason: a test"]) || Terminal <- [Phone, Desk]],
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room)),
        mmx_profanity:join(Desk, Room, <<"alice">>),
        shows_occupants(Desk, [<<"bob">>, <<"alice">>])
    end).

%% B16.108, B16.111 (XEP-0045 §7.5, XEP-0280 §6.1)
a_private_conversation_is_shown_in_both_terminals(Config) ->
    with_two_terminals(Config, fun(Room, _Alice, Bob, Phone, Desk) ->
        join_all(Room, Bob, [Phone, Desk]),
        whisper(Bob, Room, <<"alice">>, <<"psst">>),
        [mmx_profanity:window(Terminal, 3) || Terminal <- [Phone, Desk]],
        [shows(Terminal, [{<<"bob">>, <<"psst">>}]) || Terminal <- [Phone, Desk]],
        mmx_profanity:say(Phone, <<"what?">>),
        hears(Bob, <<Room/binary, "/alice">>, <<"what?">>),
        shows(Phone, [{<<"bob">>, <<"psst">>}, {<<"me">>, <<"what?">>}]),
        %% Profanity shows what was said on another device in a window of the room's address.
        mmx_profanity:window(Desk, 4),
        shows(Desk, [{<<"me">>, <<"what?">>}])
    end).

%% B2.24, B8.58 (XEP-0045 §7.2, §7.14)
who_logs_out_and_in_is_seen_by_nobody(Config) ->
    with_two_terminals(Config, fun(Room, Alice, Bob, Phone, Desk) ->
        join_all(Room, Bob, [Phone, Desk]),
        mmx_profanity:disconnect(Phone),
        logged_out(Config, <<Alice/binary, "/phone">>),
        told(Bob, Room, <<"meanwhile">>, [Bob]),
        mmx_profanity:reconnect(Phone),
        mmx_profanity:join(Phone, Room, <<"alice">>),
        told(Bob, Room, <<"after">>, [Bob]),
        [shows(Terminal, [{<<"bob">>, <<"meanwhile">>}, {<<"bob">>, <<"after">>}]) || Terminal <- [Desk, Phone]],
        [shows_occupants(Terminal, [<<"bob">>, <<"alice">>]) || Terminal <- [Desk, Phone]]
    end).

%% B2.24, B8.58 (XEP-0045 §7.2, §7.14)
a_lost_connection_is_seen_by_nobody(Config) ->
    with_two_terminals(Config, fun(Room, Alice, Bob, Phone, Desk) ->
        Server = ?config(server, Config),
        join_all(Room, Bob, [Phone, Desk]),
        told(Bob, Room, <<"before">>, [Bob]),
        shows(Phone, [{<<"bob">>, <<"before">>}]),
        mmx_server:kill_process(Server, c2s(Config, <<Alice/binary, "/phone">>)),
        shows_line(Phone, "Connection re-established."),
        shows_occupants(Phone, [<<"bob">>, <<"alice">>]),
        mmx_profanity:say(Phone, <<"back">>),
        hears(Bob, <<Room/binary, "/alice">>, <<"back">>),
        told(Bob, Room, <<"after">>, [Bob]),
        All = [{<<"bob">>, <<"before">>}, {<<"alice">>, <<"back">>}, {<<"bob">>, <<"after">>}],
        [shows(Terminal, All) || Terminal <- [Desk, Phone]],
        [shows_occupants(Terminal, [<<"bob">>, <<"alice">>]) || Terminal <- [Desk, Phone]]
    end).

logged_out(Config, Who) ->
    mmx_server:wait_until("the session is gone", fun() -> c2s(Config, Who) =:= none end).

c2s(Config, Who) ->
    Server = ?config(server, Config),
    [User, Resource] = binary:split(Who, <<"/">>),
    mmx_server:c2s_pid(Server, <<User/binary, "@", (mmx_server:host(Server))/binary, "/", Resource/binary>>).

%% Bob is in first, and has nothing left to read.
join_all(Room, Bob, Terminals) ->
    enter(Room, [{Bob, <<"bob">>}]),
    [mmx_profanity:join(Terminal, Room, <<"alice">>) || Terminal <- Terminals],
    ?assertEqual(<<"alice">>, from_nick(recv(Bob))).

with_two_terminals(Config, Fun) ->
    story(Config, ["bob/desk"], fun(Room, Bob) ->
        Server = ?config(server, Config),
        Alice = mmx_server:fresh(Server, "alice"),
        [Phone, Desk] = [mmx_profanity:connect(Server, [Alice, Resource]) || Resource <- ["/phone", "/desk"]],
        Fun(Room, Alice, Bob, Phone, Desk),
        [mmx_profanity:close(Terminal) || Terminal <- [Phone, Desk]]
    end).
