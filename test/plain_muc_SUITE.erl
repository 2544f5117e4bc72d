%% The test server and its clients without mod_minimix: plain rooms behave as XEP-0045 says.
-module(plain_muc_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    two_clients_meet_and_talk/1,
    a_join_is_told_in_order/1,
    a_late_joiner_is_given_history/1,
    a_taken_nick_is_refused/1,
    everybody_sees_a_nick_change/1,
    everybody_sees_a_leave/1,
    each_session_is_an_occupant_of_its_own/1,
    a_kicked_occupant_is_told_why/1,
    a_banned_account_cannot_come_back/1,
    a_cut_connection_ends_the_presence/1,
    a_resumed_session_misses_nothing/1,
    a_killed_stream_process_leaves_the_room/1,
    a_destroyed_room_tells_its_occupants/1,
    a_goodbye_is_answered/1,
    slixmpp_talks_to_a_raw_client/1,
    the_server_comes_back_from_a_crash/1
]).

-include("support/mmx.hrl").

all() ->
    [Name || {Name, 1} <- ?MODULE:module_info(exports), Name =/= init_per_suite, Name =/= end_per_suite, Name =/= module_info].

init_per_suite(Config) ->
    [{server, mmx_server:start()} | Config].

end_per_suite(Config) ->
    Server = ?config(server, Config),
    ct:pal("~ts", [lists:join("\n", mmx_server:complaints(Server))]),
    mmx_server:stop(Server).

