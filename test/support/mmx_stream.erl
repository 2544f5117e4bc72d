%% One end of an XML stream: the socket, the parser and the negotiation, for the process that opens it.
-module(mmx_stream).

-export([open/4, bind/2, enable_sm/1, resume_sm/3, write/2, parse/2, cut/1]).

-include_lib("fast_xml/include/fxml.hrl").

-record(link, {socket :: gen_tcp:socket(), parser :: fxml_stream:xml_stream_state(), host :: binary()}).
-opaque link() :: #link{}.
-export_type([link/0]).

-define(PATIENCE, 10_000).
-define(NS_SM, "urn:xmpp:sm:3").

%% Opens a stream and authenticates. From then on its elements come as {xmlstreamelement, El}.
-spec open(inet:port_number(), binary(), binary(), binary()) -> link().
open(Port, Host, User, Password) ->
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, true}, {nodelay, true}]),
    Link = #link{socket = Socket, parser = fxml_stream:new(self(), infinity, [no_gen_server]), host = Host},
    ok = header(Link),
    #xmlel{name = <<"stream:features">>} = next(Link),
    Plain = base64:encode(<<0, User/binary, 0, Password/binary>>),
    ok = write(Link, ["<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>", Plain, "</auth>"]),
    #xmlel{name = <<"success">>} = next(Link),
    Restarted = Link#link{parser = fxml_stream:reset(Link#link.parser)},
    ok = header(Restarted),
    #xmlel{name = <<"stream:features">>} = next(Restarted),
    Restarted.

header(#link{host = Host} = Link) ->
    write(Link, [
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0' xml:lang='en' ",
        "xmlns:stream='http://etherx.jabber.org/streams' to='", Host, "'>"
    ]).

-spec bind(link(), binary()) -> binary().
bind(Link, Resource) ->
    ok = write(Link, [
        "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>",
        "<resource>", Resource, "</resource></bind></iq>"
    ]),
    Answer = next(Link),
    fxml:get_path_s(Answer, [{elem, <<"bind">>}, {elem, <<"jid">>}, cdata]).

-spec enable_sm(link()) -> binary().
enable_sm(Link) ->
    ok = write(Link, "<enable xmlns='" ?NS_SM "' resume='true'/>"),
    #xmlel{name = <<"enabled">>} = Enabled = next(Link),
    mmx_stanza:attr(Enabled, id).

-spec resume_sm(link(), binary(), non_neg_integer()) -> ok | {error, #xmlel{}}.
resume_sm(Link, Id, Received) ->
    ok = write(Link, ["<resume xmlns='" ?NS_SM "' previd='", Id, "' h='", integer_to_binary(Received), "'/>"]),
    case next(Link) of
        #xmlel{name = <<"resumed">>} -> ok;
        Failed -> {error, Failed}
    end.

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
write(#link{socket = Socket}, Text) ->
    case gen_tcp:send(Socket, Text) of
        ok -> ok;
        %% The end of the stream is on its way to the reader.
        {error, closed} -> ok
    end.

%% The parser is a handle: what it has read it keeps to itself.
-spec parse(link(), binary()) -> ok.
parse(#link{parser = Parser}, Data) ->
    _ = fxml_stream:parse(Parser, Data),
    ok.

-spec cut(link()) -> ok.
cut(#link{socket = Socket}) ->
    gen_tcp:close(Socket).
