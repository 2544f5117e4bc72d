%% An app server, as a component of the server (XEP-0114, XEP-0357): it takes every notification and remembers it.
-module(mmx_component).
-behaviour(gen_server).

-export([listener/2, start/3, stop/1, next/1, notified/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-include_lib("fast_xml/include/fxml.hrl").


-define(SECRET, <<"secret">>).
-define(PATIENCE, 10_000).

-record(state, {
    socket :: gen_tcp:socket(),
    parser :: fxml_stream:xml_stream_state(),
    name :: binary(),
    %% What came, with the last first, and who waits for it.
    came = [] :: [{Node :: binary(), Body :: binary() | undefined}],
    waits = none :: none | gen_server:from()
}).

%% What the server needs to listen for it.
-spec listener(inet:port_number(), binary()) -> map().
listener(Port, Name) ->
    #{port => Port, ip => <<"127.0.0.1">>, module => ejabberd_service, hosts => #{Name => #{password => ?SECRET}}}.

-spec start(mmx_server:server(), inet:port_number(), binary()) -> pid().
start(Server, Port, Name) ->
    ok = mmx_server:wait_until("the server listens for it", fun() -> mmx_server:listens({Port, none}) end),
    {ok, Component} = gen_server:start(?MODULE, {Port, Name}, []),
    ok = mmx_server:wait_until("the server knows it", fun() -> is_known(Server, Name) end),
    Component.

is_known(Server, Name) ->
    lists:member(Name, mmx_server:rpc(Server, ejabberd_router, get_all_routes, [])).

-spec stop(pid()) -> ok.
stop(Component) ->
    gen_server:stop(Component).

%% The next notification: the node that it is for, and what it says was said.
-spec next(pid()) -> {Node :: binary(), Body :: binary() | undefined}.
next(Component) ->
    gen_server:call(Component, next, ?PATIENCE).

%% What has come and was not asked for.
-spec notified(pid()) -> [{Node :: binary(), Body :: binary() | undefined}].
notified(Component) ->
    gen_server:call(Component, notified).

init({Port, Name}) ->
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, true}, {nodelay, true}]),
    ok = gen_tcp:send(Socket, [
        "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' ",
        "xmlns:stream='http://etherx.jabber.org/streams' to='", Name, "'>"
    ]),
    {ok, #state{socket = Socket, parser = fxml_stream:new(self(), infinity, [no_gen_server]), name = Name}}.

handle_call(next, From, State) ->
    {noreply, give(State#state{waits = From})};
handle_call(notified, _From, #state{came = Came} = State) ->
    {reply, lists:reverse(Came), State#state{came = []}}.

handle_cast(Message, State) ->
    {stop, {unexpected, Message}, State}.

handle_info({tcp, Socket, Data}, #state{socket = Socket, parser = Parser} = State) ->
    {noreply, State#state{parser = fxml_stream:parse(Parser, Data)}};
handle_info({xmlstreamstart, _, Attrs}, #state{socket = Socket} = State) ->
    {_, Id} = lists:keyfind(<<"id">>, 1, Attrs),
    Digest = string:lowercase(binary:encode_hex(crypto:hash(sha, [Id, ?SECRET]))),
    ok = gen_tcp:send(Socket, ["<handshake>", Digest, "</handshake>"]),
    {noreply, State};
handle_info({xmlstreamelement, #xmlel{name = <<"iq">>} = Iq}, State) ->
    {noreply, asked(mmx_stanza:type(Iq), Iq, State)};
handle_info({xmlstreamelement, #xmlel{}}, State) ->
    {noreply, State};
handle_info({tcp_closed, Socket}, #state{socket = Socket} = State) ->
    {stop, normal, State}.

asked(<<"set">>, Iq, #state{socket = Socket, name = Name, came = Came} = State) ->
    Answer = mmx_stanza:el(iq, [{type, result}, {from, Name}, {to, mmx_stanza:from(Iq)}, {id, mmx_stanza:attr(Iq, id)}]),
    ok = gen_tcp:send(Socket, fxml:element_to_binary(Answer)),
    give(State#state{came = [notification(Iq) | Came]});
asked(_, _Iq, State) ->
    State.

notification(Iq) ->
    Publish = mmx_stanza:child(mmx_stanza:child(Iq, pubsub), publish),
    Notification = mmx_stanza:child(mmx_stanza:child(Publish, item), notification),
    Fields = [Field || Form <- mmx_stanza:children(Notification, x), Field <- mmx_stanza:children(Form, field)],
    Bodies = [mmx_stanza:cdata(mmx_stanza:child(Field, value)) || Field <- Fields, mmx_stanza:attr(Field, var) =:= <<"last-message-body">>],
    {mmx_stanza:attr(Publish, node), hd(Bodies ++ [undefined])}.

give(#state{came = [_ | _] = Came, waits = Waits} = State) when Waits =/= none ->
    gen_server:reply(Waits, lists:last(Came)),
    State#state{came = lists:droplast(Came), waits = none};
give(State) ->
    State.
