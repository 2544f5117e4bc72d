%%% What a virtual host keeps while the module runs: the core, and the index of managed rooms.
%%%
%%% The index says which stanzas are ours. It lives in Erlang, so that it holds when the core
%%% fails: then nothing leaks from a full JID to a room that knows the account, and nothing of
%%% such a room is bounced. A process without any other duty owns both, so that neither dies of
%%% somebody else's mistake.
-module(minimix_state).
-behaviour(gen_server).

-export([find/1, core/1, renew/2, forget_older/1, manage/4, unmanage/4, is_managed/3, is_managed/4, managed/1]).
-export([is_occupant/3, occupant/3]).
-export([watch/3, unwatch/2, watched/1]).
-export([set_serving/2, is_serving/1]).
-export([wish/3, set_wish/4, forget_wishes/2, forget_old_wishes/1, begin_query/2, end_query/2]).
-export([bar/2, unbar/2, is_barred/2]).
-export([init/1, handle_call/3, handle_cast/2, terminate/2]).
-export_type([state/0]).

-include_lib("xmpp/include/jid.hrl").

%% With the time at which the core began, in microseconds: what it manages has later numbers.
-type state() ::
        #{core := minimix_nif:core(),
          index := ets:tid(),
          since := pos_integer(),
          archive := minimix_archive:archive()}.

%% Seconds for which it is remembered what a person wants to be archived.
-define(REMEMBERED, 60).
%% Queries of one stream that are answered at the same time.
-define(QUERIES, 4).

%% @doc The state of a host, unless the module does not run there.
-spec find(binary()) -> state() | undefined.
find(Host) ->
    persistent_term:get({?MODULE, Host}, undefined).

