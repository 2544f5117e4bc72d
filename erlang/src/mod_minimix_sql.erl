%%% What outlives the server, in an SQL database, by ejabberd's own connections.
-module(mod_minimix_sql).
-behaviour(mod_minimix).

-export([init/1, load/1, write/3]).
-export([sql_schemas/0, export/1]).
-export([serialize/3, deserialize_start/1, deserialize/2]).
-export([without_values/2]).

-include("logger.hrl").
-include("ejabberd_sql_pt.hrl").
-include("mod_minimix.hrl").

-define(TABLE, <<"minimix_room">>).
%% Milliseconds to find out whether the database answers at all.
-define(PATIENCE, 5_000).
%% ejabberd tells the log of each failure, and the store tries again anyway.
-define(RESTARTS, 1).

-spec init(binary()) -> ok | {error, string()}.
init(Host) ->
    _ = logger:add_primary_filter(?MODULE, {fun ?MODULE:without_values/2, []}),
    case ejabberd_sql:sql_query(Host, [<<"select 1;">>], ?PATIENCE) of
        {error, Reason} -> {error, text(Reason)};
        _ -> prepare(Host)
    end.

%% What update_schema returns tells not whether it worked, and it makes no table in the schema for
%% many hosts unless accounts are in the database, too.
prepare(Host) ->
    _ = ejabberd_sql_schema:update_schema(Host, ?MODULE, sql_schemas()),
    case missing_columns(Host) of
        [] -> ok;
        _ -> make_table(Host)
    end.

make_table(Host) ->
    Statement = statement(Host),
    _ = ejabberd_option:update_sql_schema() andalso ejabberd_sql:sql_query(Host, [Statement]),
    case missing_columns(Host) of
        [] ->
            ok;
        Missing ->
            {error, lists:flatten(io_lib:format("the table minimix_room has no ~ts; it is made by: ~ts",
                                                [lists:join(", ", Missing), Statement]))}
    end.

%% Of other databases ejabberd cannot tell what is there.
missing_columns(Host) ->
    case ejabberd_sql_schema:get_table_schema(Host, ?TABLE) of
        Columns when is_list(Columns) ->
            [Name || {Name, _, _} <- columns(Host), not lists:keymember(Name, 1, Columns)];
        {error, _} ->
            []
    end.

columns(Host) ->
    IsKey = true,
    [{<<"server_host">>, text, IsKey} || is_for_many_hosts(Host)] ++
        [{<<"username">>, text, IsKey}, {<<"room">>, text, IsKey} | values()].

values() ->
    [{<<"nick">>, text, false}, {<<"password">>, text, false}, {<<"resource">>, text, false}, {<<"cause">>, text, false},
     {<<"place">>, text, false}, {<<"autojoin">>, smallint, false}, {<<"joined_at">>, bigint, false},
     {<<"seen_at">>, bigint, false}, {<<"seen_id">>, text, false}, {<<"detached_at">>, bigint, false}].

%% Only the statements know in which schema the rows of all hosts stand in one table.
is_for_many_hosts(Host) ->
    Query = ?SQL("select @(nick)s from minimix_room where %(Host)H"),
    binary:match(iolist_to_binary(ejabberd_sql:sql_query_to_iolist(sqlite, Query)), <<"server_host">>) =/= nomatch.

statement(Host) ->
    Columns = columns(Host),
    Type = fun(text, true) -> key_type(ejabberd_option:sql_type(Host));
              (Other, _) -> atom_to_binary(Other)
           end,
    iolist_to_binary(
      ["create table minimix_room (",
       [[Name, " ", Type(Kind, IsKey), " not null, "] || {Name, Kind, IsKey} <- Columns],
       "primary key (", lists:join(", ", [Name || {Name, _, true} <- Columns]), "));"]).

%% MySQL has no keys of unlimited length.
key_type(mysql) -> <<"varchar(191)">>;
key_type(_) -> <<"text">>.

