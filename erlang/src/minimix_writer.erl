%%% What the store has done by a process that may wait for a disk or a database.
-module(minimix_writer).

-export([work/4]).

-include("logger.hrl").

%% Changes that are written at once.
-define(BATCH, 500).

-type work() :: {write, [minimix_store:change()], durable | lazy} | load | {change_over, module()}.
-type result() :: ok | {ok, [minimix_store:stored()]} | {error, string()}.

%% @doc Does it, after the backend has prepared itself if it has not done so yet.
-spec work(work(), Backend :: module(), Host :: binary(), IsReady :: boolean()) -> result().
work(Work, Backend, Host, IsReady) ->
    try IsReady orelse prepare(Backend, Host) of
        {error, Reason} -> {error, Reason};
        _ -> work(Work, Backend, Host)
    catch
        Class:Reason:Trace -> {error, minimix_failure:text(Class, Reason, Trace)}
    end.

work({write, Changes, Durability}, Backend, Host) ->
    write(Backend, Host, Changes, Durability);
work(load, Backend, Host) ->
    Backend:load(Host);
work({change_over, Other}, Backend, Host) ->
    case Other:init(Host) of
        ok -> move(Backend, Other, Host);
        {error, Reason} -> {error, Reason}
    end.

%% Mnesia is what a host begins with: what it holds is taken along.
prepare(Backend, Host) ->
    case Backend:init(Host) of
        ok when Backend =/= mod_minimix_mnesia -> take_along(Backend, Host);
        Result -> Result
    end.

take_along(Backend, Host) ->
    case mod_minimix_mnesia:is_used() of
        true -> move(mod_minimix_mnesia, Backend, Host);
        false -> ok
    end.

%% What stayed behind would be taken for true should anybody come back to it.
move(From, To, Host) ->
    case From:load(Host) of
        {ok, []} ->
            ok;
        {ok, Rows} ->
            ?INFO_MSG("mod_minimix moves ~B rooms of accounts of ~ts from ~ts to ~ts",
                      [length(Rows), Host, From, To]),
            case write(To, Host, Rows, durable) of
                ok -> write(From, Host, [{Key, none} || {Key, _} <- Rows], durable);
                {error, Reason} -> {error, Reason}
            end;
        {error, Reason} ->
            {error, Reason}
    end.

%% Even without changes, for what came before may not be on the disk yet.
write(Backend, Host, Changes, Durability) when length(Changes) =< ?BATCH ->
    Backend:write(Host, Changes, Durability);
write(Backend, Host, Changes, Durability) ->
    {Some, Rest} = lists:split(?BATCH, Changes),
    case Backend:write(Host, Some, lazy) of
        ok -> write(Backend, Host, Rest, Durability);
        {error, Reason} -> {error, Reason}
    end.
