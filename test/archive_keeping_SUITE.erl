%% The archive and a database that is slow, away, or refuses something; and what a device has missed.
-module(archive_keeping_SUITE).

-export([all/0, groups/0, init_per_group/2, end_per_group/2, init_per_testcase/2, end_per_testcase/2]).
-export([
    while_the_database_is_away_nobody_waits/1,
    a_minute_without_the_database_loses_nothing/1,
    a_message_that_the_database_refuses_keeps_no_other/1,
    preferences_that_nobody_can_read_keep_no_other/1,
    what_is_written_again_is_there_once/1,
    what_is_too_much_is_lost_and_counted/1,
    what_takes_longer_than_anybody_waits_is_there_once/1,
    what_a_room_calls_at_length_is_archived/1,
    what_is_taken_back_waits_like_what_is_said/1,
    a_device_that_missed_very_much_is_told_the_end_of_it/1,
    what_waits_is_written_when_the_module_stops/1,
    a_long_message_is_archived/1,
    a_device_is_told_what_it_missed/1,
    it_is_told_so_after_a_restart/1,
    it_is_told_what_is_remembered_while_the_database_is_away/1,
    without_a_database_the_option_is_refused/1,
    a_reload_that_takes_the_database_away_turns_it_off/1
]).

-include("support/mmx.hrl").

-import(mmx_archive, [groupchat/1, groupchat/2]).

-define(MIB, 1024 * 1024).

all() ->
    [{group, Kind} || {Kind, _, _} <- groups()].

groups() ->
    [{Kind, [], [Case || Case <- cases(?MODULE), not lists:member(Case, [all, groups]), is_for(Kind, Case)]} || Kind <- [sqlite, pgsql]].

%% SQLite takes everything that Erlang can send it.
is_for(sqlite, a_message_that_the_database_refuses_keeps_no_other) -> false;
%% One of them is enough, as it takes so long.
is_for(sqlite, a_minute_without_the_database_loses_nothing) -> false;
is_for(sqlite, what_takes_longer_than_anybody_waits_is_there_once) -> false;
is_for(sqlite, a_device_that_missed_very_much_is_told_the_end_of_it) -> false;
is_for(_, _) -> true.