-spec sql_schemas() -> [#sql_schema{}].
sql_schemas() ->
    Keys = [<<"server_host">>, <<"username">>, <<"room">>],
    Columns = [#sql_column{name = Name, type = text} || Name <- Keys]
        ++ [#sql_column{name = Name, type = Type} || {Name, Type, _} <- values()],
    [#sql_schema{version = 1,
                 tables = [#sql_table{name = ?TABLE, columns = Columns,
                                      indices = [#sql_index{columns = Keys, unique = true}]}]}].

%% Numbers are read as text, as ejabberd writes a row to the log that it fails to read.
-spec load(binary()) -> {ok, [minimix_store:stored()]} | {error, string()}.
load(Host) ->
    case ejabberd_sql:sql_query(
           Host,
           ?SQL("select @(username)s, @(room)s, @(nick)s, @(password)s, @(resource)s, @(cause)s, @(place)s, @(autojoin)s, "
                "@(joined_at)s, @(seen_at)s, @(seen_id)s, @(detached_at)s "
                "from minimix_room where %(Host)H")) of
        {selected, Rows} -> {ok, minimix_record:known(Host, [stored(Host, Row) || Row <- Rows])};
        {error, Reason} -> {error, text(Reason)}
    end.

stored(Host, {User, Room, Nick, Password, Resource, Cause, Place, Autojoin, JoinedAt, SeenAt, SeenId, DetachedAt}) ->
    {{{User, Host}, Room},
     minimix_record:from_row(
       #{nick => Nick, password => Password, resource => Resource, cause => Cause, place => Place, autojoin => Autojoin,
         joined_at => JoinedAt, seen_at => SeenAt, seen_id => SeenId, detached_at => DetachedAt})}.

%% What a database has confirmed is on its disk.
-spec write(binary(), [minimix_store:change()], durable | lazy) -> ok | {error, string()}.
write(_Host, [], _Durability) ->
    ok;
write(Host, Changes, _Durability) ->
    case transaction(Host, Changes) of
        ok -> ok;
        {error, Reason} when length(Changes) =:= 1 -> {error, text(Reason)};
        {error, Reason} -> alone(Host, Changes, Reason)
    end.

%% One row that the database refuses must not keep all others from being stored.
alone(Host, Changes, Reason) ->
    Refused = case answers(Host) of
                  true -> [Change || Change <- Changes, transaction(Host, [Change]) =/= ok];
                  false -> Changes
              end,
    Records = [Record || {_, Record} <- Changes -- Refused, Record =/= none],
    case Refused =:= [] orelse (Records =/= [] andalso answers(Host)) of
        true when Refused =:= [] ->
            ok;
        true ->
            ?ERROR_MSG("mod_minimix gives up storing ~B rooms of accounts of ~ts, which the database "
                       "refuses while it takes others: ~ts", [length(Refused), Host, text(Reason)]);
        false ->
            {error, text(Reason)}
    end.

answers(Host) ->
    case ejabberd_sql:sql_query(Host, [<<"select 1;">>], ?PATIENCE) of
        {error, _} -> false;
        _ -> true
    end.

transaction(Host, Changes) ->
    Write = fun() -> lists:foreach(fun(Change) -> change(Host, Change) end, Changes) end,
    case ejabberd_sql:sql_transaction(Host, Write, ejabberd_option:sql_query_timeout(Host), ?RESTARTS) of
        {atomic, ok} -> ok;
        {aborted, Reason} -> {error, Reason}
    end.

change(Host, {{{User, _}, all}, none}) ->
    ejabberd_sql:sql_query_t(?SQL("delete from minimix_room where username=%(User)s and %(Host)H"));
change(Host, {{{User, _}, Room}, none}) ->
    ejabberd_sql:sql_query_t(deletion(Host, User, Room));
change(Host, {{{User, _}, Room}, Record}) ->
    #{nick := Nick, password := Password, resource := Resource, cause := Cause, place := Place, autojoin := Autojoin,
      joined_at := JoinedAt, seen_at := SeenAt, seen_id := SeenId, detached_at := DetachedAt} =
        minimix_record:to_row(Record),
    ok = ?SQL_UPSERT_T("minimix_room",
                       ["!server_host=%(Host)s", "!username=%(User)s", "!room=%(Room)s", "nick=%(Nick)s",
                        "password=%(Password)s", "resource=%(Resource)s", "cause=%(Cause)s", "place=%(Place)s",
                        "autojoin=%(Autojoin)d", "joined_at=%(JoinedAt)d", "seen_at=%(SeenAt)d",
                        "seen_id=%(SeenId)s", "detached_at=%(DetachedAt)d"]).

deletion(Host, User, Room) ->
    ?SQL("delete from minimix_room where username=%(User)s and room=%(Room)s and %(Host)H;").

%% PostgreSQL tells a list, and in it the row.
text([{_, _} | _] = Fields) ->
    text(proplists:get_value(message, Fields, <<"no">>));
text(Reason) when is_binary(Reason); is_list(Reason) ->
    lists:flatten(io_lib:format("the database says ~ts", [Reason]));
text(Reason) when is_atom(Reason) ->
    lists:flatten(io_lib:format("the database does not answer (~ts)", [Reason]));
text(_Reason) ->
    "the database does not answer".

%% @doc ejabberd writes statements that fail to the log, and with loglevel `debug' all: with the values
%% in them, of which one is a password.
-spec without_values(logger:log_event(), []) -> logger:filter_return().
without_values(#{level := Level, meta := #{mfa := {ejabberd_sql, _, _}}, msg := {Format, Arguments}} = Event, [])
  when is_list(Arguments) ->
    case string:find(io_lib:format(Format, Arguments), "minimix_") of
        nomatch -> ignore;
        _ when Level =:= debug -> stop;
        _ -> Event#{msg := {"An SQL statement about the table minimix_room failed", []}}
    end;
without_values(_Event, []) ->
    ignore.

%%% What ejabberd's tools for moving data ask for.

%% @doc How rows of Mnesia become those of this table.
-spec export(binary()) -> [{atom(), fun((binary(), tuple()) -> [term()])}].
export(_Server) ->
    [{minimix_room, fun exported/2}].

exported(Host, #minimix_room{key = {{User, Host}, Room}, record = Record}) ->
    #{nick := Nick, password := Password, resource := Resource, cause := Cause, place := Place, autojoin := Autojoin,
      joined_at := JoinedAt, seen_at := SeenAt, seen_id := SeenId, detached_at := DetachedAt} =
        minimix_record:to_row(Record),
    [deletion(Host, User, Room),
     ?SQL_INSERT("minimix_room",
                 ["server_host=%(Host)s", "username=%(User)s", "room=%(Room)s", "nick=%(Nick)s",
                  "password=%(Password)s", "resource=%(Resource)s", "cause=%(Cause)s", "place=%(Place)s",
                  "autojoin=%(Autojoin)d", "joined_at=%(JoinedAt)d", "seen_at=%(SeenAt)d",
                  "seen_id=%(SeenId)s", "detached_at=%(DetachedAt)d"])];
exported(_Host, _Row) ->
    [].

-spec serialize(binary(), pos_integer(), undefined | [minimix_store:stored()]) ->
          {ok, [minimix_store:stored()], [minimix_store:stored()]} | {error, string()}.
serialize(Host, Count, undefined) ->
    case load(Host) of
        {ok, Rows} -> serialize(Host, Count, Rows);
        {error, Reason} -> {error, Reason}
    end;
serialize(_Host, Count, Rows) ->
    {Some, Rest} = lists:split(min(Count, length(Rows)), Rows),
    {ok, Some, Rest}.

-spec deserialize_start(binary()) -> ok.
deserialize_start(_Host) ->
    ok.

-spec deserialize(binary(), [minimix_store:stored()]) -> ok | {error, string()}.
deserialize(Host, Rows) ->
    write(Host, Rows, durable).
