%% Sessions are lost: that is no leave, and nobody notices.
-module(losing_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    a_cut_connection_is_no_leave/1,
    a_goodbye_is_no_leave/1,
    an_unavailable_session_is_no_leave/1,
    an_unavailable_session_is_not_in_any_more/1,
    a_killed_stream_is_no_leave/1,
    a_lost_session_sends_nothing_to_the_room/1,
    a_lost_session_does_not_keep_the_account_in/1,
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
    lost(Config, fun cut/2).

%% B8.58, B8.59 (XEP-0045 §7.14)
a_goodbye_is_no_leave(Config) ->
    lost(Config, fun say_goodbye/2).

%% B8.58, B8.59 (XEP-0045 §7.14, RFC 6121 §4.5.2)
an_unavailable_session_is_no_leave(Config) ->
    lost(Config, fun go_offline/2).

%% B8.58, B15.97 (RFC 6121 §4.5.2)
an_unavailable_session_is_not_in_any_more(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        going_offline(Phone),
        told(Bob, Room, <<"hello">>, [Bob, Desk]),
        ?assertMatch([{<<"unavailable">>, [110]}], [{type(Out), status_codes(Out)} || Out <- sync(Phone, Room)]),
        send(Phone, presence(none, [])),
        say(Phone, Room, <<"am I in?">>),
        ?assertEqual(<<"not-acceptable">>, error_condition(recv(Phone))),
        ?assertEqual([<<"hello">>], bodies(join(Phone, Room, <<"alice">>))),
        unnoticed(Config, Room, Bob, [Phone, Desk])
    end).

%% B8.58, I8 (XEP-0045 §7.14)
a_killed_stream_is_no_leave(Config) ->
    lost(Config, fun kill_stream/2).

cut(Config, Session) ->
    its_stream_ends(Config, Session, fun() -> kill(Session) end).

say_goodbye(Config, Session) ->
    its_stream_ends(Config, Session, fun() -> close(Session) end).

kill_stream(Config, Session) ->
    Server = ?config(server, Config),
    Pid = mmx_server:c2s_pid(Server, jid(Session)),
    mmx_server:kill_process(Server, Pid),
    closed(Session),
    %% Nobody but who watches it hears of that.
    Name = mmx_server:rpc(Server, gen_mod, get_module_proc, [mmx_server:host(Server), minimix_host]),
    Watcher = mmx_server:rpc(Server, erlang, whereis, [Name]),
    HasHeard = fun() ->
        {monitors, Watched} = mmx_server:rpc(Server, erlang, process_info, [Watcher, monitors]),
        not lists:member({process, Pid}, Watched)
    end,
    mmx_server:wait_until("the end of the stream was heard of", HasHeard),
    mmx_server:rpc(Server, sys, get_state, [Watcher]).

go_offline(_Config, Session) ->
    going_offline(Session).

%% What the stream's process had to say it has said when it is dead.
its_stream_ends(Config, Session, Fun) ->
    Server = ?config(server, Config),
    Pid = mmx_server:c2s_pid(Server, jid(Session)),
    Fun(),
    IsDead = fun() -> not mmx_server:rpc(Server, erlang, is_process_alive, [Pid]) end,
    mmx_server:wait_until("the stream's process is dead", IsDead).

%% The phone goes, then the desk, and then another session finds all that was said.
lost(Config, Goes) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Goes(Config, Phone),
        unnoticed(Config, Room, Bob, [Desk]),
        Account = account(Desk),
        Goes(Config, Desk),
        [told(Bob, Room, Text, [Bob]) || Text <- [<<"one">>, <<"two">>]],
        marker(Bob, Bob, Room),
        ?assertEqual([{<<"alice">>, Account}, {<<"bob">>, jid(Bob)}], in_room(Config, Room)),
        Pad = connect(?config(server, Config), [hd(string:split(Account, "@")), "/pad"]),
        ?assertMatch([_, <<"one">>, <<"two">>, _], bodies(join(Pad, Room, <<"alice">>))),
        unnoticed(Config, Room, Bob, [Pad])
    end).

%% B8.58, B8.59, c2.18 (XEP-0045 §7.2.18)
a_lost_session_sends_nothing_to_the_room(Config) ->
    [
        story(Config, ["alice/phone", "alice/desk"], fun(_, Phone, Desk) ->
            {Puppet, Room} = mmx_puppet:joined_by(?config(server, Config), [Phone, Desk]),
            Goes(Config, Phone),
            say(Desk, Room, <<"hello">>),
            ?assertEqual(<<"hello">>, body(mmx_puppet:takes(Puppet))),
            Goes(Config, Desk),
            ?assertEqual([], mmx_puppet:waiting(Puppet))
        end)
     || Goes <- [fun cut/2, fun say_goodbye/2, fun go_offline/2, fun kill_stream/2]
    ].

%% B8.58, B7.53 (XEP-0045 §7.14)
a_lost_session_does_not_keep_the_account_in(Config) ->
    [
        with_two(Config, fun(Room, Bob, Phone, Desk) ->
            Goes(Config, Phone),
            leave(Desk, Room),
            ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room))
        end)
     || Goes <- [fun cut/2, fun say_goodbye/2, fun go_offline/2, fun kill_stream/2]
    ].

%% B8.62, B8.63 (RFC 6120 §7.7.2.2)
a_new_session_of_the_same_resource_is_not_in(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Again = connect(?config(server, Config), to_connect(Phone)),
        told(Bob, Room, <<"hello">>, [Bob, Desk]),
        ?assertEqual([], sync(Again, Room)),
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
        settle(Room, [Bob]),
        kill(Phone),
        told(Bob, Room, <<"hello">>, [Bob]),
        whisper(Bob, Room, <<"alice">>, <<"psst">>),
        marker(Bob, Bob, Room),
        Again = connect(?config(server, Config), to_connect(Phone)),
        %% A private message that nobody else has is an ordinary one now. The old stream brings it, when
        %% it has ended.
        ?assertEqual(<<"psst">>, body(recv(Again))),
        ?assertEqual([], sync(Again, Room)),
        ?assertMatch([<<"before">>, <<"hello">>, _], bodies(join(Again, Room, <<"alice">>))),
        unnoticed(Config, Room, Bob, [Again])
    end).

%% B8.60, T14 (XEP-0198 §5)
a_resumed_session_goes_on(Config) ->
    story(Config, ["bob/desk", {"alice/phone", #{sm => true}}, "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
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
