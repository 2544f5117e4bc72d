%% Where a test server stores what outlives it: real databases, gone when the test is.
-module(mmx_database).

-export([start/1, make_tables/1, options/2, stop/1, away/2, back/2, rows/3, backend/1]).

-record(database, {kind :: kind(), folder :: file:filename(), port = 0 :: inet:port_number(), process = none :: port() | none}).
-opaque database() :: #database{}.
-type kind() :: mnesia | sqlite | pgsql.
-export_type([database/0, kind/0]).

-spec start(kind()) -> database().
start(Kind) ->
    %% Not below the logs of a run: another account of this machine than root's has to reach it.
    Name = io_lib:format("mmx-~s-~s-~b", [Kind, os:getpid(), erlang:unique_integer([positive])]),
    Folder = filename:join("/tmp", lists:flatten(Name)),
    ok = file:make_dir(Folder),
    start(Kind, Folder).

start(pgsql, Folder) ->
    Database = #database{kind = pgsql, folder = Folder, port = free_port()},
    case is_root() of
        true -> "" = os:cmd("chown postgres:postgres " ++ Folder);
        false -> ok
    end,
    Data = filename:join(Folder, "data"),
    Made = run(Database, ["initdb -D ", Data, " -A trust -U postgres -N -E UTF8 --locale=C"]),
    filelib:is_file(filename:join(Data, "PG_VERSION")) orelse error({initdb, Made}),
    Running = back_up(Database),
    _ = run(Database, ["createdb -h ", Folder, " -p ", integer_to_list(Running#database.port), " -U postgres ejabberd"]),
    Running;
start(Kind, Folder) ->
    #database{kind = Kind, folder = Folder}.

%% The cluster ends when this process, or the whole test run, does: then its wrapper reads the end of its input.
back_up(#database{folder = Folder, port = Port} = Database) ->
    Command = ["exec 3>>", Folder, "/log; ", as_postgres(), bin(), "postgres -D ", Folder, "/data -p ", integer_to_list(Port),
        " -c listen_addresses=127.0.0.1 -c fsync=off -k ", Folder, " >&3 2>&3 </dev/null & read -r end; kill -INT $!; wait"],
    Process = open_port({spawn_executable, "/bin/sh"}, [{args, ["-c", lists:flatten(Command)]}, exit_status, binary]),
    IsReady = ["pg_isready -q -h ", Folder, " -p ", integer_to_list(Port), " -U postgres && echo ready"],
    mmx_server:wait_until("PostgreSQL answers", fun() -> run(Database, IsReady) =:= "ready\n" end),
    Database#database{process = Process}.

%% PostgreSQL refuses to run as root.
as_postgres() ->
    case is_root() of
        true -> "setpriv --reuid=postgres --regid=postgres --clear-groups ";
        false -> ""
    end.

is_root() ->
    os:cmd("id -u") =:= "0\n".

bin() ->
    case lists:sort(filelib:wildcard("/usr/lib/postgresql/*/bin")) of
        [] -> error(postgresql_is_not_installed);
        Found -> [lists:last(Found), "/"]
    end.

run(#database{folder = Folder}, Command) ->
    os:cmd(lists:flatten(["cd ", Folder, " && ", as_postgres(), bin(), Command])).

free_port() ->
    {ok, Socket} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Socket),
    ok = gen_tcp:close(Socket),
    Port.

%% ejabberd makes its own in the schema of one host only.
-spec make_tables(database()) -> ok.
make_tables(#database{kind = pgsql, folder = Folder, port = Port} = Database) ->
    File = "/usr/share/ejabberd/sql/pg.new.sql",
    Made = run(Database, ["psql -q -h ", Folder, " -p ", integer_to_list(Port), " -U postgres -f ", File, " ejabberd 2>&1"]),
    {Made, nomatch} = {Made, re:run(Made, "No such file|could not connect")},
    ok;
make_tables(#database{}) ->
    ok.

%% The options of a server that uses it. SQLite stands for one database for each host, PostgreSQL for one for all.
-spec options(database(), mmx_config:options()) -> mmx_config:options().
options(#database{kind = mnesia}, Options) ->
    Options;
options(#database{kind = Kind} = Database, #{minimix := Minimix} = Options) ->
    Top = (connection(Kind, Database))#{sql_start_interval => 1},
    Options#{minimix := Minimix#{db_type => sql}, top => maps:merge(Top, maps:get(top, Options, #{}))}.

%% SQLite with several connections fails wherever two write at the same time, as ejabberd itself warns.
connection(sqlite, #database{folder = Folder}) ->
    #{sql_type => sqlite, sql_database => list_to_binary(filename:join(Folder, "ejabberd.db"))};
connection(pgsql, #database{port = Port}) ->
    #{sql_type => pgsql, sql_server => <<"127.0.0.1">>, sql_port => Port, sql_username => <<"postgres">>,
      sql_database => <<"ejabberd">>, new_sql_schema => true, sql_pool_size => 2}.

-spec stop(database()) -> ok.
stop(#database{folder = Folder} = Database) ->
    _ = shut_down(Database),
    ok = file:del_dir_r(Folder).

shut_down(#database{process = none} = Database) ->
    Database;
shut_down(#database{process = Process} = Database) ->
    true = port_command(Process, "end\n"),
    receive {Process, {exit_status, _}} -> Database#database{process = none} end.

%% It takes nothing, until it is back.
-spec away(database(), mmx_server:server()) -> database().
away(#database{kind = mnesia} = Database, Server) ->
    {atomic, ok} = mmx_server:rpc(Server, mnesia, change_table_access_mode, [minimix_room, read_only]),
    Database;
away(#database{kind = sqlite, folder = Folder} = Database, Server) ->
    File = filename:join(Folder, "ejabberd.db"),
    {ok, _} = mmx_server:rpc(Server, sqlite3, open, [mmx_lock, [{file, File}]]),
    %% Not while the server is writing.
    Begin = fun() -> mmx_server:rpc(Server, sqlite3, sql_exec, [mmx_lock, "begin exclusive"]) end,
    ok = mmx_server:wait_until("the database is locked", fun() -> Begin() =:= ok end),
    Database;
away(#database{kind = pgsql} = Database, _Server) ->
    shut_down(Database).

-spec back(database(), mmx_server:server()) -> database().
back(#database{kind = mnesia} = Database, Server) ->
    {atomic, ok} = mmx_server:rpc(Server, mnesia, change_table_access_mode, [minimix_room, read_write]),
    Database;
back(#database{kind = sqlite} = Database, Server) ->
    ok = mmx_server:rpc(Server, sqlite3, sql_exec, [mmx_lock, "commit"]),
    ok = mmx_server:rpc(Server, sqlite3, close, [mmx_lock]),
    Database;
back(#database{kind = pgsql} = Database, _Server) ->
    back_up(Database).

-spec backend(database()) -> module().
backend(#database{kind = mnesia}) -> mod_minimix_mnesia;
backend(#database{}) -> mod_minimix_sql.

%% What is stored of an account.
-spec rows(database(), mmx_server:server(), binary()) -> [{Room :: binary(), minimix_nif:record()}].
rows(Database, Server, Account) ->
    [User, Host] = binary:split(Account, <<"@">>),
    Rows = loaded(mmx_server:rpc(Server, backend(Database), load, [Host])),
    lists:sort([{Room, Record} || {{{Whose, _}, Room}, Record} <- Rows, Whose =:= User]).

%% The table is made with the first thing that is stored.
loaded({ok, Rows}) ->
    Rows;
loaded({error, Text}) ->
    {match, _} = re:run(Text, "no such table|does not exist"),
    [].
