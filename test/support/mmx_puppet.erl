%% A room service that says only what a test tells it to: for what real ones rarely do.
-module(mmx_puppet).
-behaviour(gen_server).

-export([open/1, joined_by/2, takes/1, waiting/1, says/3, shows/5, recalls/4, ends_telling/3]).
-export([start/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-include_lib("fast_xml/include/fxml.hrl").

%% `known' are the accounts by the address that they came with last.
-record(state, {
    queue = [] :: [#xmlel{}],
    waiter = none :: gen_server:from() | none,
    known = #{} :: #{jid:ljid() => jid:jid()}
}).
-record(puppet, {server :: mmx_server:server(), pid :: pid()}).
-opaque puppet() :: #puppet{}.
-export_type([puppet/0]).

%% A new service, and a room of it.
-spec open(mmx_server:server()) -> {puppet(), Room :: binary()}.
open(Server) ->
    Name = <<"puppet", (integer_to_binary(erlang:unique_integer([positive])))/binary, ".example">>,
    Pid = mmx_server:rpc(Server, ?MODULE, start, [Name, mmx_server:host(Server)]),
    {#puppet{server = Server, pid = Pid}, <<"room@", Name/binary>>}.

%% A new service, and a room of it that these sessions of one account are in.
-spec joined_by(mmx_server:server(), [mmx_client:client(), ...]) -> {puppet(), Room :: binary()}.
joined_by(Server, [First | _] = Sessions) ->
    {Puppet, Room} = open(Server),
    [mmx_muc:ask(Session, Room, <<"alice">>) || Session <- Sessions],
    _ = takes(Puppet),
    shows(Puppet, Room, <<"alice">>, mmx_client:account(First), [110]),
    ends_telling(Puppet, Room, mmx_client:account(First)),
    [mmx_muc:entered(Session, Room) || Session <- Sessions],
    {Puppet, Room}.

%% The next stanza that it was sent.
-spec takes(puppet()) -> #xmlel{}.
takes(#puppet{server = Server, pid = Pid}) ->
    mmx_server:rpc(Server, gen_server, call, [Pid, take, 10_000]).

%% What it was sent and nobody took.
-spec waiting(puppet()) -> [#xmlel{}].
waiting(#puppet{server = Server, pid = Pid}) ->
    mmx_server:rpc(Server, gen_server, call, [Pid, waiting]).

-spec says(puppet(), From :: binary(), #xmlel{}) -> ok.
says(#puppet{server = Server, pid = Pid}, From, Stanza) ->
    mmx_server:rpc(Server, gen_server, call, [Pid, {say, From, Stanza}]).

%% An occupant is available.
-spec shows(puppet(), Room :: binary(), Nick :: binary(), Account :: binary(), [100..999]) -> ok.
shows(Puppet, Room, Nick, Account, Codes) ->
    Item = mmx_stanza:el(item, [{affiliation, none}, {role, participant}]),
    Statuses = [mmx_stanza:el(status, [{code, integer_to_binary(Code)}]) || Code <- Codes],
    X = mmx_stanza:el(x, [{xmlns, <<"http://jabber.org/protocol/muc#user">>}], [Item | Statuses]),
    says(Puppet, <<Room/binary, "/", Nick/binary>>, mmx_stanza:presence(Account, [X])).

%% A message of the room's history.
-spec recalls(puppet(), Room :: binary(), Account :: binary(), Text :: binary()) -> ok.
recalls(Puppet, Room, Account, Text) ->
    Stamp = [{xmlns, <<"urn:xmpp:delay">>}, {from, Room}, {stamp, <<"2020-01-01T00:00:00Z">>}],
    Children = [mmx_stanza:el(body, [], [Text]), mmx_stanza:el(delay, Stamp)],
    says(Puppet, <<Room/binary, "/bob">>, mmx_stanza:message(Account, groupchat, Children)).

%% The subject, which ends what a room tells on entering.
-spec ends_telling(puppet(), Room :: binary(), Account :: binary()) -> ok.
ends_telling(Puppet, Room, Account) ->
    says(Puppet, Room, mmx_stanza:message(Account, groupchat, [mmx_stanza:el(subject, [])])).

-spec start(binary(), binary()) -> pid().
start(Domain, Host) ->
    {ok, Pid} = gen_server:start(?MODULE, [Domain, Host], []),
    Pid.

-spec init([binary()]) -> {ok, #state{}}.
init([Domain, Host]) ->
    ok = ejabberd_router:register_route(Domain, Host),
    {ok, #state{}}.

-spec handle_call(term(), gen_server:from(), #state{}) -> {reply, term(), #state{}} | {noreply, #state{}}.
handle_call(take, _From, #state{queue = [First | Rest]} = State) ->
    {reply, First, State#state{queue = Rest}};
handle_call(take, From, State) ->
    {noreply, State#state{waiter = From}};
handle_call(waiting, _From, State) ->
    {reply, State#state.queue, State};
handle_call({say, From, Stanza}, _From, State) ->
    Decoded = xmpp:decode(Stanza, <<"jabber:client">>, [ignore_els]),
    To = known(xmpp:get_to(Decoded), State),
    {reply, ejabberd_router:route(xmpp:set_from_to(Decoded, jid:decode(From), To)), State}.

known(To, #state{known = Known}) ->
    maps:get(jid:tolower(To), Known, To).

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast(_, State) ->
    {noreply, State}.

-spec handle_info({route, xmpp:stanza()}, #state{}) -> {noreply, #state{}}.
handle_info({route, Stanza}, #state{known = Known} = State) ->
    From = xmpp:get_from(Stanza),
    Account = jid:tolower(jid:remove_resource(From)),
    {noreply, taken(xmpp:encode(Stanza), State#state{known = Known#{Account => From}})}.

taken(Stanza, #state{waiter = none, queue = Queue} = State) ->
    State#state{queue = Queue ++ [Stanza]};
taken(Stanza, #state{waiter = Waiter} = State) ->
    gen_server:reply(Waiter, Stanza),
    State#state{waiter = none}.
