%%% What a virtual host keeps while the module runs: the core, and the index of managed rooms.
%%%
%%% The index says which stanzas are ours. It lives in Erlang, so that it holds when the core
%%% fails: then nothing leaks from a full JID to a room that knows the account, and nothing of
%%% such a room is bounced. A process without any other duty owns both, so that neither dies of
%%% somebody else's mistake.
-module(minimix_state).
-behaviour(gen_server).

-export([find/1, core/1, manage/4, unmanage/4, is_managed/3, watch/3, unwatch/2, watched/1]).
-export([set_serving/2, is_serving/1]).
-export([init/1, handle_call/3, handle_cast/2, terminate/2]).
-export_type([state/0]).

-type state() :: #{core := minimix_nif:core(), index := ets:tid()}.

%% @doc The state of a host, unless the module does not run there.
-spec find(binary()) -> state() | undefined.
find(Host) ->
    persistent_term:get({?MODULE, Host}, undefined).

-spec core(state()) -> minimix_nif:core().
core(#{core := Core}) ->
    Core.

%% @doc The room is managed for the account from now on.
-spec manage(state(), Account :: binary(), jid:ljid(), pos_integer()) -> true.
manage(#{index := Index}, Account, Room, Epoch) ->
    ets:insert(Index, {{Account, Room}, Epoch}).

%% @doc The room is no longer managed, unless it was managed anew meanwhile.
-spec unmanage(state(), Account :: binary(), jid:ljid(), pos_integer()) -> true.
unmanage(#{index := Index}, Account, Room, Epoch) ->
    ets:delete_object(Index, {{Account, Room}, Epoch}).

-spec is_managed(state(), Account :: binary(), jid:ljid()) -> boolean().
is_managed(#{index := Index}, Account, Room) ->
    ets:member(Index, {Account, Room}).

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

%%% gen_server

-spec init([binary() | minimix_nif:config()]) -> {ok, binary()}.
init([Host, Config]) ->
    process_flag(trap_exit, true),
    Index = ets:new(?MODULE, [public, {read_concurrency, true}, {write_concurrency, true}]),
    State = #{core => minimix_nif:new(Config), index => Index},
    persistent_term:put({?MODULE, Host}, State),
    {ok, Host}.

-spec handle_call(term(), gen_server:from(), binary()) -> {stop, {unexpected_call, term()}, binary()}.
handle_call(Request, _From, Host) ->
    {stop, {unexpected_call, Request}, Host}.

-spec handle_cast(term(), binary()) -> {stop, {unexpected_cast, term()}, binary()}.
handle_cast(Request, Host) ->
    {stop, {unexpected_cast, Request}, Host}.

-spec terminate(term(), binary()) -> boolean().
terminate(_Reason, Host) ->
    persistent_term:erase({?MODULE, Host}).