options(Options) ->
    Plain = beside_plain(maps:merge(#{rejoin_rate => 1000, history_size => 2}, Options)),
    Plain#{c2s => #{max_stanza_size => 2 * ?MIB}}.

init_per_group(Kind, Config) ->
    Keeper = mmx_keeper:start(Kind, fun(Database) -> mmx_archive:options(Database, options(#{})) end),
    [{keeper, Keeper} | Config].

end_per_group(_Kind, Config) ->
    mmx_keeper:stop(?config(keeper, Config)).

init_per_testcase(_Case, Config) ->
    [{server, mmx_keeper:server(?config(keeper, Config))} | Config].

end_per_testcase(_Case, _Config) ->
    ok.

tell(Bob, Room, Sessions, Numbers) ->
    [told(Bob, Room, integer_to_binary(Number), Sessions) || Number <- Numbers],
    ok.

texts(Numbers) ->
    [integer_to_binary(Number) || Number <- Numbers].

figure(Config, Name) ->
    Stats = mmx_server:rpc(?config(server, Config), minimix_stats, all, [[mmx_server:host(?config(server, Config))]]),
    binary_to_integer(proplists:get_value(Name, Stats)).

%% I9, I10, B21.147 (XEP-0313 §6.1)
while_the_database_is_away_nobody_waits(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ok = tell(Bob, Room, [Phone, Desk], [1]),
        ok = mmx_archive:flush(?config(server, Config)),
        ok = mmx_keeper:away(?config(keeper, Config)),
        try
            ok = tell(Bob, Room, [Phone, Desk], lists:seq(2, 30)),
            ?assert(figure(Config, <<"archive_waiting">>) >= 29)
        after
            ok = mmx_keeper:back(?config(keeper, Config))
        end,
        ok = tell(Bob, Room, [Phone, Desk], [31]),
        mmx_server:wait_until("all is written", fun() -> figure(Config, <<"archive_waiting">>) =:= 0 end),
        ?assertEqual(texts(lists:seq(1, 31)), bodies(groupchat(Phone)))
    end).

%% I9, I10, B21.147 (XEP-0313 §6.1)
a_minute_without_the_database_loses_nothing(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Server = ?config(server, Config),
        Lost = figure(Config, <<"archive_lost">>),
        ok = tell(Bob, Room, [Phone, Desk], [1]),
        ok = mmx_archive:flush(Server),
        ok = mmx_keeper:away(?config(keeper, Config)),
        End = erlang:monotonic_time(second) + 60,
        Last = try tell_until(End, Bob, Room, [Phone, Desk], 2)
               after ok = mmx_keeper:back(?config(keeper, Config))
               end,
        %% The next try may be half a minute away.
        Process = mmx_server:rpc(Server, gen_mod, get_module_proc, [mmx_server:host(Server), minimix_archive]),
        _ = mmx_server:rpc(Server, erlang, send, [Process, retry]),
        ok = mmx_archive:flush(Server),
        ?assertEqual(texts(lists:seq(1, Last)), bodies(groupchat(Phone))),
        ?assertEqual(Lost, figure(Config, <<"archive_lost">>))
    end).

tell_until(End, Bob, Room, Sessions, Number) ->
    ok = tell(Bob, Room, Sessions, [Number]),
    case erlang:monotonic_time(second) < End of
        true -> receive after 2_000 -> tell_until(End, Bob, Room, Sessions, Number + 1) end;
        false -> Number
    end.

%% I10, B21.147 (XEP-0313 §6.1)
a_message_that_the_database_refuses_keeps_no_other(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ok = tell(Bob, Room, [Phone, Desk, Bob], [1]),
        Lost = figure(Config, <<"archive_lost">>),
        %% No client could read it.
        Pids = [mmx_server:c2s_pid(?config(server, Config), jid(Session)) || Session <- [Phone, Desk]],
        [Alice, _] = binary:split(account(Phone), <<"@">>),
        ok = lists:foreach(fun mmx_client:close/1, [Phone, Desk]),
        ok = lists:foreach(fun(Pid) -> gone(Config, Pid) end, Pids),
        Element = message(<<Alice/binary, "@", (mmx_server:host(?config(server, Config)))/binary>>, groupchat, [el(body, [], [<<"a", 0, "b">>])]),
        From = [{<<"from">>, <<Room/binary, "/bob">>}],
        ok = route(Config, Element#xmlel{attrs = From ++ Element#xmlel.attrs}),
        ok = tell(Bob, Room, [Bob], [2]),
        ok = mmx_archive:flush(?config(server, Config)),
        ?assertEqual(Lost + 1, figure(Config, <<"archive_lost">>)),
        Again = connect(?config(server, Config), <<Alice/binary, "/tablet">>),
        ?assertEqual(texts([1, 2]), bodies(groupchat(Again))),
        mmx_client:abandon(Again)
    end).

%% I10, B21.150 (XEP-0441 §2)
preferences_that_nobody_can_read_keep_no_other(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Server = ?config(server, Config),
        Dora = connect(Server, <<(mmx_server:fresh(Server, "dora"))/binary, "/phone">>),
        _ = join(Dora, Room, <<"dora">>),
        ok = settle(Room, [Bob, Phone, Desk, Dora]),
        ok = mmx_archive:prefer(Phone, {always, [], []}),
        [User, Host] = binary:split(account(Phone), <<"@">>),
        Spoil = <<"update archive_prefs set always='garbage{' where username='", User/binary, "'">>,
        {updated, 1} = mmx_server:rpc(Server, ejabberd_sql, sql_query, [Host, [Spoil]]),
        _ = mmx_server:rpc(Server, ets_cache, clear, [archive_prefs_cache]),
        State = mmx_server:rpc(Server, minimix_state, find, [Host]),
        ok = mmx_server:rpc(Server, minimix_state, forget_wishes, [State, account(Phone)]),
        ok = tell(Bob, Room, [Phone, Desk, Dora], [1, 2]),
        ok = mmx_archive:flush(Server),
        ?assertEqual(texts([1, 2]), bodies(groupchat(Dora))),
        _ = mmx_server:rpc(Server, ejabberd_sql, sql_query, [Host, [<<"delete from archive_prefs">>]]),
        _ = mmx_server:rpc(Server, ets_cache, clear, [archive_prefs_cache]),
        mmx_client:abandon(Dora)
    end).

route(Config, Element) ->
    Server = ?config(server, Config),
    Stanza = mmx_server:rpc(Server, xmpp, decode, [Element, <<"jabber:client">>, [ignore_els]]),
    mmx_server:rpc(Server, ejabberd_router, route, [Stanza]).

%% B21.147, I10 (XEP-0313 §6.1: an answer of the database may come too late to be heard)
what_is_written_again_is_there_once(Config) ->
    with_two(Config, fun(Room, _Bob, Phone, _Desk) ->
        Server = ?config(server, Config),
        [Account, OfRoom, Bob] = [mmx_server:rpc(Server, jid, decode, [Jid]) || Jid <- [account(Phone), Room, <<Room/binary, "/bob">>]],
        Element = message(account(Phone), groupchat, [el(body, [], [<<"once">>])]),
        Stanza = mmx_server:rpc(Server, xmpp, decode, [Element, <<"jabber:client">>, [ignore_els]]),
        Filed = #{id => 1795000000000000, room_id => none, size => 1, is_past => false,
                  stanza => mmx_server:rpc(Server, xmpp, set_from, [Stanza, Bob])},
        Items = [{store, Account, mmx_server:rpc(Server, jid, tolower, [OfRoom]), Filed}],
        Write = fun(IsAgain) -> mmx_server:rpc(Server, minimix_archive_writer, write, [mmx_server:host(Server), Items, IsAgain]) end,
        ?assertEqual({ok, 0}, Write(false)),
        ?assertEqual({ok, 0}, Write(true)),
        ?assertEqual([<<"once">>], bodies(groupchat(Phone)))
    end).

%% I10 (XEP-0313 §6.1)
what_is_too_much_is_lost_and_counted(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Server = ?config(server, Config),
        Host = mmx_server:host(Server),
        #{archive := Archive} = mmx_server:rpc(Server, minimix_state, find, [Host]),
        ok = tell(Bob, Room, [Phone, Desk], [1]),
        ok = mmx_archive:flush(Server),
        Lost = figure(Config, <<"archive_lost">>),
        %% As if so many messages waited.
        ok = mmx_server:rpc(Server, atomics, add, [Archive, 3, 50_000]),
        ok = tell(Bob, Room, [Phone, Desk], [2, 3]),
        ok = mmx_server:rpc(Server, atomics, sub, [Archive, 3, 50_000]),
        ok = tell(Bob, Room, [Phone, Desk], [4]),
        ?assertEqual(texts([1, 4]), bodies(groupchat(Phone))),
        ?assertEqual(Lost + 2, figure(Config, <<"archive_lost">>)),
        Process = mmx_server:rpc(Server, gen_mod, get_module_proc, [Host, minimix_archive]),
        _ = mmx_server:rpc(Server, erlang, send, [Process, minute]),
        ok = mmx_archive:flush(Server),
        ?assertNotEqual(nomatch, re:run(mmx_server:log(Server), "has not archived [0-9]+ messages"))
    end).

%% I10, B21.147 (XEP-0313 §6.1: a transaction goes on though nobody waits for it any more)
what_takes_longer_than_anybody_waits_is_there_once(Config) ->
    Keeper = ?config(keeper, Config),
    Hasty = fun(Database) ->
        #{top := Top} = Options = mmx_archive:options(Database, options(#{})),
        Options#{top := Top#{sql_query_timeout => 2}}
    end,
    Server = mmx_keeper:again(Keeper, restart, Hasty),
    Host = mmx_server:host(Server),
    Sql = fun(Query) -> mmx_server:rpc(Server, ejabberd_sql, sql_query, [Host, [Query]]) end,
    with_two([{server, Server} | Config], fun(Room, Bob, Phone, Desk) ->
        ok = tell(Bob, Room, [Phone, Desk], [1]),
        ok = mmx_archive:flush(Server),
        _ = Sql(<<"create function slow() returns trigger language plpgsql as 'begin perform pg_sleep(0.1); return new; end'">>),
        _ = Sql(<<"create trigger slow before insert on archive for each row execute function slow()">>),
        Process = mmx_server:rpc(Server, gen_mod, get_module_proc, [Host, minimix_archive]),
        ok = mmx_server:rpc(Server, sys, suspend, [Process]),
        ok = tell(Bob, Room, [Phone, Desk], lists:seq(2, 40)),
        ok = mmx_server:rpc(Server, sys, resume, [Process]),
        ok = mmx_archive:flush(Server),
        _ = Sql(<<"drop trigger slow on archive">>),
        ?assertEqual(texts(lists:seq(1, 40)), bodies(groupchat(Phone)))
    end),
    _ = mmx_keeper:again(Keeper, restart, fun(Database) -> mmx_archive:options(Database, options(#{})) end),
    ok.

%% I10, B21.152 (XEP-0359 §3)
what_a_room_calls_at_length_is_archived(Config) ->
    with_two(Config, fun(Room, _Bob, Phone, _Desk) ->
        Id = base64:encode(crypto:strong_rand_bytes(6_000)),
        Called = el('stanza-id', [{xmlns, <<"urn:xmpp:sid:0">>}, {by, Room}, {id, Id}]),
        Element = message(account(Phone), groupchat, [el(body, [], [<<"short">>]), Called]),
        ok = route(Config, Element#xmlel{attrs = [{<<"from">>, <<Room/binary, "/bob">>} | Element#xmlel.attrs]}),
        _ = take(Phone, fun(Stanza) -> body(Stanza) =:= <<"short">> end),
        ?assertEqual([<<"short">>], bodies(groupchat(Phone)))
    end).

%% I10, B21.149 (XEP-0424 §5)
what_is_taken_back_waits_like_what_is_said(Config) ->
    with_two(Config, fun(Room, Bob, Phone, _Desk) ->
        Server = ?config(server, Config),
        ok = mmx_archive:flush(Server),
        Retraction = message(Room, groupchat, [el(retract, [{xmlns, <<"urn:xmpp:message-retract:1">>}, {id, <<"nothing">>}])]),
        ok = mmx_keeper:away(?config(keeper, Config)),
        try
            [ok = send(Bob, Retraction) || _ <- lists:seq(1, 20)],
            _ = [take(Phone, fun(Stanza) -> child(Stanza, retract) =/= undefined end) || _ <- lists:seq(1, 20)],
            ?assert(figure(Config, <<"archive_waiting">>) >= 20)
        after
            ok = mmx_keeper:back(?config(keeper, Config))
        end,
        mmx_server:wait_until("all is written", fun() -> figure(Config, <<"archive_waiting">>) =:= 0 end)
    end).

%% I10, B2.21 (XEP-0198 §4: what is not acknowledged waits, and may not be too much)
a_device_that_missed_very_much_is_told_the_end_of_it(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Server = ?config(server, Config),
        ok = tell(Bob, Room, [Phone, Desk], [1]),
        ok = mmx_archive:flush(Server),
        ok = many_more(Server, account(Phone), 1_500),
        ok = tell(Bob, Room, [Phone, Desk], [2, 3]),
        [User, _] = binary:split(account(Phone), <<"@">>),
        Pad = connect(Server, <<User/binary, "/pad">>, #{sm => true}),
        Missed = missed(Pad, Room, <<"2000-01-01T00:00:00Z">>),
        ?assertEqual({1_000, [<<"2">>, <<"3">>]}, {length(Missed), lists:nthtail(998, Missed)}),
        mmx_client:abandon(Pad)
    end).

%% As if what is archived had been said so often.
many_more(Server, Account, Count) ->
    Host = mmx_server:host(Server),
    Columns = "peer, bare_peer, xml, txt, kind, nick",
    Write = fun(Number) ->
        N = integer_to_list(Number),
        Query = ["insert into archive (username, server_host, timestamp, origin_id, ", Columns, ") select username, server_host, timestamp + ", N,
            ", origin_id || '-' || '", N, "', ", Columns, " from archive where username = '", Account, "' and origin_id not like '%-%'"],
        {updated, 1} = mmx_server:rpc(Server, ejabberd_sql, sql_query, [Host, [iolist_to_binary(Query)]])
    end,
    lists:foreach(Write, lists:seq(1, Count)).

%% I10, B23.167 (XEP-0313 §6.1)
what_waits_is_written_when_the_module_stops(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Server = ?config(server, Config),
        Host = mmx_server:host(Server),
        Process = mmx_server:rpc(Server, gen_mod, get_module_proc, [Host, minimix_archive]),
        ok = mmx_server:rpc(Server, sys, suspend, [Process]),
        ok = tell(Bob, Room, [Phone, Desk], lists:seq(1, 10)),
        ok = mmx_server:rpc(Server, sys, resume, [Process]),
        ok = mmx_server:rpc(Server, gen_mod, stop_module, [Host, mod_minimix]),
        ok = mmx_server:rpc(Server, gen_mod, start_module, [Host, mod_minimix]),
        ?assertEqual(texts(lists:seq(1, 10)), bodies(groupchat(Phone)))
    end).

%% I10 (XEP-0313 §6.1)
a_long_message_is_archived(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Long = binary:copy(<<"0123456789abcdef">>, ?MIB div 16),
        told(Bob, Room, Long, [Phone, Desk]),
        ?assertEqual([Long], bodies(groupchat(Phone)))
    end).

%% B2.21, I3 (XEP-0045 §7.2.14)
a_device_is_told_what_it_missed(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ok = tell(Bob, Room, [Phone, Desk], [1]),
        _ = leave(Desk, Room),
        Since = stamp(erlang:system_time(millisecond)),
        ok = tell(Bob, Room, [Phone], lists:seq(2, 20)),
        ?assertEqual(texts(lists:seq(2, 20)), missed(Desk, Room, Since)),
        ok = tell(Bob, Room, [Phone, Desk], [21]),
        %% Who does not say since when gets what is remembered.
        _ = leave(Desk, Room),
        ?assertEqual(texts([20, 21]), bodies(join(Desk, Room, <<"alice">>)))
    end).

missed(Client, Room, Since) ->
    bodies(join(Client, Room, <<"alice">>, #{history => [{since, Since}]})).

%% Of a time that every message after it is later than.
stamp(Millisecond) ->
    ok = mmx_server:wait_until("a millisecond passes", fun() -> erlang:system_time(millisecond) > Millisecond + 1 end),
    list_to_binary(calendar:system_time_to_rfc3339(Millisecond + 1, [{unit, millisecond}, {offset, "Z"}])).

%% B2.21, B23.165 (XEP-0045 §7.2.14)
it_is_told_so_after_a_restart(Config) ->
    Server = ?config(server, Config),
    Room = mmx_server:fresh_room(Server),
    [Alice, Bob] = [mmx_server:fresh(Server, Name) || Name <- ["alice", "bob"]],
    [OfBob, Phone] = [connect(Server, <<Who/binary, "/phone">>) || Who <- [Bob, Alice]],
    _ = join(OfBob, Room, <<"bob">>),
    <<"result">> = type(configure(OfBob, Room, #{<<"muc#roomconfig_persistentroom">> => <<"1">>, <<"mam">> => <<"1">>})),
    _ = join(Phone, Room, <<"alice">>),
    Since = stamp(erlang:system_time(millisecond)),
    ok = tell(OfBob, Room, [Phone], lists:seq(1, 10)),
    ok = mmx_archive:flush(Server),
    ok = mmx_server:rpc(Server, mnesia, sync_log, []),
    Again = mmx_keeper:again(?config(keeper, Config), restart),
    Tablet = connect(Again, <<Alice/binary, "/tablet">>),
    ?assertEqual(texts(lists:seq(1, 10)), missed(Tablet, Room, Since)),
    mmx_client:abandon(Tablet).

%% I9, B2.21 (XEP-0045 §7.2.14)
it_is_told_what_is_remembered_while_the_database_is_away(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        _ = leave(Desk, Room),
        Since = stamp(erlang:system_time(millisecond)),
        ok = tell(Bob, Room, [Phone], lists:seq(1, 5)),
        ok = mmx_keeper:away(?config(keeper, Config)),
        try ?assertEqual(texts([4, 5]), missed(Desk, Room, Since))
        after ok = mmx_keeper:back(?config(keeper, Config))
        end,
        ok = tell(Bob, Room, [Phone, Desk], [6]),
        mmx_server:wait_until("all is written", fun() -> figure(Config, <<"archive_waiting">>) =:= 0 end),
        _ = leave(Desk, Room),
        ?assertEqual(texts(lists:seq(1, 6)), missed(Desk, Room, Since))
    end).

%% I8, B21.152 (the option's documentation)
without_a_database_the_option_is_refused(_Config) ->
    Options = beside_plain(#{archive => true}),
    Refused = fun(Modules) ->
        try mmx_server:start(Options#{modules => Modules}) of
            Server ->
                ok = mmx_server:stop(Server),
                started
        catch
            error:{ejabberd_did_not_start, _, _, Log} -> Log
        end
    end,
    ?assertMatch({match, _}, re:run(Refused(#{}), "option 'archive' of mod_minimix cannot be 'true'.*db_type: sql", [dotall])).

%% I8, B21.152 (the option's documentation)
a_reload_that_takes_the_database_away_turns_it_off(Config) ->
    Keeper = ?config(keeper, Config),
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ok = tell(Bob, Room, [Phone, Desk], [1]),
        ok = mmx_archive:flush(?config(server, Config)),
        Other = fun(Database) -> mmx_archive:options(Database, (options(#{}))#{mam => #{db_type => mnesia}}) end,
        ok = mmx_keeper:reconfigured(Keeper, Other),
        ok = tell(Bob, Room, [Phone, Desk], [2]),
        ?assertMatch({match, _}, re:run(mmx_server:log(mmx_keeper:server(Keeper)), "option 'archive' of mod_minimix cannot be 'true'")),
        ok = mmx_keeper:reconfigured(Keeper, fun(Database) -> mmx_archive:options(Database, options(#{})) end),
        ok = tell(Bob, Room, [Phone, Desk], [3]),
        ?assertEqual(texts([1, 3]), bodies(groupchat(Phone)))
    end).
