%%% The clock and the watchman of a virtual host: wakes rooms, hears of streams that were killed,
%%% and sees whether this node is alone.
-module(minimix_host).
-behaviour(gen_server).

-export([wake/3, watch/3]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-include("logger.hrl").
-include_lib("xmpp/include/jid.hrl").

%% @doc Brings the time to a room when it has come. Milliseconds since the epoch of Unix.
-spec wake(binary(), jid:ljid(), non_neg_integer()) -> ok.
wake(Host, Room, At) ->
    case whereis(name(Host)) of
        undefined ->
            ok;
        Pid ->
            Delay = max(0, At - erlang:system_time(millisecond)),
            _ = erlang:send_after(Delay, Pid, {tick, Room}),
            ok
    end.

%% @doc Hears of it should this stream be killed.
-spec watch(minimix_state:state(), jid:jid(), pid()) -> ok.
watch(State, #jid{lserver = Host} = Jid, Pid) ->
    case minimix_state:watch(State, Pid, minimix_stanza:account(Jid)) of
        true -> gen_server:cast(name(Host), {watch, Pid});
        false -> ok
    end.

name(Host) ->
    gen_mod:get_module_proc(Host, ?MODULE).

-spec init([binary() | gen_mod:opts()]) -> {ok, binary()}.
init([Host, _Opts]) ->
    process_flag(trap_exit, true),
    {ok, _} = mnesia:subscribe(system),
    State = minimix_state:find(Host),
    lists:foreach(fun(Pid) -> erlang:monitor(process, Pid) end, minimix_state:watched(State)),
    lists:foreach(fun(Room) -> self() ! {tick, Room} end, minimix_door:rooms(State)),
    serve_if_alone(Host),
    {ok, Host}.

-spec handle_call(term(), gen_server:from(), binary()) -> {stop, {unexpected_call, term()}, binary()}.
handle_call(Request, _From, Host) ->
    {stop, {unexpected_call, Request}, Host}.

-spec handle_cast({watch, pid()}, binary()) -> {noreply, binary()}.
handle_cast({watch, Pid}, Host) ->
    _ = erlang:monitor(process, Pid),
    {noreply, Host}.

-spec handle_info(term(), binary()) -> {noreply, binary()}.
handle_info({tick, Room}, Host) ->
    safely("time", fun() -> minimix_door:tick(minimix_state:find(Host), Room) end),
    {noreply, Host};
handle_info({'DOWN', _, process, Pid, _}, Host) ->
    State = minimix_state:find(Host),
    Gone = minimix_state:unwatch(State, Pid),
    safely("the end of a stream",
           fun() -> [minimix_door:session_gone(State, jid:decode(Account), Pid) || Account <- Gone] end),
    {noreply, Host};
handle_info({mnesia_system_event, {Change, _Node}}, Host)
  when Change =:= mnesia_up; Change =:= mnesia_down ->
    serve_if_alone(Host),
    {noreply, Host};
handle_info({mnesia_system_event, _}, Host) ->
    {noreply, Host}.

-spec terminate(term(), binary()) -> ok.
terminate(_Reason, _Host) ->
    {ok, _} = mnesia:unsubscribe(system),
    ok.

%% Restarts of this process are bounded by ejabberd, which ends itself beyond.
safely(What, Fun) ->
    try Fun() of
        _ -> ok
    catch
        Class:Reason:Trace ->
            ?ERROR_MSG("mod_minimix failed on ~ts: ~ts",
                       [What, misc:format_exception(2, Class, Reason, Trace)])
    end.

%% The rooms of an account are known on one node only: another one would bounce their stanzas,
%% and rooms expel for that.
serve_if_alone(Host) ->
    State = minimix_state:find(Host),
    case ejabberd_cluster:get_nodes() of
        [_] ->
            true = minimix_state:set_serving(State, true);
        Nodes ->
            ?WARNING_MSG("mod_minimix serves nobody on ~ts while ~B nodes run: "
                         "accounts join rooms as without it", [Host, length(Nodes)]),
            true = minimix_state:set_serving(State, false),
            minimix_door:stop_all(State)
    end.
