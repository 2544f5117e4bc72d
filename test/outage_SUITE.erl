%% The database is away for a while, or is not as it should be.
-module(outage_SUITE).

-export([all/0, groups/0, init_per_group/2, end_per_group/2, init_per_testcase/2, end_per_testcase/2]).
-export([
    people_go_on_and_it_is_stored_later/1,
    the_admin_is_told_once/1,
    what_is_kept_meanwhile_is_bounded/1,
    a_row_that_is_refused_keeps_no_other_back/1,
    a_missing_table_is_asked_for_and_then_used/1,
    a_server_starts_without_its_database/1
]).
-export([fill/2]).

-include("support/mmx.hrl").

-define(MANY, 60_000).
-define(KEPT, 50_000).

all() ->
    [{group, Kind} || {Kind, _, _} <- groups()].

groups() ->
    Everywhere = [people_go_on_and_it_is_stored_later, the_admin_is_told_once],
    Sql = [a_row_that_is_refused_keeps_no_other_back, a_missing_table_is_asked_for_and_then_used],
    [{mnesia, [], [what_is_kept_meanwhile_is_bounded | Everywhere]},
     {sqlite, [], Everywhere ++ Sql},
     {pgsql, [], [a_server_starts_without_its_database | Everywhere ++ Sql]}].

