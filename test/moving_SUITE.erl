%% From one kind of database to another, and nobody has to join anew.
-module(moving_SUITE).

-export([all/0, groups/0, init_per_group/2, end_per_group/2, init_per_testcase/2, end_per_testcase/2]).
-export([
    a_reload_moves_there_and_back/1,
    a_restart_takes_along_what_mnesia_holds/1,
    a_database_that_fails_is_not_moved_to/1,
    ejabberd_exports_and_imports/1
]).

-include("support/mmx.hrl").

all() ->
    [{group, Kind} || {Kind, _, _} <- groups()].

groups() ->
    [{Kind, [], [Case || Case <- cases(?MODULE), not lists:member(Case, [all, groups])]} || Kind <- [sqlite, pgsql]].

init_per_group(_Kind, Config) ->
    Config.

end_per_group(_Kind, _Config) ->
    ok.

%% bob owns a room that outlives him, and alice is in it. It is stored in Mnesia.
init_per_testcase(_Case, Config) ->
    Kind = proplists:get_value(name, ?config(tc_group_properties, Config)),
    Keeper = mmx_keeper:start(Kind, stored_in(mnesia)),
    Server = mmx_keeper:server(Keeper),
    Room = mmx_server:fresh_room(Server),
    Alice = mmx_server:fresh(Server, "alice"),
    Bob = connect(Server, [mmx_server:fresh(Server, "bob"), "/desk"]),
    Phone = connect(Server, [Alice, "/phone"]),
    _ = join(Bob, Room, <<"bob">>),
    ?assertEqual(<<"result">>, type(configure(Bob, Room, #{<<"muc#roomconfig_persistentroom">> => <<"1">>}))),
    _ = join(Phone, Room, <<"alice">>),
    [{keeper, Keeper}, {server, Server}, {room, Room}, {phone, Phone},
     {account, <<Alice/binary, "@", (mmx_server:host(Server))/binary>>} | Config].

end_per_testcase(_Case, Config) ->
    mmx_keeper:stop(?config(keeper, Config)).

%% The connection is configured all the time, as an admin would do it before.
stored_in(Type) ->
    fun(Database) ->
        #{minimix := Minimix} = Options = mmx_database:options(Database, beside_plain(#{})),
        Options#{minimix := Minimix#{db_type => Type}}
    end.

%% What each of them holds of alice.
rooms_in(Config, Backend) ->
    [User, Host] = binary:split(?config(account, Config), <<"@">>),
    {ok, Rows} = mmx_server:rpc(?config(server, Config), Backend, load, [Host]),
    [Room || {{{Whose, _}, Room}, _} <- Rows, Whose =:= User].

is_in(Config, Backend, Other) ->
    Room = ?config(room, Config),
    ?assertEqual({[Room], []}, {rooms_in(Config, Backend), rooms_in(Config, Other)}).

again(Config, How, Options) ->
    lists:keystore(server, 1, Config, {server, mmx_keeper:again(?config(keeper, Config), How, Options)}).

is_back(Config) ->
    Is = fun() -> lists:keymember(?config(account, Config), 2, in_room(Config, ?config(room, Config))) end,
    mmx_server:wait_until("alice is back", Is).

on_disk(Config) ->
    ok = mmx_server:rpc(?config(server, Config), mnesia, sync_log, []).

%% I11, B23.168 (XEP-0045 §7.2)
a_reload_moves_there_and_back(Config) ->
    Keeper = ?config(keeper, Config),
    ok = mmx_keeper:reconfigured(Keeper, stored_in(sql)),
    is_in(Config, mod_minimix_sql, mod_minimix_mnesia),
    ok = on_disk(Config),
    There = again(Config, crash, stored_in(sql)),
    is_back(There),
    ok = mmx_keeper:reconfigured(Keeper, stored_in(mnesia)),
    is_in(There, mod_minimix_mnesia, mod_minimix_sql),
    Back = again(Config, crash, stored_in(mnesia)),
    is_back(Back).

%% I11, B23.163 (XEP-0045 §7.2)
a_restart_takes_along_what_mnesia_holds(Config) ->
    There = again(Config, restart, stored_in(sql)),
    is_back(There),
    is_in(There, mod_minimix_sql, mod_minimix_mnesia).

%% I8, I11 (XEP-0045 §7.2)
a_database_that_fails_is_not_moved_to(Config) ->
    ok = mmx_keeper:reconfigured(?config(keeper, Config), stored_in(sql)),
    ok = mmx_keeper:reconfigured(?config(keeper, Config), stored_in(mnesia)),
    ok = broken(Config),
    ok = mmx_keeper:reconfigured(?config(keeper, Config), stored_in(sql)),
    ?assertMatch({match, _}, re:run(mmx_server:log(?config(server, Config)), "goes on storing rooms .* where it did")),
    ?assertEqual([?config(room, Config)], rooms_in(Config, mod_minimix_mnesia)),
    _ = leave(?config(phone, Config), ?config(room, Config)),
    ?assertEqual([], rooms_in(Config, mod_minimix_mnesia)).

%% There is a table of that name, but another one.
broken(Config) ->
    Server = ?config(server, Config),
    Run = fun(Statement) ->
        {updated, _} = mmx_server:rpc(Server, ejabberd_sql, sql_query, [mmx_server:host(Server), [Statement]])
    end,
    _ = Run(<<"drop table minimix_room;">>),
    _ = Run(<<"create table minimix_room (room text not null);">>),
    ok.

%% I11 (XEP-0045 §7.2)
ejabberd_exports_and_imports(Config) ->
    Server = ?config(server, Config),
    Host = mmx_server:host(Server),
    ok = mmx_server:rpc(Server, mod_minimix_sql, init, [Host]),
    %% Of 24.12, which says so of each row.
    _ = mmx_server:rpc(Server, ejd2sql, export, [Host, sql, mod_minimix]),
    Room = ?config(room, Config),
    ?assertEqual([Room], rooms_in(Config, mod_minimix_sql)),
    %% Of 26.07.
    {ok, Rows, Rest} = mmx_server:rpc(Server, mod_minimix_sql, serialize, [Host, 1000, undefined]),
    {ok, [], _} = mmx_server:rpc(Server, mod_minimix_sql, serialize, [Host, 1000, Rest]),
    ok = mmx_server:rpc(Server, mod_minimix_mnesia, write, [Host, [{Key, none} || {Key, _} <- Rows], durable]),
    ok = mmx_server:rpc(Server, mod_minimix_mnesia, deserialize_start, [Host]),
    ok = mmx_server:rpc(Server, mod_minimix_mnesia, deserialize, [Host, Rows]),
    ?assertEqual([Room], rooms_in(Config, mod_minimix_mnesia)).
