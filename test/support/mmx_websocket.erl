%% An XML stream over a WebSocket (RFC 7395), which its owner sees as one over TCP.
-module(mmx_websocket).
-behaviour(gen_server).

-export([connect/3, send/2, close/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-record(state, {owner :: pid(), socket :: gen_tcp:socket(), input = <<>> :: binary()}).

-define(NS_FRAMING, "urn:ietf:params:xml:ns:xmpp-framing").
-define(PATIENCE, 10_000).
-define(TEXT, 1).
-define(CLOSE, 8).

-spec connect(inet:ip_address(), inet:port_number(), [gen_tcp:connect_option()]) -> {ok, pid()}.
connect(Address, Port, _Options) ->
    gen_server:start(?MODULE, {self(), Address, Port}, []).

-spec send(pid(), iodata()) -> ok | {error, closed}.
send(Pid, Text) ->
    try gen_server:call(Pid, {send, frame_of(iolist_to_binary(Text))})
    catch exit:_ -> {error, closed}
    end.

%% Without a word to the server.
-spec close(pid()) -> ok.
close(Pid) ->
    _ = catch gen_server:stop(Pid),
    ok.

frame_of(<<"<?xml", _/binary>> = Header) ->
    {match, [Host]} = re:run(Header, " to='([^']*)'", [{capture, all_but_first, binary}]),
    ["<open xmlns='" ?NS_FRAMING "' version='1.0' xml:lang='en' to='", Host, "'/>"];
frame_of(<<"</stream:stream>">>) ->
    "<close xmlns='" ?NS_FRAMING "'/>";
frame_of(Stanza) ->
    Stanza.

-spec init({pid(), inet:ip_address(), inet:port_number()}) -> {ok, #state{}}.
init({Owner, Address, Port}) ->
    _ = monitor(process, Owner),
    {ok, Socket} = gen_tcp:connect(Address, Port, [binary, {active, false}, {nodelay, true}]),
    ok = gen_tcp:send(Socket, [
        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: xmpp\r\n",
        "Sec-WebSocket-Key: ", base64:encode(rand:bytes(16)), "\r\n\r\n"
    ]),
    Input = upgraded(Socket, <<>>),
    ok = inet:setopts(Socket, [{active, true}]),
    {ok, #state{owner = Owner, socket = Socket, input = Input}}.

upgraded(Socket, Read) ->
    case binary:split(Read, <<"\r\n\r\n">>) of
        [<<"HTTP/1.1 101", _/binary>>, Input] ->
            Input;
        [_] ->
            {ok, More} = gen_tcp:recv(Socket, 0, ?PATIENCE),
            upgraded(Socket, <<Read/binary, More/binary>>)
    end.

-spec handle_call({send, iodata()}, gen_server:from(), #state{}) -> {reply, ok | {error, closed}, #state{}}.
handle_call({send, Text}, _From, #state{socket = Socket} = State) ->
    {reply, gen_tcp:send(Socket, masked(iolist_to_binary(Text))), State}.

%% A mask of zeros is a mask, too.
masked(Text) ->
    Length =
        case byte_size(Text) of
            Short when Short < 126 -> <<Short:7>>;
            Longer when Longer < 16#10000 -> <<126:7, Longer:16>>;
            Long -> <<127:7, Long:64>>
        end,
    [<<1:1, 0:3, ?TEXT:4, 1:1, Length/bitstring, 0:32>>, Text].

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast(_, State) ->
    {noreply, State}.

-spec handle_info(term(), #state{}) -> {noreply, #state{}} | {stop, normal, #state{}}.
handle_info({tcp, _, Data}, #state{input = Input} = State) ->
    frames(State#state{input = <<Input/binary, Data/binary>>});
handle_info({tcp_closed, _}, State) ->
    ended(State);
handle_info({'DOWN', _, process, _, _}, State) ->
    {stop, normal, State}.

frames(#state{input = <<1:1, 0:3, Kind:4, 0:1, 126:7, Length:16, Text:Length/binary, Rest/binary>>} = State) ->
    frame(Kind, Text, State#state{input = Rest});
frames(#state{input = <<1:1, 0:3, Kind:4, 0:1, 127:7, Length:64, Text:Length/binary, Rest/binary>>} = State) ->
    frame(Kind, Text, State#state{input = Rest});
frames(#state{input = <<1:1, 0:3, Kind:4, 0:1, Length:7, Text:Length/binary, Rest/binary>>} = State) when Length < 126 ->
    frame(Kind, Text, State#state{input = Rest});
frames(State) ->
    {noreply, State}.

frame(?TEXT, Text, #state{owner = Owner} = State) ->
    Owner ! {tcp, self(), stream_of(Text)},
    frames(State);
frame(?CLOSE, _, State) ->
    ended(State);
frame(_, _, State) ->
    frames(State).

stream_of(<<"<open", _/binary>>) ->
    <<"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>">>;
stream_of(<<"<close", _/binary>>) ->
    <<"</stream:stream>">>;
stream_of(Stanza) ->
    Stanza.

ended(#state{owner = Owner} = State) ->
    Owner ! {tcp_closed, self()},
    {stop, normal, State}.
