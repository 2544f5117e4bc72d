%% Sessions leave a room, and the account follows the last of them.
-module(leaving_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    one_session_leaves_and_nobody_notices/1,
    who_has_left_gets_nothing_of_the_room/1,
    the_last_session_takes_the_account_out/1,
    sessions_that_leave_at_once_are_all_told/1,
    a_leave_of_one_that_is_not_in_is_ignored/1,
    a_leave_during_the_join_follows_it/1,
    a_join_right_after_the_leave_is_a_new_one/1,
    a_session_that_comes_during_the_leave_joins_anew/1,
    a_room_that_does_not_confirm_is_left/1,
    a_self_ping_is_answered_for_each_session/1,
    all_leave_but_the_account_stays/1
]).

-include("support/mmx.hrl").

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    [{server, mmx_server:start(beside_plain(#{join_timeout => <<"2 s">>}))} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% B6.46, B6.47, B6.48, B6.49 (XEP-0045 §7.14)
one_session_leaves_and_nobody_notices(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Leave = presence(occupant(Room), unavailable, [el(status, [], [<<"bye">>])]),
        send(Desk, Leave#xmlel{attrs = [{<<"id">>, <<"leave">>} | Leave#xmlel.attrs]}),
        Out = removed(Desk, Room, <<"alice">>),
        ?assertEqual({<<"leave">>, [110], <<"bye">>}, {attr(Out, id), status_codes(Out), cdata(child(Out, status))}),
        ?assertMatch(#{role := <<"none">>, affiliation := <<"none">>}, item(Out)),
        ?assertEqual([], sync(Desk, Room)),
        unnoticed(Config, Room, Bob, [Phone])
    end).

%% B6.49, I3 (XEP-0045 §7.14)
who_has_left_gets_nothing_of_the_room(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        leave(Desk, Room),
        told(Bob, Room, <<"hello">>, [Bob, Phone]),
        whisper(Bob, Room, <<"alice">>, <<"psst">>),
        hears(Phone, <<Room/binary, "/bob">>, <<"psst">>),
        subject(Bob, Room, <<"tea">>),
        take(Phone, fun mmx_stanza:is_subject/1),
        say(Phone, Room, <<"hello">>),
        whisper(Phone, Room, <<"bob">>, <<"psst">>),
        [take(Bob, fun(Stanza) -> type(Stanza) =:= Type end) || Type <- [<<"groupchat">>, <<"chat">>]],
        ?assertEqual([], sync(Desk, Room))
    end).

%% B7.53, B7.56 (XEP-0045 §7.14)
the_last_session_takes_the_account_out(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        leave(Desk, Room),
        send(Phone, presence(occupant(Room), unavailable, [el(status, [], [<<"bye">>])])),
        Out = removed(Phone, Room, <<"alice">>),
        ?assertEqual({[110], <<"bye">>, jid(Phone)}, {status_codes(Out), cdata(child(Out, status)), attr(Out, to)}),
        ?assertMatch(#{role := <<"none">>}, item(Out)),
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room)),
        [Gone] = seen(Bob, Room),
        ?assertEqual({<<"unavailable">>, <<"bye">>}, {type(Gone), cdata(child(Gone, status))}),
        [?assertEqual([], sync(Session, Room)) || Session <- [Phone, Desk]]
    end).

%% B6.46, B7.53 (XEP-0045 §7.14)
sessions_that_leave_at_once_are_all_told(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        paused(Config, Room, fun() ->
            [send(Session, presence(occupant(Room), unavailable, [])) || Session <- [Phone, Desk]]
        end),
        [?assertEqual([110], status_codes(removed(Session, Room, <<"alice">>))) || Session <- [Phone, Desk]],
        ?assertMatch([Gone] when Gone#xmlel.name =:= <<"presence">>, seen(Bob, Room)),
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

%% B6.50 (XEP-0045 §17.3)
a_leave_of_one_that_is_not_in_is_ignored(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        send(Desk, presence(occupant(Room), unavailable, [])),
        ?assertEqual([], sync(Desk, Room)),
        unnoticed(Config, Room, Bob, [Phone])
    end).

%% B7.55, I4, T5 (XEP-0045 §7.14)
a_leave_during_the_join_follows_it(Config) ->
    story(Config, ["bob/desk", "alice/phone"], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}]),
        paused(Config, Room, fun() ->
            ask(Phone, Room, <<"alice">>),
            send(Phone, presence(occupant(Room), unavailable, [])),
            drain(Phone)
        end),
        ?assertEqual([110], status_codes(removed(Phone, Room, <<"alice">>))),
        ?assertEqual([<<"available">>, <<"unavailable">>], [type(Stanza) || Stanza <- seen(Bob, Room)]),
        ?assertEqual([], sync(Phone, Room)),
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

%% B7.55, I4 (XEP-0045 §7.14)
a_join_right_after_the_leave_is_a_new_one(Config) ->
    story(Config, ["bob/desk", "alice/phone"], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        paused(Config, Room, fun() ->
            send(Phone, presence(occupant(Room), unavailable, [])),
            ask(Phone, Room, <<"alice">>),
            drain(Phone)
        end),
        %% The room says goodbye under its own name, too.
        [_, Out | Stanzas] = entered(Phone, Room),
        ?assertEqual({<<"unavailable">>, [110]}, {type(Out), status_codes(Out)}),
        ?assertEqual([undefined, <<"bob">>, <<"alice">>], nicks(Stanzas)),
        ?assertEqual([<<"unavailable">>, <<"available">>], [type(Stanza) || Stanza <- seen(Bob, Room)]),
        ?assertEqual([{<<"alice">>, account(Phone)}, {<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

%% B7.55, I1 (XEP-0045 §7.14)
a_session_that_comes_during_the_leave_joins_anew(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        paused(Config, Room, fun() ->
            send(Phone, presence(occupant(Room), unavailable, [])),
            drain(Phone),
            ask(Desk, Room, <<"lissy">>),
            drain(Desk)
        end),
        ?assertEqual([undefined, <<"bob">>, <<"lissy">>], nicks(entered(Desk, Room))),
        ?assertEqual([110], status_codes(removed(Phone, Room, <<"alice">>))),
        ?assertEqual([], sync(Phone, Room)),
        ?assertEqual([{<<"bob">>, jid(Bob)}, {<<"lissy">>, account(Desk)}], in_room(Config, Room))
    end).

%% B7.57, I4 (XEP-0045 §7.14)
a_room_that_does_not_confirm_is_left(Config) ->
    story(Config, ["alice/phone"], fun(_, Phone) ->
        {Puppet, Room} = mmx_puppet:joined_by(?config(server, Config), [Phone]),
        Out = leave(Phone, Room),
        ?assertEqual({[110], <<"none">>}, {status_codes(Out), maps:get(role, item(Out))}),
        ?assertEqual(<<"unavailable">>, type(mmx_puppet:takes(Puppet))),
        ?assertEqual([], mmx_puppet:waiting(Puppet))
    end).

%% B19.132, B19.133 (XEP-0410 §3.2, §3.3)
a_self_ping_is_answered_for_each_session(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Ping = fun(Session) -> request(Session, iq(occupant(Room), get, [el(ping, [{xmlns, ?NS_PING}])])) end,
        [?assertEqual({<<"result">>, occupant(Room)}, {type(Ping(S)), from(Ping(S))}) || S <- [Phone, Desk]],
        leave(Desk, Room),
        Refusal = Ping(Desk),
        ?assertEqual({<<"not-acceptable">>, occupant(Room)}, {error_condition(Refusal), from(Refusal)}),
        Error = child(Refusal, error),
        ?assertEqual({<<"cancel">>, Room}, {attr(Error, type), attr(Error, by)}),
        ?assertEqual(<<"result">>, type(Ping(Phone))),
        leave(Phone, Room),
        [?assertEqual(<<"not-acceptable">>, error_condition(Ping(Session))) || Session <- [Phone, Desk]],
        ?assertEqual([<<"unavailable">>], [type(Stanza) || Stanza <- seen(Bob, Room)])
    end).

%% B7.54 (option leave: never)
all_leave_but_the_account_stays(_Config) ->
    Server = mmx_server:start(beside_plain(#{leave => never, offline_presence => keep})),
    Config = [{server, Server}],
    try
        with_two(Config, fun(Room, Bob, Phone, Desk) ->
            [?assertEqual([110], status_codes(leave(Session, Room))) || Session <- [Phone, Desk]],
            told(Bob, Room, <<"hello">>, [Bob]),
            ?assertEqual([{<<"alice">>, account(Desk)}, {<<"bob">>, jid(Bob)}], in_room(Config, Room)),
            [?assertEqual([], sync(Session, Room)) || Session <- [Phone, Desk]],
            ?assertEqual([<<"hello">>], bodies(join(Desk, Room, <<"alice">>)))
        end)
    after
        mmx_server:stop(Server)
    end.

occupant(Room) ->
    <<Room/binary, "/alice">>.
