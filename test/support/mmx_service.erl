%% A chat service that says whatever a test makes it say. It lives inside the server under test.
-module(mmx_service).

-export([start/1, received/1, says/2]).
-export([run/2, route/1]).

-include_lib("xmpp/include/xmpp.hrl").

-type fake() :: {mmx_server:server(), pid(), Domain :: binary()}.

-spec start(mmx_server:server()) -> fake().
start(Server) ->
    Domain = <<"fake", (mmx_stanza:unique())/binary, ".example">>,
    Pid = mmx_server:rpc(Server, erlang, spawn, [?MODULE, run, [Domain, mmx_server:host(Server)]]),
    mmx_server:wait_until("the service is known", fun() -> mmx_server:rpc(Server, ejabberd_router, is_my_route, [Domain]) end),
    {Server, Pid, Domain}.

%% The next stanza that came, once it is there.
-spec received(fake()) -> fxml:xmlel().
received({Server, Pid, _}) ->
    mmx_server:rpc(Server, gen_server, call, [Pid, received, 10_000]).

%% Sends a stanza. `SERVICE' in it stands for the domain.
-spec says(fake(), iodata()) -> ok.
says({Server, _, Domain}, Text) ->
    Xml = binary:replace(iolist_to_binary(Text), <<"SERVICE">>, Domain, [global]),
    #xmlel{} = Element = fxml_stream:parse_element(Xml),
    mmx_server:rpc(Server, ?MODULE, route, [Element]).

-spec route(fxml:xmlel()) -> ok.
route(Element) ->
    ejabberd_router:route(xmpp:decode(Element, ?NS_CLIENT, [ignore_els])).

-spec run(binary(), binary()) -> no_return().
run(Domain, Host) ->
    ok = ejabberd_router:register_route(Domain, Host),
    collect([], []).

collect([Stanza | Stanzas], [Waiting | Others]) ->
    gen_server:reply(Waiting, Stanza),
    collect(Stanzas, Others);
collect(Stanzas, Waiting) ->
    receive
        {route, Stanza} -> collect(Stanzas ++ [xmpp:encode(Stanza)], Waiting);
        {'$gen_call', From, received} -> collect(Stanzas, Waiting ++ [From])
    end.
