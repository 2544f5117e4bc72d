%% One end of an XML stream: the socket, the parser and the negotiation, for the process that opens it.
-module(mmx_stream).

-export([socket/1, open/5, open_at_once/6, bind/2, enable_sm/2, resume_sm/3, resumption/2, resumed/1, write/2, parse/2, cut/1]).

-include_lib("fast_xml/include/fxml.hrl").

-record(link, {
    transport :: transport(),
    socket :: gen_tcp:socket() | pid(),
    parser :: fxml_stream:xml_stream_state(),
    host :: binary()
}).
-opaque link() :: #link{}.
%% The others give and take the text of an ordinary stream, and send their owner what gen_tcp would.
-type transport() :: gen_tcp | mmx_websocket | mmx_bosh.
%% A port of this machine, in its own network or in another one.
-type address() :: {inet:port_number(), Network :: none | file:filename()}.
-export_type([link/0, transport/0, address/0]).

-define(PATIENCE, 10_000).
-define(NS_SM, "urn:xmpp:sm:3").
-define(NS_SASL2, "urn:xmpp:sasl:2").
-define(NS_BIND2, "urn:xmpp:bind:0").

%% Connects and waits for nothing.
-spec socket(address()) -> {ok, gen_tcp:socket()} | {error, inet:posix()}.
socket({Port, Network}) ->
    gen_tcp:connect({127, 0, 0, 1}, Port, mmx_link:in_network(Network, [])).

%% Opens a stream and authenticates. From then on its elements come as {xmlstreamelement, El}.
-spec open(transport(), address(), binary(), binary(), binary()) -> link().
open(Transport, Address, Host, User, Password) ->
    Link = connect(Transport, Address, Host),
    ok = header(Link, []),
    #xmlel{name = <<"stream:features">>} = next(Link),
    Plain = base64:encode(<<0, User/binary, 0, Password/binary>>),
    ok = write(Link, ["<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>", Plain, "</auth>"]),
    #xmlel{name = <<"success">>} = next(Link),
    Restarted = Link#link{parser = fxml_stream:reset(Link#link.parser)},
    ok = header(Restarted, []),
    #xmlel{name = <<"stream:features">>} = next(Restarted),
    Restarted.

%% Authenticates and gets a session in one go (XEP-0388, XEP-0386): a new one, or the one that is resumed.
-spec open_at_once(address(), binary(), binary(), binary(), {Tag :: binary(), Device :: binary()}, iodata()) ->
    {link(), Success :: #xmlel{}}.
open_at_once(Address, Host, User, Password, {Tag, Device}, Resume) ->
    Link = connect(gen_tcp, Address, Host),
    ok = header(Link, [" from='", User, "@", Host, "'"]),
    #xmlel{name = <<"stream:features">>} = next(Link),
    Plain = base64:encode(<<0, User/binary, 0, Password/binary>>),
    ok = write(Link, [
        "<authenticate xmlns='" ?NS_SASL2 "' mechanism='PLAIN'><initial-response>", Plain, "</initial-response>",
        "<user-agent id='", Device, "'/>", Resume,
        "<bind xmlns='" ?NS_BIND2 "'><tag>", Tag, "</tag><enable xmlns='" ?NS_SM "' resume='true'/></bind></authenticate>"
    ]),
    #xmlel{name = <<"success">>} = Success = next(Link),
    {Link, Success}.

connect(Transport, {Port, Network}, Host) ->
    Options = mmx_link:in_network(Network, [binary, {active, true}, {nodelay, true}]),
    {ok, Socket} = Transport:connect({127, 0, 0, 1}, Port, Options),
    Parser = fxml_stream:new(self(), infinity, [no_gen_server]),
    #link{transport = Transport, socket = Socket, parser = Parser, host = Host}.

header(#link{host = Host} = Link, Attrs) ->
    write(Link, [
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0' xml:lang='en' ",
        "xmlns:stream='http://etherx.jabber.org/streams' to='", Host, "'", Attrs, ">"
    ]).

-spec bind(link(), binary()) -> binary().
bind(Link, Resource) ->
    ok = write(Link, [
        "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>",
        "<resource>", Resource, "</resource></bind></iq>"
    ]),
    Answer = next(Link),
    fxml:get_path_s(Answer, [{elem, <<"bind">>}, {elem, <<"jid">>}, cdata]).

-spec enable_sm(link(), true | pos_integer()) -> binary().
enable_sm(Link, Wait) ->
    Max = [[" max='", integer_to_binary(Wait), "'"] || Wait =/= true],
    ok = write(Link, ["<enable xmlns='" ?NS_SM "' resume='true'", Max, "/>"]),
    #xmlel{name = <<"enabled">>} = Enabled = next(Link),
    mmx_stanza:attr(Enabled, id).

-spec resume_sm(link(), binary(), non_neg_integer()) -> ok | {error, #xmlel{} | undefined}.
resume_sm(Link, Id, Received) ->
    ok = write(Link, resumption(Id, Received)),
    resumed(next(Link)).

-spec resumption(binary(), non_neg_integer()) -> iodata().
resumption(Id, Received) ->
    ["<resume xmlns='" ?NS_SM "' previd='", Id, "' h='", integer_to_binary(Received), "'/>"].

-spec resumed(#xmlel{} | undefined) -> ok | {error, #xmlel{} | undefined}.
resumed(#xmlel{name = <<"resumed">>}) -> ok;
resumed(Failed) -> {error, Failed}.

%% Answers come one by one, so nothing that was parsed meanwhile is lost: it waits in the mailbox.
next(#link{socket = Socket} = Link) ->
    receive
        {xmlstreamelement, El} ->
            El;
        {tcp, Socket, Data} ->
            ok = parse(Link, Data),
            next(Link);
        {tcp_closed, Socket} ->
            error(closed_during_negotiation)
    after ?PATIENCE -> error(silence_during_negotiation)
    end.

-spec write(link(), iodata()) -> ok.
write(#link{transport = Transport, socket = Socket}, Text) ->
    case Transport:send(Socket, Text) of
        ok -> ok;
        %% The end of the stream is on its way to the reader. What a send meets before that depends on how far
        %% the end has come: a socket whose port is gone already is an invalid one.
        {error, Reason} when Reason =:= closed; Reason =:= einval; Reason =:= enotconn; Reason =:= econnreset; Reason =:= epipe -> ok
    end.

%% The parser is a handle: what it has read it keeps to itself.
-spec parse(link(), binary()) -> ok.
parse(#link{parser = Parser}, Data) ->
    _ = fxml_stream:parse(Parser, Data),
    ok.

-spec cut(link()) -> ok.
cut(#link{transport = Transport, socket = Socket}) ->
    Transport:close(Socket).
