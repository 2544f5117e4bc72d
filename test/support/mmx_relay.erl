%% Stands for a cable to a port of the loopback, where there is only one network. When it is cut, what is sent
%% vanishes as in a real network: whoever sends is told after a while that nobody answers, whoever does not
%% learns of it when it sends after the cable was mended.
-module(mmx_relay).
-behaviour(gen_server).

-export([start/1, stop/1, port/1, cut/1, mend/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-record(state, {
    target :: inet:port_number(),
    port :: inet:port_number(),
    listener :: gen_tcp:socket() | none,
    is_cut = false :: boolean(),
    %% Both ends of each connection. One that has gone unheard is remembered by the other.
    peers = #{} :: #{gen_tcp:socket() => gen_tcp:socket() | gone},
    %% What was sent since the cut, newest first.
    unanswered = #{} :: #{gen_tcp:socket() => [binary()]}
}).

%% How long the sender of what vanishes believes in the connection, in milliseconds.
-define(GIVEN_UP_AFTER, 3_000).
-define(SOCKET, [binary, {active, false}, {nodelay, true}]).

-spec start(inet:port_number()) -> pid().
start(Target) ->
    {ok, Relay} = gen_server:start(?MODULE, Target, []),
    Relay.

-spec stop(pid()) -> ok.
stop(Relay) ->
    gen_server:stop(Relay).

-spec port(pid()) -> inet:port_number().
port(Relay) ->
    gen_server:call(Relay, port).

-spec cut(pid()) -> ok.
cut(Relay) ->
    gen_server:call(Relay, cut).

-spec mend(pid()) -> ok.
mend(Relay) ->
    gen_server:call(Relay, mend).

-spec init(inet:port_number()) -> {ok, #state{}}.
init(Target) ->
    State = listen(#state{target = Target, port = 0, listener = none}),
    {ok, Port} = inet:port(State#state.listener),
    {ok, State#state{port = Port}}.

listen(#state{port = Port} = State) ->
    {ok, Listener} = gen_tcp:listen(Port, [{ip, {127, 0, 0, 1}}, {reuseaddr, true} | ?SOCKET]),
    Relay = self(),
    _ = spawn_link(fun() -> accept(Relay, Listener) end),
    State#state{listener = Listener}.

accept(Relay, Listener) ->
    case gen_tcp:accept(Listener) of
        {ok, Socket} ->
            ok = gen_tcp:controlling_process(Socket, Relay),
            Relay ! {accepted, Socket},
            accept(Relay, Listener);
        {error, closed} ->
            ok
    end.

-spec handle_call(port | cut | mend, gen_server:from(), #state{}) -> {reply, term(), #state{}}.
handle_call(port, _From, #state{port = Port} = State) ->
    {reply, Port, State};
handle_call(cut, _From, #state{is_cut = false, listener = Listener} = State) ->
    ok = gen_tcp:close(Listener),
    {reply, ok, State#state{listener = none, is_cut = true}};
handle_call(mend, _From, #state{is_cut = true, unanswered = Unanswered} = State) ->
    Mended = listen(State#state{is_cut = false, unanswered = #{}}),
    Late = fun(Socket, Texts, Rest) -> passed(Socket, lists:reverse(Texts), Rest) end,
    {reply, ok, maps:fold(Late, Mended, Unanswered)};
handle_call(_, _From, State) ->
    {reply, ok, State}.

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast(_, State) ->
    {noreply, State}.

-spec handle_info(term(), #state{}) -> {noreply, #state{}}.
handle_info({accepted, Socket}, #state{target = Target, peers = Peers} = State) ->
    case gen_tcp:connect({127, 0, 0, 1}, Target, ?SOCKET) of
        {ok, Peer} ->
            %% Only now: what comes before is not lost.
            [_ = inet:setopts(End, [{active, true}]) || End <- [Socket, Peer]],
            {noreply, State#state{peers = Peers#{Socket => Peer, Peer => Socket}}};
        {error, _} ->
            ok = reset(Socket),
            {noreply, State}
    end;
handle_info({tcp, Socket, Text}, #state{is_cut = true, unanswered = Unanswered} = State) ->
    maps:is_key(Socket, Unanswered) orelse erlang:send_after(?GIVEN_UP_AFTER, self(), {given_up, Socket}),
    Texts = [Text | maps:get(Socket, Unanswered, [])],
    {noreply, State#state{unanswered = Unanswered#{Socket => Texts}}};
handle_info({tcp, Socket, Text}, State) ->
    {noreply, passed(Socket, Text, State)};
handle_info({given_up, Socket}, #state{unanswered = Unanswered} = State) when is_map_key(Socket, Unanswered) ->
    ok = reset(Socket),
    {noreply, unheard(Socket, State)};
handle_info({tcp_closed, Socket}, #state{is_cut = true} = State) ->
    {noreply, unheard(Socket, State)};
handle_info({tcp_closed, Socket}, #state{peers = Peers} = State) ->
    case maps:take(Socket, Peers) of
        {gone, Rest} -> {noreply, State#state{peers = Rest}};
        {Peer, Rest} -> ok = gen_tcp:close(Peer), {noreply, State#state{peers = maps:remove(Peer, Rest)}};
        error -> {noreply, State}
    end;
handle_info(_, State) ->
    {noreply, State}.

%% The other end does not learn that this one has gone.
unheard(Socket, #state{peers = Peers, unanswered = Unanswered} = State) ->
    Left = State#state{unanswered = maps:remove(Socket, Unanswered)},
    case maps:take(Socket, Peers) of
        {gone, Rest} -> Left#state{peers = Rest};
        {Peer, Rest} -> Left#state{peers = Rest#{Peer => gone}};
        error -> Left
    end.

passed(Socket, Text, #state{peers = Peers} = State) ->
    case Peers of
        #{Socket := gone} ->
            ok = reset(Socket),
            State#state{peers = maps:remove(Socket, Peers)};
        #{Socket := Peer} ->
            %% An end that is closed is told of by itself.
            _ = gen_tcp:send(Peer, Text),
            State;
        #{} ->
            State
    end.

%% It may have gone by itself.
reset(Socket) ->
    _ = inet:setopts(Socket, [{linger, {true, 0}}]),
    gen_tcp:close(Socket).
