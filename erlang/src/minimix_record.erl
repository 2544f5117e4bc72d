%%% What is stored of an account in a room, as a row of a table, and which of it this version knows.
-module(minimix_record).

-export([storable/1, to_row/1, from_row/1, known/2]).
-export_type([row/0]).

-include("logger.hrl").

-type row() :: #{nick := binary(), password := binary(), resource := binary(), cause := binary(), place := binary(),
                 autojoin := 0 | 1, joined_at := integer(), seen_at := integer(),
                 seen_id := binary(), detached_at := integer()}.

%% @doc Without texts that some databases refuse, and with them a whole transaction.
-spec storable(minimix_nif:record()) -> minimix_nif:record().
storable(#{password := Password, seen_id := SeenId} = Record) ->
    Record#{password := harmless(Password), seen_id := harmless(SeenId)}.

harmless(none) ->
    none;
harmless(Text) ->
    case is_text(Text) andalso binary:match(Text, <<0>>) =:= nomatch of
        true -> Text;
        false -> none
    end.

%% @doc As a table of a database can hold it: nothing is the empty text, or 0.
-spec to_row(minimix_nif:record()) -> row().
to_row(Record) ->
    #{password := Password, resource := Resource, cause := Cause, place := Place, seen_id := SeenId,
      autojoin := Autojoin, detached_at := DetachedAt} = Storable = storable(Record),
    Storable#{password := or_nothing(Password, <<>>),
              resource := or_nothing(Resource, <<>>),
              cause := atom_to_binary(Cause),
              place := atom_to_binary(Place),
              autojoin := case Autojoin of true -> 1; false -> 0 end,
              seen_id := or_nothing(SeenId, <<>>),
              detached_at := or_nothing(DetachedAt, 0)}.

or_nothing(none, Nothing) -> Nothing;
or_nothing(Value, _Nothing) -> Value.

%% @doc The other way round; `unknown' when it holds what only another version knows.
-spec from_row(#{atom() => term()}) -> minimix_nif:record() | unknown.
from_row(#{password := Password, resource := Resource, cause := Cause, place := Place, autojoin := Autojoin, joined_at := JoinedAt,
           seen_at := SeenAt, seen_id := SeenId, detached_at := DetachedAt} = Row) ->
    Record = Row#{password := or_none(Password, <<>>),
                  resource := or_none(Resource, <<>>),
                  cause := name(Cause, [session, bookmark, command]),
                  place := name(Place, [joining, joined, out]),
                  autojoin := proplists:get_value(Autojoin, [{<<"0">>, false}, {<<"1">>, true}], unknown),
                  joined_at := number(JoinedAt),
                  seen_at := number(SeenAt),
                  seen_id := or_none(SeenId, <<>>),
                  detached_at := or_none(number(DetachedAt), 0)},
    case is_known(Record) of
        true -> Record;
        false -> unknown
    end.

or_none(Nothing, Nothing) -> none;
or_none(Value, _Nothing) -> Value.

name(Text, Names) ->
    proplists:get_value(Text, [{atom_to_binary(Name), Name} || Name <- Names], unknown).

number(Text) ->
    case string:to_integer(Text) of
        {Number, <<>>} -> Number;
        _ -> unknown
    end.

is_known(#{nick := Nick, password := Password, resource := Resource, cause := Cause, place := Place, autojoin := Autojoin,
           joined_at := JoinedAt, seen_at := SeenAt, seen_id := SeenId, detached_at := DetachedAt}) ->
    is_text(Nick)
        andalso (Password =:= none orelse is_text(Password))
        andalso (Resource =:= none orelse is_text(Resource))
        andalso lists:member(Cause, [session, bookmark, command])
        andalso lists:member(Place, [joining, joined, out])
        andalso is_boolean(Autojoin)
        andalso is_time(JoinedAt)
        andalso is_time(SeenAt)
        andalso (SeenId =:= none orelse is_text(SeenId))
        andalso (DetachedAt =:= none orelse is_time(DetachedAt));
is_known(_) ->
    false.

is_text(Text) ->
    is_binary(Text) andalso is_binary(unicode:characters_to_binary(Text)).

is_time(Time) ->
    is_integer(Time) andalso Time >= 0.

%% @doc Those that this version knows; that there are others is told once.
-spec known(Host :: binary(), [{minimix_store:key(), term()}]) -> [minimix_store:stored()].
known(Host, Rows) ->
    {Known, Unknown} = lists:partition(fun({Key, Record}) -> is_address(Key) andalso is_known(Record) end, Rows),
    Unknown =:= [] orelse
        ?WARNING_MSG("mod_minimix passes over ~B stored rooms of accounts of ~ts, as it does not know "
                     "what is written there: another version wrote it. The first is that of ~ts",
                     [length(Unknown), Host, whose(hd(Unknown))]),
    Known.

is_address({{User, Server}, Room}) ->
    try {jid:make(User, Server), jid:decode(Room)} of
        {error, _} -> false;
        {_, _} -> true
    catch
        error:{bad_jid, _} -> false
    end.

whose({{{User, Server}, Room}, _}) ->
    io_lib:format("~ts@~ts in ~ts", [User, Server, Room]).