init_per_group(Kind, Config) ->
    [{kind, Kind}, {keeper, mmx_keeper:start(Kind, options(#{}))} | Config].

options(Top) ->
    fun(Database) -> mmx_database:options(Database, (beside_plain(#{}))#{top => Top}) end.

end_per_group(_Kind, Config) ->
    mmx_keeper:stop(?config(keeper, Config)).

init_per_testcase(_Case, Config) ->
    with(mmx_keeper:server(?config(keeper, Config)), Config).

with(Server, Config) ->
    Named = [{Name, mmx_server:fresh(Server, atom_to_list(Name))} || Name <- [bob, alice]],
    lists:keystore(room, 1, lists:keystore(server, 1, Named ++ Config, {server, Server}), {room, mmx_server:fresh_room(Server)}).

end_per_testcase(_Case, _Config) ->
    ok.

session(Config, Who, Resource) ->
    connect(?config(server, Config), <<(?config(Who, Config))/binary, "/", Resource/binary>>).

account(Config, Who) ->
    <<(?config(Who, Config))/binary, "@", (mmx_server:host(?config(server, Config)))/binary>>.

rows(Config) ->
    mmx_keeper:rows(?config(keeper, Config), account(Config, alice)).

%% Rooms that are stored for alice, sooner or later.
stored(Config, Rooms) ->
    Expected = lists:sort(Rooms),
    mmx_server:wait_until("it is stored", fun() -> [Room || {Room, _} <- rows(Config)] =:= Expected end).

while_away(Config, Fun) ->
    ok = mmx_keeper:away(?config(keeper, Config)),
    try Fun() after ok = mmx_keeper:back(?config(keeper, Config)) end.

%% What the module itself writes to the log from here on.
told(Config, Before) ->
    Log = mmx_server:log(?config(server, Config)),
    Lines = binary:split(binary:part(Log, Before, byte_size(Log) - Before), <<"\n">>, [global]),
    [Line || Line <- Lines, re:run(Line, "@(mod_)?minimix") =/= nomatch].

log_size(Config) ->
    byte_size(mmx_server:log(?config(server, Config))).

%% I8, I9, I11 (XEP-0045 §7.2, §7.14)
people_go_on_and_it_is_stored_later(Config) ->
    Room = ?config(room, Config),
    Other = mmx_server:fresh_room(?config(server, Config)),
    Bob = session(Config, bob, <<"desk">>),
    Phone = session(Config, alice, <<"phone">>),
    _ = join(Bob, Room, <<"bob">>),
    _ = join(Phone, Other, <<"alice">>),
    stored(Config, [Other]),
    while_away(Config, fun() ->
        _ = join(Phone, Room, <<"alice">>),
        told(Bob, Room, <<"hello">>, [Phone]),
        _ = leave(Phone, Other)
    end),
    stored(Config, [Room]),
    %% From now on it waits for the database again.
    _ = leave(Phone, Room),
    ?assertEqual([], rows(Config)).

%% I8 (XEP-0045 §7.2)
the_admin_is_told_once(Config) ->
    Before = log_size(Config),
    Phone = session(Config, alice, <<"phone">>),
    Rooms = [mmx_server:fresh_room(?config(server, Config)) || _ <- lists:seq(1, 5)],
    while_away(Config, fun() -> [join(Phone, Room, <<"alice">>) || Room <- Rooms] end),
    stored(Config, Rooms),
    Again = fun() -> length(told(Config, Before)) =:= 2 end,
    mmx_server:wait_until("it is told that it works again", Again),
    [Trouble, Over] = told(Config, Before),
    ?assertMatch({match, _}, re:run(Trouble, "\\[error\\].*cannot store")),
    ?assertMatch({match, _}, re:run(Over, "\\[info\\].*again")).

%% I10 (XEP-0045 §7.2)
what_is_kept_meanwhile_is_bounded(Config) ->
    Server = ?config(server, Config),
    Host = mmx_server:host(Server),
    while_away(Config, fun() ->
        Kept = mmx_server:rpc(Server, ?MODULE, fill, [Host, ?MANY]),
        ?assert(Kept =< 2 * ?KEPT),
        Phone = session(Config, alice, <<"phone">>),
        _ = join(Phone, ?config(room, Config), <<"alice">>)
    end),
    Whose = {<<"many">>, Host},
    mmx_server:wait_until("what was kept is stored", fun() ->
        {ok, Rows} = mmx_server:rpc(Server, mod_minimix_mnesia, load, [Host]),
        length([Key || {{Account, _} = Key, _} <- Rows, Account =:= Whose]) > ?KEPT - 100
    end),
    ok = mmx_server:rpc(Server, minimix_store, forget, [{jid, <<"many">>, Host, <<>>, <<"many">>, Host, <<>>}]),
    ok = mmx_server:rpc(Server, minimix_store, flush, [Host]).

%% Runs on the server: what is kept in the end, by the store's own count.
-spec fill(binary(), pos_integer()) -> non_neg_integer().
fill(Host, Count) ->
    Account = jid:make(<<"many">>, Host),
    Record = #{nick => <<"many">>, password => none, resource => none, cause => session, place => joined, autojoin => false,
               joined_at => 0, seen_at => 0, seen_id => none, detached_at => none},
    lists:foreach(fun(N) ->
        ok = minimix_store:store(Account, {integer_to_binary(N), <<"rooms.", Host/binary>>, <<>>}, Record)
    end, lists:seq(1, Count)),
    State = sys:get_state(gen_mod:get_module_proc(Host, minimix_store)),
    lists:sum([map_size(Map) || Map <- tuple_to_list(State), is_map(Map)]).

%% I8, I11, B1.14 (XEP-0045 §7.2, §7.2.5)
a_row_that_is_refused_keeps_no_other_back(Config) ->
    Server = ?config(server, Config),
    Host = mmx_server:host(Server),
    Bad = <<"refused@", (mmx_server:rooms(Server))/binary>>,
    ok = refuse(Config, Bad),
    Record = #{nick => <<"a">>, password => <<"n0t for logs">>, resource => none, cause => session, place => joined,
               autojoin => false, joined_at => 0, seen_at => 0, seen_id => none, detached_at => none},
    Rooms = [mmx_server:fresh_room(Server) || _ <- lists:seq(1, 3)],
    ok = mmx_server:rpc(Server, mod_minimix_sql, write,
        [Host, [{{{?config(alice, Config), Host}, Room}, Record} || Room <- [Bad | Rooms]], durable]),
    stored(Config, Rooms),
    Log = mmx_server:log(Server),
    ?assertMatch({match, _}, re:run(Log, "gives up storing 1 rooms")),
    ?assertEqual(nomatch, binary:match(Log, <<"n0t for logs">>)).

%% The database has an opinion of its own.
refuse(Config, Room) ->
    Statements = case ?config(kind, Config) of
        sqlite ->
            [["create trigger refusing before insert on minimix_room when new.room='", Room, "' begin select raise(abort, 'no'); end;"]];
        pgsql ->
            [["alter table minimix_room add constraint refusing check (room <> '", Room, "');"]]
    end,
    lists:foreach(fun(Statement) -> _ = sql(Config, Statement) end, Statements).

sql(Config, Statement) ->
    Server = ?config(server, Config),
    mmx_server:rpc(Server, ejabberd_sql, sql_query, [mmx_server:host(Server), [iolist_to_binary(Statement)]]).

%% I8 (XEP-0045 §7.2)
a_missing_table_is_asked_for_and_then_used(Config) ->
    _ = sql(Config, "drop table minimix_room;"),
    _ = sql(Config, "delete from schema_version where module='mod_minimix_sql';"),
    Server = mmx_keeper:again(?config(keeper, Config), restart, options(#{update_sql_schema => false})),
    Again = with(Server, Config),
    Phone = session(Again, alice, <<"phone">>),
    _ = join(Phone, ?config(room, Again), <<"alice">>),
    {match, [Statement]} = re:run(mmx_server:log(Server), "is made by: (create table .*?;)", [{capture, all_but_first, binary}]),
    {updated, _} = sql(Again, Statement),
    stored(Again, [?config(room, Again)]),
    _ = mmx_keeper:again(?config(keeper, Config), restart, options(#{})),
    ok.

%% I8, I11 (XEP-0045 §7.2)
a_server_starts_without_its_database(Config) ->
    Keeper = ?config(keeper, Config),
    Room = ?config(room, Config),
    Bob = session(Config, bob, <<"desk">>),
    _ = join(Bob, Room, <<"bob">>),
    ?assertEqual(<<"result">>, type(configure(Bob, Room, #{<<"muc#roomconfig_persistentroom">> => <<"1">>}))),
    Phone = session(Config, alice, <<"phone">>),
    _ = join(Phone, Room, <<"alice">>),
    ok = mmx_keeper:away(Keeper),
    Again = lists:keystore(server, 1, Config, {server, mmx_keeper:again(Keeper, restart)}),
    Desk = session(Again, alice, <<"desk">>),
    Other = mmx_server:fresh_room(?config(server, Again)),
    _ = join(Desk, Other, <<"alice">>),
    ok = mmx_keeper:back(Keeper),
    IsBack = fun() -> lists:keymember(account(Again, alice), 2, in_room(Again, Room)) end,
    mmx_server:wait_until("alice is back", IsBack),
    stored(Again, [Room, Other]).
