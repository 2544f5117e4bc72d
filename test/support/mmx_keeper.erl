%% Keeps a server and its database over restarts and failures: whatever runs last is stopped.
-module(mmx_keeper).

-export([start/2, server/1, again/2, again/3, reconfigured/2, away/1, back/1, rows/2, stop/1]).

-type options() :: fun((mmx_database:database()) -> mmx_config:options()).

-spec start(mmx_database:kind(), options()) -> pid().
start(Kind, Options) ->
    Asker = self(),
    {Keeper, Monitor} = spawn_monitor(fun() ->
        Database = mmx_database:start(Kind),
        Server = mmx_server:start(Options(Database)),
        Asker ! {self(), started},
        keep(Database, Server)
    end),
    receive
        {Keeper, started} ->
            true = demonitor(Monitor, [flush]),
            Keeper;
        {'DOWN', Monitor, process, _, Reason} ->
            error(Reason)
    end.

-spec server(pid()) -> mmx_server:server().
server(Keeper) ->
    ask(Keeper, fun(Database, Server) -> {Server, Database, Server} end).

%% Starts the server anew after an orderly end, or after none.
-spec again(pid(), restart | crash) -> mmx_server:server().
again(Keeper, How) ->
    ask(Keeper, fun(Database, Server) ->
        Next = mmx_server:How(Server),
        {Next, Database, Next}
    end).

%% The same with other options.
-spec again(pid(), restart | crash, options()) -> mmx_server:server().
again(Keeper, How, Options) ->
    ask(Keeper, fun(Database, Server) ->
        Next = mmx_server:How(mmx_server:with_options(Server, Options(Database))),
        {Next, Database, Next}
    end).

%% It is told other options while it runs.
-spec reconfigured(pid(), options()) -> ok.
reconfigured(Keeper, Options) ->
    ask(Keeper, fun(Database, Server) ->
        Next = mmx_server:with_options(Server, Options(Database)),
        ok = mmx_server:reload(Next),
        {ok, Database, Next}
    end).

%% The database takes nothing, until it is back.
-spec away(pid()) -> ok.
away(Keeper) ->
    ask(Keeper, fun(Database, Server) -> {ok, mmx_database:away(Database, Server), Server} end).

-spec back(pid()) -> ok.
back(Keeper) ->
    ask(Keeper, fun(Database, Server) -> {ok, mmx_database:back(Database, Server), Server} end).

%% What is stored of an account.
-spec rows(pid(), binary()) -> [{Room :: binary(), minimix_nif:record()}].
rows(Keeper, Account) ->
    ask(Keeper, fun(Database, Server) -> {mmx_database:rows(Database, Server, Account), Database, Server} end).

-spec stop(pid()) -> ok.
stop(Keeper) ->
    ask(Keeper, fun(Database, Server) ->
        ok = mmx_server:stop(Server),
        ok = mmx_database:stop(Database),
        stopped
    end).

ask(Keeper, Request) ->
    Monitor = monitor(process, Keeper),
    Keeper ! {self(), Request},
    receive
        {Keeper, Answer} ->
            true = demonitor(Monitor, [flush]),
            Answer;
        {'DOWN', Monitor, process, _, Reason} ->
            error({server_lost, Reason})
    end.

keep(Database, Server) ->
    receive
        {From, Request} when is_function(Request) ->
            case Request(Database, Server) of
                stopped ->
                    From ! {self(), ok};
                {Answer, Database1, Server1} ->
                    From ! {self(), Answer},
                    keep(Database1, Server1)
            end
    end.
