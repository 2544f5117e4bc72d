%%% The clock and the watchman of a virtual host: wakes rooms, hears of streams that were killed,
%%% and sees whether this node is alone.
-module(minimix_host).
-behaviour(gen_server).

-export([wake/3, watch/3, unbar_later/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-include("logger.hrl").
-include_lib("xmpp/include/jid.hrl").

%% Milliseconds that the module's start waits for what is stored, and before that is asked for again.
-define(PATIENCE, 10_000).
-define(PAUSE, 5_000).
%% Milliseconds in which the sessions of an account that is removed end.
-define(LAST_WORDS, 60_000).

%% The one timer of each room that waits for a time.
-type timers() :: #{jid:ljid() => {At :: non_neg_integer(), reference()}}.
-type state() :: {Host :: binary(), timers()}.

%% @doc Brings the time to a room when it has come, or earlier. Milliseconds since the epoch of
%% Unix.
-spec wake(binary(), jid:ljid(), non_neg_integer()) -> ok.
wake(Host, Room, At) ->
    gen_server:cast(name(Host), {wake, Room, At}).

%% @doc Hears of it should this stream be killed.
-spec watch(minimix_state:state(), jid:jid(), pid()) -> ok.
watch(State, #jid{lserver = Host} = Jid, Pid) ->
    case minimix_state:watch(State, Pid, minimix_stanza:account(Jid)) of
        true -> gen_server:cast(name(Host), {watch, Pid});
        false -> ok
    end.

%% @doc The name of an account that is removed may be another account's after a while.
-spec unbar_later(jid:jid()) -> ok.
unbar_later(#jid{lserver = Host} = Account) ->
    gen_server:cast(name(Host), {unbar_later, minimix_stanza:account(Account)}).

name(Host) ->
    gen_mod:get_module_proc(Host, ?MODULE).

-spec init([binary() | gen_mod:opts()]) -> {ok, state()}.
init([Host, _Opts]) ->
    process_flag(trap_exit, true),
    {ok, _} = mnesia:subscribe(system),
    State = minimix_state:find(Host),
    lists:foreach(fun(Pid) -> erlang:monitor(process, Pid) end, minimix_state:watched(State)),
    lists:foreach(fun(Room) -> self() ! {tick, Room} end, minimix_door:rooms(State)),
    WasServing = minimix_state:is_serving(State),
    serve_if_alone(Host),
    await_stored(not WasServing andalso minimix_state:is_serving(State), Host),
    {ok, {Host, #{}}}.

%% A session that joins at once is to find its account on the way back.
await_stored(true, Host) ->
    receive
        {stored, Result} -> stored(Host, Result)
    after ?PATIENCE -> ok
    end;
await_stored(false, _Host) ->
    ok.

-spec handle_call(term(), gen_server:from(), state()) -> {stop, {unexpected_call, term()}, state()}.
handle_call(Request, _From, State) ->
    {stop, {unexpected_call, Request}, State}.

-spec handle_cast({watch, pid()} | {unbar_later, binary()} | {wake, jid:ljid(), non_neg_integer()},
                  state()) -> {noreply, state()}.
handle_cast({watch, Pid}, State) ->
    _ = erlang:monitor(process, Pid),
    {noreply, State};
handle_cast({unbar_later, Account}, State) ->
    _ = erlang:send_after(?LAST_WORDS, self(), {unbar, Account}),
    {noreply, State};
handle_cast({wake, Room, At}, {Host, Timers}) ->
    {noreply, {Host, wake_by(Room, At, Timers)}}.

wake_by(Room, At, Timers) ->
    case Timers of
        #{Room := {Earlier, _}} when Earlier =< At ->
            Timers;
        #{Room := {_, Later}} ->
            _ = erlang:cancel_timer(Later),
            Timers#{Room := {At, start_timer(Room, At)}};
        #{} ->
            Timers#{Room => {At, start_timer(Room, At)}}
    end.

start_timer(Room, At) ->
    Delay = max(0, At - erlang:system_time(millisecond)),
    erlang:start_timer(Delay, self(), Room).

-spec handle_info(term(), state()) -> {noreply, state()}.
handle_info({timeout, Timer, Room}, {Host, Timers}) ->
    case Timers of
        #{Room := {_, Timer}} ->
            ok = tick(Host, Room),
            {noreply, {Host, maps:remove(Room, Timers)}};
        #{} ->
            %% It fired while it was being cancelled.
            {noreply, {Host, Timers}}
    end;
handle_info({tick, Room}, {Host, _} = State) ->
    ok = tick(Host, Room),
    {noreply, State};
handle_info({'DOWN', _, process, Pid, _}, {Host, _} = Own) ->
    State = minimix_state:find(Host),
    Gone = minimix_state:unwatch(State, Pid),
    safely("the end of a stream",
           fun() -> [minimix_door:session_gone(State, jid:decode(Account), Pid, none) || Account <- Gone] end),
    {noreply, Own};
handle_info({unbar, Account}, {Host, _} = State) ->
    true = minimix_state:unbar(minimix_state:find(Host), Account),
    {noreply, State};
handle_info({stored, Result}, {Host, _} = State) ->
    stored(Host, Result),
    {noreply, State};
handle_info(load, {Host, _} = State) ->
    ok = minimix_store:load(Host),
    {noreply, State};
handle_info({mnesia_system_event, {Change, _Node}}, {Host, _} = State)
  when Change =:= mnesia_up; Change =:= mnesia_down ->
    serve_if_alone(Host),
    {noreply, State};
handle_info({mnesia_system_event, _}, State) ->
    {noreply, State}.

-spec terminate(term(), state()) -> ok.
terminate(_Reason, _State) ->
    {ok, _} = mnesia:unsubscribe(system),
    ok.

tick(Host, Room) ->
    safely("time", fun() -> minimix_door:tick(minimix_state:find(Host), Room) end).

%% Restarts of this process are bounded by ejabberd, which ends itself beyond.
safely(What, Fun) ->
    try Fun() of
        _ -> ok
    catch
        Class:Reason:Trace ->
            ?ERROR_MSG("mod_minimix failed on ~ts: ~ts",
                       [What, minimix_failure:text(Class, Reason, Trace)])
    end.

%% The rooms of an account are known on one node only: another one would bounce their stanzas,
%% and rooms expel for that.
serve_if_alone(Host) ->
    State = minimix_state:find(Host),
    case ejabberd_cluster:get_nodes() of
        [_] ->
            WasServing = minimix_state:is_serving(State),
            true = minimix_state:set_serving(State, true),
            WasServing orelse minimix_store:load(Host);
        Nodes ->
            ?WARNING_MSG("mod_minimix serves nobody on ~ts while ~B nodes run: "
                         "accounts join rooms as without it", [Host, length(Nodes)]),
            true = minimix_state:set_serving(State, false),
            minimix_door:stop_all(State)
    end.

%% The store has told the admin what is wrong.
stored(_Host, {error, _Reason}) ->
    _ = erlang:send_after(?PAUSE, self(), load),
    ok;
stored(Host, {ok, Records}) ->
    State = minimix_state:find(Host),
    minimix_state:is_serving(State) andalso restore(State, Host, Records),
    _ = minimix_state:forget_older(State),
    ok.

%% Accounts are taken for present from this moment, lest a room that believes them in be answered
%% with an error; each asks its room when its turn comes.
restore(State, Host, Records) ->
    Records =:= [] orelse
        ?INFO_MSG("mod_minimix brings accounts of ~ts back to ~B rooms", [Host, length(Records)]),
    lists:foreach(
      fun({Account, Room, Record}) ->
              safely("a stored room", fun() -> restore(State, Account, Room, Record) end)
      end, Records).

%% The options may have changed while nothing ran.
restore(State, Account, Room, Record) ->
    ok = minimix_door:restore(State, Account, Room, Record),
    mod_minimix:follows_bookmarks(Account) orelse minimix_door:bookmark(State, Account, Room, none),
    mod_minimix:serves(Account, jid:make(Room)) orelse minimix_door:let_go(State, Account, Room).
