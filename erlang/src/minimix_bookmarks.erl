%%% Follows the bookmarks of the accounts of a virtual host (XEP-0402), and writes into them which
%%% nick an account has got.
%%%
%%% One process for all, so that changes reach the door in their order. It calls databases, nobody
%%% waits for it.
-module(minimix_bookmarks).
-behaviour(gen_server).

-export([changed/2, reconcile/1, reconcile_all/1, set_nick/3, read_all/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export_type([event/0]).

-include("logger.hrl").
-include_lib("xmpp/include/xmpp.hrl").

-type event() ::
        {published, LUser :: binary(), Id :: binary(), [xmlel()]}
      | {retracted, LUser :: binary(), Id :: binary()}
      | {purged | deleted, LUser :: binary()}.

-type state() :: {Host :: binary(), minimix_bookmark_writes:writes()}.

%% @doc Something happened to an account's bookmarks. What this process itself does is no news.
-spec changed(Host :: binary(), event()) -> ok.
changed(Host, Event) ->
    Follower = name(Host),
    case whereis(Follower) =:= self() of
        true -> ok;
        false -> gen_server:cast(Follower, Event)
    end.

%% @doc Brings all bookmarks of an account to the door, and that others are gone.
-spec reconcile(jid:jid()) -> ok.
reconcile(#jid{luser = LUser, lserver = Host}) ->
    gen_server:cast(name(Host), {reconcile, LUser, convert}).

%% @doc Does so for all accounts that are online.
-spec reconcile_all(Host :: binary()) -> ok.
reconcile_all(Host) ->
    Online = lists:usort([{U, S} || {U, S, _} <- ejabberd_sm:get_vh_session_list(Host)]),
    lists:foreach(fun({U, S}) -> reconcile(jid:make(U, S)) end, Online).

%% @doc The account has got this nick in the room: its bookmark, if there is one, is to say so.
-spec set_nick(jid:jid(), jid:ljid(), Nick :: binary()) -> ok.
set_nick(#jid{luser = LUser, lserver = Host}, Room, Nick) ->
    gen_server:cast(name(Host), {set_nick, LUser, Room, Nick}).

%% @doc All bookmarks of an account, those in legacy storages, too. Calls the database.
-spec read_all(jid:jid()) -> {ok, [{jid:ljid(), minimix_bookmark_item:bookmark()}]} | {error, term()}.
read_all(Account) ->
    read_all(Account, convert).

read_all(Account, Legacy) ->
    case minimix_bookmark_node:items(Account, Legacy) of
        {ok, Items} -> {ok, maps:to_list(maps:from_list(lists:flatmap(fun bookmarked/1, Items)))};
        {error, _} = Error -> Error
    end.

bookmarked({Id, Payload}) ->
    case {minimix_bookmark_item:room(Id), minimix_bookmark_item:bookmark(Payload)} of
        {{ok, Room}, #{} = Bookmark} -> [{Room, Bookmark}];
        {_, _} -> []
    end.

name(Host) ->
    gen_mod:get_module_proc(Host, ?MODULE).

-spec init([binary() | gen_mod:opts()]) -> {ok, state()}.
init([Host, _Opts]) ->
    ok = reconcile_all(Host),
    {ok, {Host, minimix_bookmark_writes:new()}}.

-spec handle_call(term(), gen_server:from(), state()) -> {stop, unexpected_call, state()}.
handle_call(_Request, _From, State) ->
    {stop, unexpected_call, State}.

-spec handle_cast(event() | tuple(), state()) -> {noreply, state()}.
handle_cast(Event, {Host, Writes}) ->
    case gen_mod:get_module_opt(Host, mod_minimix, bookmarks) of
        true -> {noreply, {Host, safely(Event, minimix_state:find(Host), Host, Writes)}};
        false -> {noreply, {Host, Writes}}
    end.

-spec handle_info(term(), state()) -> {noreply, state()}.
handle_info({timeout, Timer, Key}, {Host, Writes}) ->
    {noreply, {Host, minimix_bookmark_writes:forget(Key, Timer, Writes)}};
handle_info(_, State) ->
    {noreply, State}.

%% Passwords are in bookmarks: of what was raised, and with which arguments, nothing is logged.
safely(Event, State, Host, Writes) ->
    try handle(Event, State, jid:make(element(2, Event), Host), Writes)
    catch
        Class:_:Trace ->
            Where = [{M, F} || {M, F, _, _} <- lists:sublist(Trace, 5)],
            ?ERROR_MSG("mod_minimix failed on a bookmark of ~ts@~ts (~ts): ~0p",
                       [element(2, Event), Host, Class, Where]),
            Writes
    end.

handle({published, _, Id, Payload}, State, Account, Writes) ->
    item_changed(State, Account, Id, hd(Payload ++ [none]), Writes);
handle({retracted, _, Id}, State, Account, Writes) ->
    item_changed(State, Account, Id, none, Writes);
handle({deleted, _}, State, Account, Writes) ->
    %% To read the node now could bring it back.
    Kept = minimix_bookmark_writes:take_back(Account, Writes),
    tell(State, Account, gone(minimix_door:bookmarked_rooms(State, Account))),
    Kept;
handle({purged, _}, State, Account, Writes) ->
    Kept = minimix_bookmark_writes:take_back(Account, Writes),
    reconcile(State, Account, keep),
    Kept;
handle({reconcile, _, Legacy}, State, Account, Writes) ->
    reconcile(State, Account, Legacy),
    Writes;
handle({set_nick, _, Room, Nick}, _State, Account, Writes) ->
    minimix_bookmark_writes:set_nick(Account, Room, Nick, Writes).

item_changed(State, Account, Id, Payload, Writes) ->
    case minimix_bookmark_item:room(Id) of
        {ok, Room} ->
            {Settled, Writes1} = minimix_bookmark_writes:settle(Account, Id, Payload, Writes),
            Bookmark = or_another(minimix_bookmark_item:bookmark(Settled), Account, Id, Room),
            tell(State, Account, [{Room, Bookmark}]),
            Writes1;
        none ->
            Writes
    end.

%% Several ids name one room: they may be written in capitals.
or_another(none, Account, Id, Room) ->
    case minimix_bookmark_node:items(Account, keep) of
        {ok, Items} -> proplists:get_value(Room, lists:flatmap(fun bookmarked/1, lists:keydelete(Id, 1, Items)), none);
        {error, _} -> none
    end;
or_another(Bookmark, _Account, _Id, _Room) ->
    Bookmark.

reconcile(State, Account, Legacy) ->
    case read_all(Account, Legacy) of
        {ok, Bookmarks} ->
            {Rooms, _} = lists:unzip(Bookmarks),
            tell(State, Account, gone(minimix_door:bookmarked_rooms(State, Account) -- Rooms)),
            tell(State, Account, Bookmarks);
        {error, no_pubsub} ->
            ok;
        {error, Reason} ->
            minimix_bookmark_node:complain("read", Account, Reason)
    end.

gone(Rooms) ->
    [{Room, none} || Room <- Rooms].

tell(State, Account, Bookmarks) ->
    lists:foreach(fun({Room, Bookmark}) -> ok = minimix_door:bookmark(State, Account, Room, Bookmark) end, Bookmarks).
