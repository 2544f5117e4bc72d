%% An XMPP client on a real socket, as tests see it. It lives no longer than the process that connected it.
-module(mmx_client).

-export([connect/2, connect/3, resume/1, close/1, kill/1, abandon/1, going_offline/1]).
-export([send/2, recv/1, recv/2, recv_until/2, take/2, take_with/3, queued/1, closed/1]).
-export([request/2, sync/1, sync/2, drain/1, acknowledge/1]).
-export([jid/1, account/1, nick_in/2, transcript/1, server/1]).

-include_lib("fast_xml/include/fxml.hrl").

-type client() :: pid().
-type options() :: #{
    host => binary(),
    %% Another server than the one under test, whose accounts need not be made.
    at => mmx_stream:address(),
    password => binary(),
    presence => boolean() | #xmlel{},
    %% Stream management; the number is for how many seconds the server is to wait for a lost session.
    sm => boolean() | pos_integer(),
    %% Whether the client answers when it is asked what it has received; with acknowledge/1 it says so anyway.
    acks => boolean(),
    raw => boolean(),
    over => mmx_stream:transport(),
    %% Binds by XEP-0386 with this tag, on this device; with stream management.
    bind2 => {Tag :: binary(), Device :: binary()}
}.
-export_type([client/0, options/0]).

-define(PATIENCE, 10_000).

