%%% What outlives the server, in Mnesia.
-module(mod_minimix_mnesia).
-behaviour(mod_minimix).

-export([init/1, load/1, write/3]).
-export([is_used/0]).
-export([serialize/3, deserialize_start/1, deserialize/2]).

-include("mod_minimix.hrl").

-define(TABLE, minimix_room).

-spec init(binary()) -> ok | {error, string()}.
init(_Host) ->
    case ejabberd_mnesia:create(?MODULE, ?TABLE, [{disc_copies, [node()]},
                                                  {attributes, record_info(fields, minimix_room)}]) of
        {atomic, ok} -> wait();
        {aborted, Reason} -> {error, text(Reason)}
    end.

wait() ->
    case mnesia:wait_for_tables([?TABLE], infinity) of
        ok -> ok;
        {error, Reason} -> {error, text(Reason)}
    end.

%% @doc Whether anything may be stored here.
-spec is_used() -> boolean().
is_used() ->
    lists:member(?TABLE, mnesia:system_info(tables)).

-spec load(binary()) -> {ok, [minimix_store:stored()]}.
load(Host) ->
    Rows = mnesia:dirty_match_object(#minimix_room{key = {{'_', Host}, '_'}, _ = '_'}),
    {ok, minimix_record:known(Host, [{Key, Record} || #minimix_room{key = Key, record = Record} <- Rows])}.

%% A transaction alone may be lost for seconds: `durable' brings it to the disk.
-spec write(binary(), [minimix_store:change()], durable | lazy) -> ok | {error, string()}.
write(_Host, Changes, Durability) ->
    Write = fun() -> lists:foreach(fun change/1, Changes) end,
    case {mnesia:transaction(Write), Durability} of
        {{atomic, ok}, durable} -> synced(mnesia:sync_log());
        {{atomic, ok}, lazy} -> ok;
        {{aborted, Reason}, _} -> {error, text(Reason)}
    end.

change({{Account, all}, none}) ->
    Rows = mnesia:match_object(#minimix_room{key = {Account, '_'}, _ = '_'}),
    lists:foreach(fun mnesia:delete_object/1, Rows);
change({Key, none}) ->
    mnesia:delete({?TABLE, Key});
change({Key, Record}) ->
    mnesia:write(#minimix_room{key = Key, record = minimix_record:storable(Record)}).

synced(ok) -> ok;
synced({error, Reason}) -> {error, text(Reason)}.

%% What went wrong may hold a record, and that a password.
text(Reason) when is_tuple(Reason) ->
    text(element(1, Reason));
text(Reason) ->
    lists:flatten(io_lib:format("Mnesia says ~0p", [Reason])).

%%% What ejabberd's export_db and import_db ask for.

-spec serialize(binary(), pos_integer(), undefined | [minimix_store:stored()]) ->
          {ok, [minimix_store:stored()], [minimix_store:stored()]}.
serialize(Host, Count, undefined) ->
    {ok, Rows} = load(Host),
    serialize(Host, Count, Rows);
serialize(_Host, Count, Rows) ->
    {Some, Rest} = lists:split(min(Count, length(Rows)), Rows),
    {ok, Some, Rest}.

-spec deserialize_start(binary()) -> ok.
deserialize_start(_Host) ->
    ok.

-spec deserialize(binary(), [minimix_store:stored()]) -> ok | {error, string()}.
deserialize(Host, Rows) ->
    write(Host, Rows, durable).
