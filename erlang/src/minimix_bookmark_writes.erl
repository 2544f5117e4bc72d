%%% What we write into bookmarks, so that nothing is lost that a client writes at the same time.
%%%
%%% PEP knows no condition for writing. What came between our reading and our writing is heard of
%%% afterwards, and is then put in the place of ours.
-module(minimix_bookmark_writes).

-export([new/0, set_nick/4, settle/4, take_back/2, forget/3]).
-export_type([writes/0]).

-include_lib("xmpp/include/xmpp.hrl").

%% Milliseconds after which what a client wrote at the same time has long been heard of.
-define(SAME_TIME, 10_000).

-type payload() :: minimix_bookmark_item:payload().
-type key() :: {LUser :: binary(), Id :: binary()}.
%% What we wrote of late, and in place of what.
-type writes() :: #{key() => {Before :: xmlel(), Ours :: xmlel(), reference()}}.

-spec new() -> writes().
new() ->
    #{}.

%% @doc The bookmarks of the room, if there are any, get this nick.
-spec set_nick(jid:jid(), jid:ljid(), Nick :: binary(), writes()) -> writes().
set_nick(Account, Room, Nick, Writes) ->
    case minimix_bookmark_node:items(Account, keep) of
        {ok, Items} ->
            Others = [Item || {Id, Payload} = Item <- Items, is_to_change(Id, Payload, Room, Nick)],
            lists:foldl(fun(Item, Acc) -> rename(Account, Item, Nick, Acc) end, Writes, Others);
        {error, no_pubsub} ->
            Writes;
        {error, Reason} ->
            minimix_bookmark_node:complain("read", Account, Reason),
            Writes
    end.

is_to_change(Id, Payload, Room, Nick) ->
    minimix_bookmark_item:room(Id) =:= {ok, Room} andalso
        case minimix_bookmark_item:bookmark(Payload) of
            #{nick := Nick} -> false;
            #{} -> true;
            none -> false
        end.

rename(Account, {Id, Payload}, Nick, Writes) ->
    write(Account, Id, Payload, minimix_bookmark_item:with_nick(Payload, Nick), Writes).

write(#jid{luser = LUser} = Account, Id, Before, Ours, Writes) ->
    case minimix_bookmark_node:publish(Account, Id, Ours) of
        ok ->
            Timer = erlang:start_timer(?SAME_TIME, self(), {LUser, Id}),
            Writes#{{LUser, Id} => {Before, Ours, Timer}};
        {error, Reason} ->
            minimix_bookmark_node:complain("change", Account, Reason),
            Writes
    end.

%% @doc What a client has written: what there is after it.
-spec settle(jid:jid(), Id :: binary(), payload(), writes()) -> {payload(), writes()}.
settle(#jid{luser = LUser} = Account, Id, Theirs, Writes) ->
    case Writes of
        #{{LUser, Id} := {Before, Ours, _}} ->
            case minimix_bookmark_node:item(Account, Id) of
                {ok, Current} -> settle(Account, Id, Before, Ours, Theirs, Current, Writes);
                {error, _} -> {Theirs, Writes}
            end;
        #{} ->
            {Theirs, Writes}
    end.

settle(Account, Id, Before, Ours, Theirs, Current, Writes) ->
    IsLost = minimix_bookmark_item:is_same(Current, Ours)
        andalso not minimix_bookmark_item:is_same(Theirs, Before)
        andalso not minimix_bookmark_item:is_same(Theirs, Ours),
    case IsLost andalso minimix_bookmark_item:merge(Before, Ours, Theirs) of
        false -> {Current, Writes};
        none -> {none, undo(Account, Id, Writes)};
        Merged -> {Merged, write(Account, Id, Theirs, Merged, Writes)}
    end.

undo(#jid{luser = LUser} = Account, Id, Writes) ->
    case minimix_bookmark_node:retract(Account, Id) of
        ok -> ok;
        {error, Reason} -> minimix_bookmark_node:complain("change", Account, Reason)
    end,
    maps:remove({LUser, Id}, Writes).

%% @doc All were taken away: what came later than that was ours.
-spec take_back(jid:jid(), writes()) -> writes().
take_back(#jid{luser = LUser} = Account, Writes) ->
    Ids = [Id || {User, Id} <- maps:keys(Writes), User =:= LUser],
    lists:foldl(fun(Id, Acc) -> element(2, settle(Account, Id, none, Acc)) end, Writes, Ids).

%% @doc The timer of a write has run out, unless there was a later one.
-spec forget(key(), reference(), writes()) -> writes().
forget(Key, Timer, Writes) ->
    case Writes of
        #{Key := {_, _, Timer}} -> maps:remove(Key, Writes);
        #{} -> Writes
    end.
