%% Sessions are lost: that is no leave, and nobody notices.
-module(losing_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    a_cut_connection_is_no_leave/1,
    a_goodbye_is_no_leave/1,
    an_unavailable_session_is_no_leave/1,
    a_killed_stream_is_no_leave/1,
    a_lost_session_sends_nothing_to_the_room/1,
    a_new_session_of_the_same_resource_is_not_in/1,
    a_new_session_gets_nothing_that_was_for_the_old/1,
    a_resumed_session_goes_on/1,
    a_lost_account_is_shown_as_away/1
]).

-include("support/mmx.hrl").

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    Options = beside_plain(#{}),
    Modules = #{mod_stream_mgmt => #{resend_on_timeout => true}},
    [{server, mmx_server:start(Options#{modules => Modules})} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% B8.58, B8.59 (XEP-0045 §7.14)
a_cut_connection_is_no_leave(Config) ->
    lost(Config, fun mmx_client:kill/1).

%% B8.58, B8.59 (XEP-0045 §7.14)
a_goodbye_is_no_leave(Config) ->
    lost(Config, fun mmx_client:close/1).

%% B8.58, B8.59 (XEP-0045 §7.14, RFC 6121 §4.5.2)
an_unavailable_session_is_no_leave(Config) ->
    lost(Config, fun mmx_client:going_offline/1).

%% B8.58, I8 (XEP-0045 §7.14)
a_killed_stream_is_no_leave(Config) ->
    lost(Config, fun(Session) -> kill_stream(Config, Session) end).

kill_stream(Config, Session) ->
    Server = ?config(server, Config),
    mmx_server:kill_process(Server, mmx_server:c2s_pid(Server, jid(Session))),
    closed(Session).

%% The phone goes, then the desk, and then another session finds all that was said.
lost(Config, Goes) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Goes(Phone),
        unnoticed(Config, Room, Bob, [Desk]),
        Account = account(Desk),
        Goes(Desk),
        [told(Bob, Room, Text, [Bob]) || Text <- [<<"one">>, <<"two">>]],
        marker(Bob, Bob, Room),
        ?assertEqual([{<<"alice">>, Account}, {<<"bob">>, jid(Bob)}], in_room(Config, Room)),
        Pad = connect(?config(server, Config), [hd(string:split(Account, "@")), "/pad"]),
        ?assertMatch([_, <<"one">>, <<"two">>, _], bodies(join(Pad, Room, <<"alice">>))),
        unnoticed(Config, Room, Bob, [Pad])
    end).

%% B8.58, B8.59, c2.18 (XEP-0045 §7.2.18)
a_lost_session_sends_nothing_to_the_room(Config) ->
    Ways = [
        fun mmx_client:kill/1, fun mmx_client:close/1, fun mmx_client:going_offline/1,
        fun(Session) -> kill_stream(Config, Session) end
    ],
    Server = ?config(server, Config),
    [
        story(Config, ["alice/phone", "alice/desk"], fun(_, Phone, Desk) ->
            {Puppet, Room} = mmx_puppet:joined_by(?config(server, Config), [Phone, Desk]),
            Jid = jid(Phone),
            Goes(Phone),
            Ended = fun() -> mmx_server:c2s_pid(Server, Jid) =:= none end,
            is_process_alive(Phone) orelse mmx_server:wait_until("the session is gone", Ended),
            say(Desk, Room, <<"hello">>),
            ?assertEqual(<<"hello">>, body(mmx_puppet:takes(Puppet))),
            ?assertEqual([], mmx_puppet:waiting(Puppet))
        end)
     || Goes <- Ways
    ].

%% B8.62, B8.63 (RFC 6120 §7.7.2.2)
a_new_session_of_the_same_resource_is_not_in(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Again = connect(?config(server, Config), to_connect(Phone)),
        told(Bob, Room, <<"hello">>, [Bob, Desk]),
        ?assertEqual([], sync(Again)),
        say(Again, Room, <<"am I in?">>),
        ?assertEqual(<<"not-acceptable">>, error_condition(recv(Again))),
        ?assertEqual([<<"hello">>], bodies(join(Again, Room, <<"alice">>))),
        unnoticed(Config, Room, Bob, [Again, Desk])
    end).

to_connect(Session) ->
    [User, Rest] = binary:split(jid(Session), <<"@">>),
    [User, "/", resource(Rest)].

%% B8.61, I3, T2 (XEP-0198 §6)
a_new_session_gets_nothing_that_was_for_the_old(Config) ->
    story(Config, ["bob/desk", {"alice/phone", #{sm => true}}], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}]),
        told(Bob, Room, <<"before">>, [Bob]),
        enter(Room, [{Phone, <<"alice">>}]),
        drain(Bob),
        kill(Phone),
        told(Bob, Room, <<"hello">>, [Bob]),
        whisper(Bob, Room, <<"alice">>, <<"psst">>),
        marker(Bob, Bob, Room),
        Again = connect(?config(server, Config), to_connect(Phone)),
        ?assertEqual([], sync(Again)),
        ?assertMatch([<<"before">>, <<"hello">>, _], bodies(join(Again, Room, <<"alice">>))),
        unnoticed(Config, Room, Bob, [Again])
    end).

%% B8.60, T14 (XEP-0198 §5)
a_resumed_session_goes_on(Config) ->
    story(Config, ["bob/desk", {"alice/phone", #{sm => true}}, "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        drain(Bob),
        kill(Phone),
        told(Bob, Room, <<"are you there?">>, [Bob, Desk]),
        ok = resume(Phone),
        hears(Phone, <<Room/binary, "/bob">>, <<"are you there?">>),
        told(Phone, Room, <<"I am">>, [Bob, Phone, Desk]),
        unnoticed(Config, Room, Bob, [Phone, Desk]),
        [?assertEqual([110], status_codes(leave(Session, Room))) || Session <- [Desk, Phone]],
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

%% B5.44 (options offline_delay, offline_presence)
a_lost_account_is_shown_as_away(_Config) ->
    Server = mmx_server:start(beside_plain(#{offline_presence => away, offline_delay => <<"1 s">>})),
    Config = [{server, Server}],
    try
        with_two(Config, fun(Room, Bob, Phone, Desk) ->
            [kill(Session) || Session <- [Phone, Desk]],
            Away = recv(Bob),
            ?assertEqual({<<"alice">>, <<"away">>}, {from_nick(Away), cdata(child(Away, show))}),
            Again = connect(?config(server, Config), to_connect(Phone)),
            join(Again, Room, <<"alice">>),
            Back = recv(Bob),
            ?assertEqual({<<"available">>, undefined}, {type(Back), child(Back, show)}),
            marker(Bob, Bob, Room)
        end)
    after
        mmx_server:stop(Server)
    end.