two_clients_meet_and_talk(Config) ->
    story(Config, ["alice/phone", "bob/desk"], fun(Room, Alice, Bob) ->
        join(Alice, Room, <<"alice">>),
        join(Bob, Room, <<"bob">>),
        Newcomer = recv(Alice),
        ?assertEqual(<<Room/binary, "/bob">>, from(Newcomer)),
        ?assertMatch(#{affiliation := <<"none">>, role := <<"participant">>}, item(Newcomer)),

        say(Alice, Room, <<"hello">>),
        [hears(Client, <<Room/binary, "/alice">>, <<"hello">>) || Client <- [Alice, Bob]],
        whisper(Bob, Room, <<"alice">>, <<"psst">>),
        hears(Alice, <<Room/binary, "/bob">>, <<"psst">>),
        marker(Alice, Bob, Room),
        marker(Bob, Alice, Room)
    end).

a_join_is_told_in_order(Config) ->
    story(Config, ["alice/phone", "bob/desk"], fun(Room, Alice, Bob) ->
        Created = join(Alice, Room, <<"alice">>),
        ?assertEqual([110, 201], status_codes(lists:nth(length(Created) - 1, Created))),
        Occupants = [Stanza || Stanza <- join(Bob, Room, <<"bob">>), from_nick(Stanza) =/= undefined],
        ?assertMatch([<<"alice">>, <<"bob">>], [from_nick(Occupant) || Occupant <- Occupants]),
        ?assert(is_self_presence(lists:last(Occupants))),
        ?assertEqual(<<"bob">>, nick(Bob, Room))
    end).

a_late_joiner_is_given_history(Config) ->
    story(Config, ["alice/phone", "bob/desk"], fun(Room, Alice, Bob) ->
        join(Alice, Room, <<"alice">>),
        [say(Alice, Room, Text) || Text <- [<<"one">>, <<"two">>, <<"three">>]],
        [hears(Alice, <<Room/binary, "/alice">>, Text) || Text <- [<<"one">>, <<"two">>, <<"three">>]],
        Stanzas = join(Bob, Room, <<"bob">>, #{history => [{maxstanzas, 2}]}),
        ?assertEqual([<<"two">>, <<"three">>], [body(Stanza) || Stanza <- Stanzas, body(Stanza) =/= undefined])
    end).

a_taken_nick_is_refused(Config) ->
    story(Config, ["alice/phone", "bob/desk"], fun(Room, Alice, Bob) ->
        join(Alice, Room, <<"me">>),
        {error, Refusal} = try_join(Bob, Room, <<"me">>),
        ?assertEqual(<<"conflict">>, error_condition(Refusal)),
        ?assertEqual([], sync(Alice, Room))
    end).

everybody_sees_a_nick_change(Config) ->
    story(Config, ["alice/phone", "bob/desk"], fun(Room, Alice, Bob) ->
        join(Alice, Room, <<"alice">>),
        join(Bob, Room, <<"bob">>),
        drain(Alice),
        rename(Bob, Room, <<"robert">>),
        [Gone, Come] = [recv(Alice), recv(Alice)],
        ?assertEqual([303], status_codes(Gone)),
        ?assertMatch(#{nick := <<"robert">>}, item(Gone)),
        ?assertEqual(<<"robert">>, from_nick(Come)),
        ?assertEqual(<<"robert">>, nick(Bob, Room)),
        ?assertEqual([<<"alice">>, <<"robert">>], nicks(Config, Room))
    end).

everybody_sees_a_leave(Config) ->
    story(Config, ["alice/phone", "bob/desk"], fun(Room, Alice, Bob) ->
        join(Alice, Room, <<"alice">>),
        join(Bob, Room, <<"bob">>),
        drain(Alice),
        leave(Bob, Room),
        Gone = recv(Alice),
        ?assertEqual({<<"unavailable">>, <<"bob">>}, {type(Gone), from_nick(Gone)}),
        ?assertEqual([<<"alice">>], nicks(Config, Room)),
        ?assertEqual([], sync(Bob, Room))
    end).

each_session_is_an_occupant_of_its_own(Config) ->
    story(Config, ["alice/phone", "alice/desk"], fun(Room, Phone, Desk) ->
        join(Phone, Room, <<"phone">>),
        join(Desk, Room, <<"desk">>),
        ?assertEqual(
            [{<<"desk">>, jid(Desk)}, {<<"phone">>, jid(Phone)}],
            mmx_server:room_occupants(server(Config), Room)
        )
    end).

a_kicked_occupant_is_told_why(Config) ->
    story(Config, ["alice/phone", "bob/desk"], fun(Room, Alice, Bob) ->
        join(Alice, Room, <<"alice">>),
        join(Bob, Room, <<"bob">>),
        ?assertEqual(<<"result">>, type(set_role(Alice, Room, <<"bob">>, none))),
        Kicked = removed(Bob, Room, <<"bob">>),
        ?assertEqual([307], status_codes(Kicked) -- [110]),
        ?assertMatch(#{role := <<"none">>, reason := <<"a test">>}, item(Kicked)),
        ?assertEqual([<<"alice">>], nicks(Config, Room))
    end).

a_banned_account_cannot_come_back(Config) ->
    story(Config, ["alice/phone", "bob/desk"], fun(Room, Alice, Bob) ->
        join(Alice, Room, <<"alice">>),
        join(Bob, Room, <<"bob">>),
        ?assertEqual(<<"result">>, type(set_affiliation(Alice, Room, account(Bob), outcast))),
        ?assertEqual([301], status_codes(removed(Bob, Room, <<"bob">>)) -- [110]),
        {error, Refusal} = try_join(Bob, Room, <<"bob">>),
        ?assertEqual(<<"forbidden">>, error_condition(Refusal))
    end).

a_cut_connection_ends_the_presence(Config) ->
    story(Config, ["alice/phone", "bob/desk"], fun(Room, Alice, Bob) ->
        join(Alice, Room, <<"alice">>),
        join(Bob, Room, <<"bob">>),
        drain(Alice),
        kill(Bob),
        ?assertEqual(<<"unavailable">>, type(recv(Alice)))
    end).

a_resumed_session_misses_nothing(Config) ->
    story(Config, ["alice/phone", {"bob/desk", #{sm => true}}], fun(Room, Alice, Bob) ->
        join(Alice, Room, <<"alice">>),
        join(Bob, Room, <<"bob">>),
        drain(Alice),
        kill(Bob),
        say(Alice, Room, <<"are you there?">>),
        hears(Alice, <<Room/binary, "/alice">>, <<"are you there?">>),
        ok = resume(Bob),
        hears(Bob, <<Room/binary, "/alice">>, <<"are you there?">>),
        marker(Bob, Alice, Room),
        ?assertEqual([], queued(Alice))
    end).

a_killed_stream_process_leaves_the_room(Config) ->
    Server = server(Config),
    story(Config, ["alice/phone", "bob/desk"], fun(Room, Alice, Bob) ->
        join(Alice, Room, <<"alice">>),
        join(Bob, Room, <<"bob">>),
        drain(Alice),
        mmx_server:kill_process(Server, mmx_server:c2s_pid(Server, jid(Bob))),
        closed(Bob),
        %% Nobody says goodbye for it; the room learns by the bounce of what it sends next.
        say(Alice, Room, <<"bob?">>),
        hears(Alice, <<Room/binary, "/alice">>, <<"bob?">>),
        Gone = recv(Alice),
        ?assertEqual({<<"unavailable">>, <<"bob">>}, {type(Gone), from_nick(Gone)})
    end).

a_destroyed_room_tells_its_occupants(Config) ->
    story(Config, ["alice/phone", "bob/desk"], fun(Room, Alice, Bob) ->
        join(Alice, Room, <<"alice">>),
        join(Bob, Room, <<"bob">>),
        ?assertEqual(<<"result">>, type(destroy(Alice, Room))),
        Gone = removed(Bob, Room, <<"bob">>),
        ?assertMatch(#xmlel{}, child(child(Gone, x, ?NS_MUC_USER), destroy)),
        mmx_server:wait_until("the room is gone", fun() -> mmx_server:room_pid(server(Config), Room) =:= none end)
    end).

a_goodbye_is_answered(Config) ->
    story(Config, ["alice/phone"], fun(_Room, Alice) ->
        Jid = jid(Alice),
        ok = close(Alice),
        ?assertEqual(none, mmx_server:c2s_pid(server(Config), Jid))
    end).

slixmpp_talks_to_a_raw_client(Config) ->
    Server = server(Config),
    story(Config, ["alice/phone"], fun(Room, Alice) ->
        Slix = mmx_slix:connect(Server, [mmx_server:fresh(Server, "carol"), "/slix"]),
        join(Alice, Room, <<"alice">>),
        mmx_slix:join(Slix, Room, <<"carol">>),
        ?assertEqual(<<"carol">>, from_nick(recv(Alice))),
        ?assertEqual([<<"alice">>, <<"carol">>], mmx_slix:occupants(Slix, Room)),
        say(Alice, Room, <<"who are you?">>),
        hears(Alice, <<Room/binary, "/alice">>, <<"who are you?">>),
        mmx_slix:hears(Slix, <<"alice">>, <<"who are you?">>),
        mmx_slix:say(Slix, Room, <<"not one of you">>),
        hears(Alice, <<Room/binary, "/carol">>, <<"not one of you">>),
        mmx_slix:rename(Slix, Room, <<"caroline">>),
        ?assertEqual(null, mmx_slix:ping(Slix, <<Room/binary, "/caroline">>)),
        mmx_slix:leave(Slix, Room, <<"caroline">>),
        ok = mmx_slix:close(Slix)
    end).

the_server_comes_back_from_a_crash(_Config) ->
    Server = mmx_server:crash(mmx_server:start()),
    try
        story([{server, Server}], ["alice/phone"], fun(Room, Alice) ->
            join(Alice, Room, <<"alice">>),
            ?assertEqual([], mmx_server:complaints(Server))
        end)
    after
        mmx_server:stop(Server)
    end.

server(Config) ->
    ?config(server, Config).

nicks(Config, Room) ->
    [Nick || {Nick, _} <- mmx_server:room_occupants(server(Config), Room)].
