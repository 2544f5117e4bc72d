%% An XML stream over HTTP requests (XEP-0124, XEP-0206), which its owner sees as one over TCP.
-module(mmx_bosh).
-behaviour(gen_server).

-export([connect/3, send/2, close/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-include_lib("fast_xml/include/fxml.hrl").

%% At most two requests are under way: one that the server keeps until it has something to say,
%% and one by which the client speaks. Their answers are read in the order of the requests.
-record(state, {
    owner :: pid(),
    address :: {inet:ip_address(), inet:port_number()},
    sid = none :: binary() | none,
    %% What waits to be said: attributes of a request of its own, or stanzas.
    unsaid = [] :: [{attrs, iodata()} | {stanza, binary()}],
    %% Whether the next request may follow the last one already.
    is_paced = true :: boolean(),
    next :: pos_integer(),
    read :: pos_integer(),
    answers = #{} :: #{pos_integer() => #xmlel{}}
}).

-define(NS_BODY, "http://jabber.org/protocol/httpbind").
-define(REQUESTS, 2).
%% Milliseconds between two requests: ejabberd forgets about one that overtakes another.
-define(PACE, 20).
-define(PATIENCE, 30_000).

-spec connect(inet:ip_address(), inet:port_number(), [gen_tcp:connect_option()]) -> {ok, pid()}.
connect(Address, Port, _Options) ->
    gen_server:start(?MODULE, {self(), {Address, Port}}, []).

-spec send(pid(), iodata()) -> ok | {error, closed}.
send(Pid, Text) ->
    try gen_server:call(Pid, {send, iolist_to_binary(Text)})
    catch exit:_ -> {error, closed}
    end.

%% Without a word to the server, which finds out when nobody asks it for long.
-spec close(pid()) -> ok.
close(Pid) ->
    _ = catch gen_server:stop(Pid, shutdown, infinity),
    ok.

-spec init({pid(), {inet:ip_address(), inet:port_number()}}) -> {ok, #state{}}.
init({Owner, Address}) ->
    _ = monitor(process, Owner),
    First = 1 + rand:uniform(1_000_000),
    {ok, #state{owner = Owner, address = Address, next = First, read = First}}.

-spec handle_call({send, binary()}, gen_server:from(), #state{}) -> {reply, ok, #state{}}.
handle_call({send, <<"<?xml", _/binary>> = Header}, _From, #state{owner = Owner} = State) ->
    Owner ! {tcp, self(), <<"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>">>},
    {match, [Host]} = re:run(Header, " to='([^']*)'", [{capture, all_but_first, binary}]),
    {reply, ok, say({attrs, start(Host, State)}, State)};
handle_call({send, <<"</stream:stream>">>}, _From, State) ->
    {reply, ok, say({attrs, " type='terminate'"}, State)};
handle_call({send, Text}, _From, State) ->
    {reply, ok, say({stanza, Text}, State)}.

start(Host, #state{sid = none}) ->
    [
        " to='", Host, "' xml:lang='en' wait='1' hold='1' ver='1.6' content='text/xml; charset=utf-8' ",
        "xmpp:version='1.0' xmlns:xmpp='urn:xmpp:xbosh'"
    ];
start(Host, _) ->
    [" to='", Host, "' xmpp:restart='true' xmlns:xmpp='urn:xmpp:xbosh'"].

say(What, #state{unsaid = Unsaid} = State) ->
    speak(State#state{unsaid = Unsaid ++ [What]}).

speak(#state{is_paced = IsPaced, next = Next, read = Read} = State) when not IsPaced; Next - Read >= ?REQUESTS ->
    State;
speak(#state{unsaid = [{attrs, Attrs} | Rest]} = State) ->
    request(Attrs, [], State#state{unsaid = Rest});
speak(#state{unsaid = Unsaid} = State) ->
    {Stanzas, Rest} = lists:splitwith(fun({What, _}) -> What =:= stanza end, Unsaid),
    request([], [Text || {stanza, Text} <- Stanzas], State#state{unsaid = Rest}).

request(Attrs, Children, #state{sid = Sid, next = Next, address = Address} = State) ->
    Session = [[" sid='", Sid, "'"] || Sid =/= none],
    Body = ["<body xmlns='" ?NS_BODY "' rid='", integer_to_list(Next), "'", Session, Attrs, ">", Children, "</body>"],
    Self = self(),
    _ = spawn_link(fun() -> Self ! {answer, Next, post(Address, Body)} end),
    _ = erlang:send_after(?PACE, self(), {paced, Next}),
    State#state{next = Next + 1, is_paced = false}.

post({Address, Port}, Body) ->
    {ok, Socket} = gen_tcp:connect(Address, Port, [binary, {active, false}, {nodelay, true}]),
    ok = gen_tcp:send(Socket, [
        "POST /bosh HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: text/xml; charset=utf-8\r\n",
        "Content-Length: ", integer_to_list(iolist_size(Body)), "\r\n\r\n", Body
    ]),
    [_, Answer] = binary:split(all_of(Socket, []), <<"\r\n\r\n">>),
    ok = gen_tcp:close(Socket),
    #xmlel{name = <<"body">>} = fxml_stream:parse_element(Answer).

all_of(Socket, Read) ->
    case gen_tcp:recv(Socket, 0, ?PATIENCE) of
        {ok, More} -> all_of(Socket, [Read, More]);
        {error, closed} -> iolist_to_binary(Read)
    end.

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast(_, State) ->
    {noreply, State}.

-spec handle_info(term(), #state{}) -> {noreply, #state{}} | {stop, normal, #state{}}.
handle_info({paced, Last}, #state{next = Next} = State) when Next =:= Last + 1 ->
    {noreply, listen(State#state{is_paced = true})};
handle_info({paced, _}, State) ->
    {noreply, State};
handle_info({answer, Number, Body}, #state{answers = Answers} = State) ->
    read(State#state{answers = Answers#{Number => Body}});
handle_info({'DOWN', _, process, _, _}, State) ->
    {stop, normal, State}.

read(#state{read = Read, answers = Answers, owner = Owner} = State) ->
    case maps:take(Read, Answers) of
        error ->
            {noreply, State};
        {#xmlel{children = Children} = Body, Rest} ->
            [Owner ! {tcp, self(), fxml:element_to_binary(Child)} || #xmlel{} = Child <- Children],
            Next = State#state{read = Read + 1, answers = Rest},
            case mmx_stanza:attr(Body, type) of
                <<"terminate">> -> ended(Next);
                _ -> read(listen(introduced(mmx_stanza:attr(Body, sid), Next)))
            end
    end.

introduced(undefined, State) -> State;
introduced(Sid, State) -> State#state{sid = Sid}.

%% The server has to have a request to answer, and what waited to be said goes with it.
listen(#state{next = Next, read = Next} = State) -> speak(State);
listen(#state{unsaid = []} = State) -> State;
listen(State) -> speak(State).

ended(#state{owner = Owner} = State) ->
    Owner ! {tcp, self(), <<"</stream:stream>">>},
    Owner ! {tcp_closed, self()},
    {stop, normal, State}.
