%%% Figures for admins. They are counted as things change, or shard by shard: asking costs nobody
%%% who talks anything that could be felt.
-module(minimix_stats).

-export([all/1]).

-type figures() :: #{binary() => non_neg_integer()}.

%% @doc The figures of these hosts together, in the order in which they are read.
-spec all([binary(), ...]) -> [{Name :: binary(), Value :: binary()}].
all(Hosts) ->
    Sum = lists:foldl(fun plus/2, #{}, [figures(Host) || Host <- Hosts]),
    Waiting = lists:foldl(fun plus/2, #{}, [minimix_turns:waiting(Host) || Host <- Hosts]),
    Total = {<<"rejoins_waiting">>, lists:sum(maps:values(Waiting))},
    Services = [{<<"rejoins_waiting@", Service/binary>>, Count} || {Service, Count} <- by_count(Waiting)],
    Known = [{Name, maps:get(Name, Sum)} || Name <- names()],
    [{Name, integer_to_binary(Value)} || {Name, Value} <- Known ++ [Total | Services]]
        ++ [{<<"library">>, minimix_nif:version()}].

names() ->
    [<<"accounts">>, <<"rooms">>, <<"memberships">>, <<"memberships_joining">>, <<"memberships_joined">>,
     <<"memberships_away">>, <<"memberships_leaving">>, <<"memberships_out">>, <<"sessions">>,
     <<"occupants">>, <<"bytes">>, <<"joins">>, <<"attaches">>, <<"forks">>, <<"repairs">>,
     <<"changes_waiting">>, <<"archive_waiting">>, <<"archive_lost">>].

-spec figures(binary()) -> figures().
figures(Host) ->
    State = minimix_state:find(Host),
    #{accounts := Accounts, rooms := Rooms, joining := Joining, joined := Joined, away := Away,
      leaving := Leaving, out := Out, sessions := Sessions, occupants := Occupants, bytes := Bytes,
      joins := Joins, attaches := Attaches, forks := Forks, repairs := Repairs} =
        minimix_door:counts(State),
    #{waiting := Waiting, lost := Lost} = minimix_archive:figures(State),
    #{<<"accounts">> => Accounts,
      <<"rooms">> => Rooms,
      <<"memberships">> => Joining + Joined + Away + Leaving + Out,
      <<"memberships_joining">> => Joining,
      <<"memberships_joined">> => Joined,
      <<"memberships_away">> => Away,
      <<"memberships_leaving">> => Leaving,
      <<"memberships_out">> => Out,
      <<"sessions">> => Sessions,
      <<"occupants">> => Occupants,
      <<"bytes">> => Bytes,
      <<"joins">> => Joins,
      <<"attaches">> => Attaches,
      <<"forks">> => Forks,
      <<"repairs">> => Repairs,
      <<"changes_waiting">> => minimix_store:waiting(Host),
      <<"archive_waiting">> => Waiting,
      <<"archive_lost">> => Lost}.

-spec plus(figures(), figures()) -> figures().
plus(Some, Others) ->
    maps:merge_with(fun(_Name, A, B) -> A + B end, Some, Others).

by_count(Waiting) ->
    lists:reverse(lists:keysort(2, maps:to_list(Waiting))).