-spec core(state()) -> minimix_nif:core().
core(#{core := Core}) ->
    Core.

%% @doc A core that knows nothing takes over. What was managed is so until forget_older/1.
-spec renew(binary(), minimix_nif:config()) -> ok.
renew(Host, Config) ->
    #{index := Index} = find(Host),
    begin_with(Host, Config, Index).

%% @doc What an earlier core has managed is over.
-spec forget_older(state()) -> non_neg_integer().
forget_older(#{index := Index, since := Since}) ->
    ets:select_delete(Index, [{{{'_', '_'}, '$1', '_'}, [{'<', '$1', Since}], [true]}]).

%% @doc The room is managed for the account from now on, which goes there by this address.
-spec manage(state(), Occupant :: jid:jid(), jid:ljid(), pos_integer()) -> true.
manage(#{index := Index}, #jid{lresource = Resource} = Occupant, Room, Epoch) ->
    ets:insert(Index, {{minimix_stanza:account(Occupant), Room}, Epoch, Resource}).

%% @doc The room is no longer managed, unless it was managed anew meanwhile.
-spec unmanage(state(), Account :: binary(), jid:ljid(), pos_integer()) -> true.
unmanage(#{index := Index}, Account, Room, Epoch) ->
    ets:match_delete(Index, {{Account, Room}, Epoch, '_'}).

-spec is_managed(state(), Account :: binary(), jid:ljid()) -> boolean().
is_managed(#{index := Index}, Account, Room) ->
    ets:member(Index, {Account, Room}).

%% @doc Whether it is still managed as it was then.
-spec is_managed(state(), Account :: binary(), jid:ljid(), pos_integer()) -> boolean().
is_managed(#{index := Index}, Account, Room, Epoch) ->
    case ets:lookup(Index, {Account, Room}) of
        [{_, Epoch, _}] -> true;
        _ -> false
    end.

%% @doc Whether this is the address by which the account goes in a managed room.
-spec is_occupant(state(), jid:jid(), jid:ljid()) -> boolean().
is_occupant(State, #jid{lresource = Resource} = Jid, Room) ->
    case occupant(State, Jid, Room) of
        #jid{lresource = Resource} -> true;
        _ -> false
    end.

%% @doc The address by which the account of this JID goes in a room, if that is managed.
-spec occupant(state(), jid:jid(), jid:ljid()) -> jid:jid() | none.
occupant(#{index := Index}, Jid, Room) ->
    case ets:lookup(Index, {minimix_stanza:account(Jid), Room}) of
        [{_, _, Resource}] -> Jid#jid{resource = Resource, lresource = Resource};
        [] -> none
    end.

%% @doc All accounts with the rooms that are managed for them.
-spec managed(state()) -> [{jid:jid(), jid:ljid()}].
managed(#{index := Index}) ->
    [{jid:decode(Account), Room} || {{Account, Room}, _, _} <- ets:tab2list(Index)].

%% @doc Remembers whose stream a process is; whether that is news.
-spec watch(state(), pid(), Account :: binary()) -> boolean().
watch(#{index := Index}, Pid, Account) ->
    ets:insert_new(Index, {Pid, Account}).

%% @doc The account of a stream that ended.
-spec unwatch(state(), pid()) -> [Account :: binary()].
unwatch(#{index := Index}, Pid) ->
    [Account || {_, Account} <- ets:take(Index, Pid)].

-spec watched(state()) -> [pid()].
watched(#{index := Index}) ->
    [Pid || {Pid, _} <- ets:tab2list(Index), is_pid(Pid)].

%% @doc Whether sessions may join through the module.
-spec set_serving(state(), boolean()) -> true.
set_serving(#{index := Index}, IsServing) ->
    ets:insert(Index, {serving, IsServing}).

-spec is_serving(state()) -> boolean().
is_serving(#{index := Index}) ->
    ets:lookup(Index, serving) =:= [{serving, true}].

%% @doc The account is removed: what its sessions still say must not bring it into a room.
-spec bar(state(), Account :: binary()) -> true.
bar(#{index := Index}, Account) ->
    ets:insert(Index, {{barred, Account}}).

-spec unbar(state(), Account :: binary()) -> true.
unbar(#{index := Index}, Account) ->
    ets:delete(Index, {barred, Account}).

-spec is_barred(state(), Account :: binary()) -> boolean().
is_barred(#{index := Index}, Account) ->
    ets:member(Index, {barred, Account}).

%% @doc Whether the person wants to have groupchat of this room archived, if that is known.
-spec wish(state(), Account :: binary(), jid:ljid()) -> boolean() | unknown.
wish(#{index := Index}, Account, Room) ->
    case ets:lookup(Index, {wish, Account, Room}) of
        [{_, Wish, Until}] -> remembered(Wish, Until);
        [] -> unknown
    end.

remembered(Wish, Until) ->
    case erlang:monotonic_time(second) < Until of
        true -> Wish;
        false -> unknown
    end.

-spec set_wish(state(), Account :: binary(), jid:ljid(), boolean()) -> ok.
set_wish(#{index := Index}, Account, Room, Wish) ->
    true = ets:insert(Index, {{wish, Account, Room}, Wish, erlang:monotonic_time(second) + ?REMEMBERED}),
    ok.

-spec forget_wishes(state(), Account :: binary()) -> ok.
forget_wishes(#{index := Index}, Account) ->
    true = ets:match_delete(Index, {{wish, Account, '_'}, '_', '_'}),
    ok.

-spec forget_old_wishes(state()) -> ok.
forget_old_wishes(#{index := Index}) ->
    Now = erlang:monotonic_time(second),
    _ = ets:select_delete(Index, [{{{wish, '_', '_'}, '_', '$1'}, [{'<', '$1', Now}], [true]}]),
    ok.

%% @doc A stream asks for what takes long; whether it may.
-spec begin_query(state(), pid()) -> boolean().
begin_query(#{index := Index} = State, Pid) ->
    case ets:update_counter(Index, {queries, Pid}, 1, {{queries, Pid}, 0}) =< ?QUERIES of
        true ->
            true;
        false ->
            ok = end_query(State, Pid),
            false
    end.

-spec end_query(state(), pid()) -> ok.
end_query(#{index := Index}, Pid) ->
    _ = ets:update_counter(Index, {queries, Pid}, -1, {{queries, Pid}, 1}),
    true = ets:delete_object(Index, {{queries, Pid}, 0}),
    ok.

%%% gen_server

-spec init([binary() | minimix_nif:config()]) -> {ok, binary()}.
init([Host, Config]) ->
    process_flag(trap_exit, true),
    Index = ets:new(?MODULE, [public, {read_concurrency, true}, {write_concurrency, true}]),
    ok = begin_with(Host, Config, Index),
    {ok, Host}.

begin_with(Host, Config, Index) ->
    %% The core counts from the millisecond in which a room begins.
    Since = erlang:system_time(millisecond) * 1_000,
    Archive = case find(Host) of
                  #{archive := Known} -> Known;
                  undefined -> minimix_archive:new()
              end,
    persistent_term:put({?MODULE, Host}, #{core => minimix_nif:new(Config), index => Index, since => Since,
                                           archive => Archive}).

-spec handle_call(term(), gen_server:from(), binary()) -> {stop, {unexpected_call, term()}, binary()}.
handle_call(Request, _From, Host) ->
    {stop, {unexpected_call, Request}, Host}.

-spec handle_cast(term(), binary()) -> {stop, {unexpected_cast, term()}, binary()}.
handle_cast(Request, Host) ->
    {stop, {unexpected_cast, Request}, Host}.

-spec terminate(term(), binary()) -> boolean().
terminate(_Reason, Host) ->
    persistent_term:erase({?MODULE, Host}).