%% Who is "user/resource"; an account that is missing is made.
-spec connect(mmx_server:server(), iodata()) -> client().
connect(Server, Who) ->
    connect(Server, Who, #{}).

-spec connect(mmx_server:server(), iodata(), options()) -> client().
connect(Server, Who, Options) ->
    [User, Resource] = binary:split(iolist_to_binary(Who), <<"/">>),
    Host = maps:get(host, Options, mmx_server:host(Server)),
    maps:is_key(at, Options) orelse mmx_server:register(Server, User, Host),
    {ok, Client} = gen_server:start(mmx_client_proc, {self(), Server, User, Options#{host => Host}}, []),
    ok = call(Client, {connect, Resource}),
    case maps:get(presence, Options, true) of
        false -> ok;
        true -> send(Client, mmx_stanza:presence(none, []));
        Presence -> send(Client, Presence)
    end,
    %% The answer comes after the presence was dealt with, and what else came stays in the queue.
    _ = request(Client, ping(none)),
    Client.

%% Comes back with stream management after kill/1, as the same session.
-spec resume(client()) -> ok.
resume(Client) ->
    call(Client, resume).

%% Says goodbye and waits for the server's.
-spec close(client()) -> ok.
close(Client) ->
    send(Client, "</stream:stream>"),
    _ = closed(Client),
    gen_server:stop(Client).

%% Cuts the connection without a word. What was received can still be read.
-spec kill(client()) -> ok.
kill(Client) ->
    call(Client, kill).

%% For what a test leaves behind: ends the session, in whatever state it is.
-spec abandon(client()) -> ok.
abandon(Client) ->
    case is_process_alive(Client) of
        true -> call(Client, abandon);
        false -> ok
    end.

-spec going_offline(client()) -> ok.
going_offline(Client) ->
    send(Client, mmx_stanza:presence(none, unavailable, [])),
    _ = request(Client, ping(none)),
    ok.

-spec send(client(), #xmlel{} | iodata()) -> ok.
send(Client, #xmlel{} = Stanza) -> send(Client, fxml:element_to_binary(Stanza));
send(Client, Text) -> ok = call(Client, {send, Text}).

%% The next stanza, in the order of the stream.
-spec recv(client()) -> #xmlel{}.
recv(Client) ->
    recv(Client, ?PATIENCE).

-spec recv(client(), timeout()) -> #xmlel{}.
recv(Client, Timeout) ->
    take_with(Client, fun([Next | Rest]) -> {Next, Rest}; ([]) -> more end, Timeout).

%% Everything up to the stanza that is waited for, which comes last.
-spec recv_until(client(), fun((#xmlel{}) -> boolean())) -> [#xmlel{}, ...].
recv_until(Client, IsIt) ->
    Until = fun(Queue) ->
        case lists:splitwith(fun(Stanza) -> not IsIt(Stanza) end, Queue) of
            {_, []} -> more;
            {Before, [It | Rest]} -> {Before ++ [It], Rest}
        end
    end,
    take_with(Client, Until, ?PATIENCE).

%% The first stanza of a kind; the others stay in the queue.
-spec take(client(), fun((#xmlel{}) -> boolean())) -> #xmlel{}.
take(Client, IsIt) ->
    First = fun(Queue) ->
        case lists:splitwith(fun(Stanza) -> not IsIt(Stanza) end, Queue) of
            {_, []} -> more;
            {Before, [It | Rest]} -> {It, Before ++ Rest}
        end
    end,
    take_with(Client, First, ?PATIENCE).

-spec take_with(client(), mmx_client_proc:taker(Result), timeout()) -> Result.
take_with(Client, Taker, Timeout) ->
    case call(Client, {take, Taker, Timeout}) of
        {taken, Result} -> Result;
        {nothing_in_time, Queue} -> error({nothing_in_time, jid(Client), mmx_stanza:to_text(Queue)})
    end.

%% What has come so far, without waiting for anything.
-spec queued(client()) -> [#xmlel{}].
queued(Client) ->
    take_with(Client, fun(Queue) -> {Queue, []} end, 0).

%% Waits for the end of the stream, and gives what came before it.
-spec closed(client()) -> [#xmlel{}].
closed(Client) ->
    lists:droplast(recv_until(Client, fun(El) -> El#xmlel.name =:= <<"stream:end">> end)).

%% Sends an IQ and gives its answer; what else comes stays in the queue.
-spec request(client(), #xmlel{}) -> #xmlel{}.
request(Client, Request) ->
    ok = send(Client, Request),
    Id = mmx_stanza:attr(Request, id),
    take(Client, fun(Stanza) -> is_answer(Stanza, Id) end).

is_answer(#xmlel{name = <<"iq">>} = Iq, Id) ->
    mmx_stanza:attr(Iq, id) =:= Id andalso lists:member(mmx_stanza:type(Iq), [<<"result">>, <<"error">>]);
is_answer(_, _) ->
    false.

%% Asks the own server, and gives what came before its answer. An empty list says that the server had
%% nothing for this client. What a room has not dealt with yet is another matter: see mmx_muc:marker/3.
-spec sync(client()) -> [#xmlel{}].
sync(Client) ->
    sync_with(Client, ping(none)).

%% Asks a room or another entity; it answers after what it did before.
-spec sync(client(), binary()) -> [#xmlel{}].
sync(Client, Jid) ->
    sync_with(Client, mmx_stanza:iq(Jid, get, [query(<<"http://jabber.org/protocol/disco#info">>)])).

sync_with(Client, Request) ->
    ok = send(Client, Request),
    Id = mmx_stanza:attr(Request, id),
    lists:droplast(recv_until(Client, fun(Stanza) -> is_answer(Stanza, Id) end)).

ping(To) ->
    mmx_stanza:iq(To, get, [mmx_stanza:el(ping, [{xmlns, <<"urn:xmpp:ping">>}])]).

query(Namespace) ->
    mmx_stanza:el(query, [{xmlns, Namespace}]).

-spec drain(client()) -> ok.
drain(Client) ->
    _ = sync(Client),
    ok.

%% Tells the server what was received, as stream management does.
-spec acknowledge(client()) -> ok.
acknowledge(Client) ->
    call(Client, acknowledge).

-spec jid(client()) -> binary().
jid(Client) -> call(Client, jid).

-spec account(client()) -> binary().
account(Client) -> mmx_stanza:bare(jid(Client)).

-spec server(client()) -> mmx_server:server().
server(Client) -> call(Client, server).

%% The nick of the last self-presence from the room.
-spec nick_in(client(), binary()) -> binary() | undefined.
nick_in(Client, Room) -> call(Client, {nick_in, Room}).

-spec transcript(client()) -> iodata().
transcript(Client) -> call(Client, transcript).

call(Client, Request) ->
    gen_server:call(Client, Request, infinity).

