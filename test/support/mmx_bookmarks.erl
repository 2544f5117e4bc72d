%% What clients do with bookmarks, and what the door was told of them.
-module(mmx_bookmarks).
-behaviour(gen_server).

-export([start/2, listen/1, told/1, told_of/2, knows/2]).
-export([conference/2, publish/3, publish/4, retract/2, purge/1, delete/1, items/1, node_config/1]).
-export([storage/1, set_private/2, private/1, set_legacy/2, legacy/1, keep_private/3]).
-export([publish_within/4, read_all/2, set_nick/3, sync/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-include_lib("fast_xml/include/fxml.hrl").

-import(mmx_stanza, [el/2, el/3, iq/3, attr/2, child/2, children/2, type/1]).

-define(NODE, <<"urn:xmpp:bookmarks:1">>).
-define(LEGACY, <<"storage:bookmarks">>).
-define(NS_PUBSUB, <<"http://jabber.org/protocol/pubsub">>).
-define(NS_OWNER, <<"http://jabber.org/protocol/pubsub#owner">>).

%% A server whose bookmarks are in this database.
-spec start(mnesia | sqlite, [{atom(), term()}]) -> [{atom(), term()}] | {skip, string()}.
start(mnesia, Config) ->
    started(#{}, Config);
start(sqlite, Config) ->
    Database = filename:join(proplists:get_value(priv_dir, Config), "bookmarks.sqlite"),
    Sql = #{db_type => sql},
    case code:which(sqlite3) of
        non_existing ->
            {skip, "erlang-p1-sqlite3 is not installed"};
        _ ->
            Modules = #{mod_pubsub => Sql#{plugins => [<<"flat">>, <<"pep">>]}, mod_private => Sql},
            Top = #{sql_type => sqlite, sql_database => list_to_binary(Database)},
            started(#{modules => Modules, top => Top}, Config)
    end.

started(Options, Config) ->
    Server = mmx_server:start(Options#{minimix => #{}, pubsub => true}),
    ok = listen(Server),
    [{server, Server} | Config].

%%% The door

%% From now on all that the door is told of bookmarks is remembered.
-spec listen(mmx_server:server()) -> ok.
listen(Server) ->
    {ok, _} = mmx_server:rpc(Server, gen_server, start, [{local, ?MODULE}, ?MODULE, [follower(Server)], []]),
    ok.

follower(Server) ->
    binary_to_atom(<<"minimix_bookmarks_", (mmx_server:host(Server))/binary>>).

%% What the door was told of this account since the last time, after all that has happened so far.
-spec told(mmx_client:client()) -> [{Room :: binary(), Bookmark :: map() | none}].
told(Client) ->
    %% The stream is through with what its client asked for.
    _ = mmx_client:request(Client, iq(none, get, [el(ping, [{xmlns, <<"urn:xmpp:ping">>}])])),
    told_of(mmx_client:server(Client), mmx_client:account(Client)).

-spec told_of(mmx_server:server(), Account :: binary()) -> [{Room :: binary(), Bookmark :: map() | none}].
told_of(Server, Account) ->
    ok = sync(Server),
    Told = mmx_server:rpc(Server, gen_server, call, [?MODULE, {told, Account}]),
    [{address(Room), Bookmark} || {Room, Bookmark} <- Told].

-spec sync(mmx_server:server()) -> ok.
sync(Server) ->
    _ = mmx_server:rpc(Server, sys, get_state, [follower(Server)]),
    ok.

%% The account is known to have bookmarks of these rooms.
-spec knows(mmx_client:client(), [Room :: binary()]) -> ok.
knows(Client, Rooms) ->
    Server = mmx_client:server(Client),
    State = mmx_server:rpc(Server, minimix_state, find, [mmx_server:host(Server)]),
    Account = decoded(Server, mmx_client:account(Client)),
    Bookmark = #{autojoin => true, nick => none, password => none, notify => none},
    lists:foreach(
        fun(Room) -> ok = mmx_server:rpc(Server, minimix_door, bookmark, [State, Account, ljid(Room), Bookmark]) end,
        Rooms
    ).

ljid(Room) ->
    [Name, Service] = binary:split(Room, <<"@">>),
    {Name, Service, <<>>}.

address({Name, Service, <<>>}) ->
    <<Name/binary, "@", Service/binary>>.

%% The account has got this nick, and what follows from it is done.
-spec set_nick(mmx_client:client(), Room :: binary(), Nick :: binary()) -> ok.
set_nick(Client, Room, Nick) ->
    Server = mmx_client:server(Client),
    Account = decoded(Server, mmx_client:account(Client)),
    ok = mmx_server:rpc(Server, minimix_bookmarks, set_nick, [Account, ljid(Room), Nick]),
    sync(Server).

-spec read_all(mmx_server:server(), Account :: binary()) -> {ok, [{binary(), map()}]} | {error, term()}.
read_all(Server, Account) ->
    case mmx_server:rpc(Server, minimix_bookmarks, read_all, [decoded(Server, Account)]) of
        {ok, Bookmarks} -> {ok, [{address(Room), Bookmark} || {Room, Bookmark} <- Bookmarks]};
        Error -> Error
    end.

%% As somebody within the server does it, without a client.
-spec publish_within(mmx_server:server(), Account :: binary(), Id :: binary(), #xmlel{}) -> ok.
publish_within(Server, Account, Id, Payload) ->
    Publisher = decoded(Server, Account),
    [User, Host] = binary:split(Account, <<"@">>),
    Arguments = [{User, Host, <<>>}, Host, ?NODE, Publisher, Id, [Payload], [], all],
    {result, _} = mmx_server:rpc(Server, mod_pubsub, publish_item, Arguments),
    ok.

decoded(Server, Account) ->
    mmx_server:rpc(Server, jid, decode, [Account]).

%%% Clients

-spec conference([{atom(), binary()}], [#xmlel{}]) -> #xmlel{}.
conference(Attrs, Children) ->
    el(conference, [{xmlns, ?NODE} | Attrs], Children).

-spec publish(mmx_client:client(), Id :: binary(), #xmlel{}) -> ok.
publish(Client, Id, Payload) ->
    publish(Client, ?NODE, Id, Payload).

-spec publish(mmx_client:client(), Node :: binary(), Id :: binary(), #xmlel{}) -> ok.
publish(Client, Node, Id, Payload) ->
    Item = el(item, [{id, Id}], [Payload]),
    pubsub(Client, ?NS_PUBSUB, [el(publish, [{node, Node}], [Item]), options()]).

%% XEP-0402 §3.3
options() ->
    Fields = [
        {<<"FORM_TYPE">>, <<"http://jabber.org/protocol/pubsub#publish-options">>},
        {<<"pubsub#persist_items">>, <<"true">>},
        {<<"pubsub#max_items">>, <<"max">>},
        {<<"pubsub#send_last_published_item">>, <<"never">>},
        {<<"pubsub#access_model">>, <<"whitelist">>}
    ],
    Form = [el(field, [{var, Var}], [el(value, [], [Value])]) || {Var, Value} <- Fields],
    el('publish-options', [], [el(x, [{xmlns, <<"jabber:x:data">>}, {type, submit}], Form)]).

-spec retract(mmx_client:client(), Id :: binary()) -> ok.
retract(Client, Id) ->
    Retract = el(retract, [{node, ?NODE}, {notify, <<"true">>}], [el(item, [{id, Id}])]),
    pubsub(Client, ?NS_PUBSUB, [Retract]).

-spec purge(mmx_client:client()) -> ok.
purge(Client) ->
    pubsub(Client, ?NS_OWNER, [el(purge, [{node, ?NODE}])]).

-spec delete(mmx_client:client()) -> ok.
delete(Client) ->
    pubsub(Client, ?NS_OWNER, [el(delete, [{node, ?NODE}])]).

pubsub(Client, Namespace, Children) ->
    <<"result">> = type(mmx_client:request(Client, iq(none, set, [el(pubsub, [{xmlns, Namespace}], Children)]))),
    ok.

%% What a client reads, as text with attributes in their order.
-spec items(mmx_client:client()) -> [{Id :: binary(), Payload :: binary()}].
items(Client) ->
    read(Client, ?NODE).

read(Client, Node) ->
    Request = el(pubsub, [{xmlns, ?NS_PUBSUB}], [el(items, [{node, Node}])]),
    Answer = mmx_client:request(Client, iq(none, get, [Request])),
    case type(Answer) of
        <<"result">> ->
            Items = children(child(child(Answer, pubsub), items), item),
            lists:sort([{attr(Item, id), text(Payload)} || #xmlel{children = [Payload]} = Item <- Items]);
        <<"error">> ->
            []
    end.

text(Payload) ->
    fxml:element_to_binary(sorted(Payload)).

sorted(#xmlel{attrs = Attrs, children = Children} = El) ->
    El#xmlel{attrs = lists:sort(Attrs), children = [sorted(Child) || Child <- Children]};
sorted(Text) ->
    Text.

%% How the node is configured.
-spec node_config(mmx_client:client()) -> [{Field :: binary(), [Value :: binary()]}].
node_config(Client) ->
    Request = el(pubsub, [{xmlns, ?NS_OWNER}], [el(configure, [{node, ?NODE}])]),
    Answer = mmx_client:request(Client, iq(none, get, [Request])),
    Form = child(child(child(Answer, pubsub), configure), x),
    [{attr(Field, var), [mmx_stanza:cdata(Value) || Value <- children(Field, value)]} || Field <- children(Form, field)].

%%% Legacy storages (XEP-0048, XEP-0049)

-spec storage([{Room :: binary(), [{atom(), binary()}], [#xmlel{}]}]) -> #xmlel{}.
storage(Bookmarks) ->
    Conferences = [el(conference, [{jid, Room} | Attrs], Children) || {Room, Attrs, Children} <- Bookmarks],
    el(storage, [{xmlns, ?LEGACY}], Conferences).

-spec set_private(mmx_client:client(), #xmlel{}) -> ok.
set_private(Client, Storage) ->
    <<"result">> = type(mmx_client:request(Client, iq(none, set, [el(query, [{xmlns, <<"jabber:iq:private">>}], [Storage])]))),
    ok.

-spec private(mmx_client:client()) -> #xmlel{}.
private(Client) ->
    Request = el(query, [{xmlns, <<"jabber:iq:private">>}], [el(storage, [{xmlns, ?LEGACY}])]),
    child(child(mmx_client:request(Client, iq(none, get, [Request])), query), storage).

-spec set_legacy(mmx_client:client(), #xmlel{}) -> ok.
set_legacy(Client, Storage) ->
    pubsub(Client, ?NS_PUBSUB, [el(publish, [{node, ?LEGACY}], [el(item, [{id, <<"current">>}], [Storage])])]).

-spec legacy(mmx_client:client()) -> [{Id :: binary(), Payload :: binary()}].
legacy(Client) ->
    read(Client, ?LEGACY).

%% The private storage as it was before there was any conversion.
-spec keep_private(mmx_server:server(), Account :: binary(), #xmlel{}) -> ok.
keep_private(Server, Account, Storage) ->
    [User, Host] = binary:split(Account, <<"@">>),
    Backend = mmx_server:rpc(Server, gen_mod, db_mod, [Host, mod_private]),
    ok = mmx_server:rpc(Server, Backend, set_data, [User, Host, [{?LEGACY, Storage}]]),
    _ = mmx_server:rpc(Server, ets_cache, delete, [private_cache, {User, Host, ?LEGACY}]),
    ok.

%%% gen_server, inside the server: hears what the follower tells the door

init([Follower]) ->
    Pid = whereis(Follower),
    1 = erlang:trace(Pid, true, [call]),
    1 = erlang:trace_pattern({minimix_door, bookmark, 4}, true, []),
    {ok, {Pid, []}}.

handle_call({told, Account}, _From, {Pid, Log}) ->
    Reference = erlang:trace_delivered(Pid),
    receive
        {trace_delivered, Pid, Reference} -> ok
    end,
    {Mine, Others} = lists:partition(fun({Whose, _}) -> Whose =:= Account end, Log ++ heard()),
    {reply, [Told || {_, Told} <- Mine], {Pid, Others}}.

heard() ->
    receive
        {trace, _, call, {minimix_door, bookmark, [_State, Account, Room, Bookmark]}} ->
            [{jid:encode(Account), {Room, Bookmark}} | heard()]
    after 0 -> []
    end.

handle_cast(_, State) ->
    {noreply, State}.

handle_info({trace, _, call, {minimix_door, bookmark, [_State, Account, Room, Bookmark]}}, {Pid, Log}) ->
    {noreply, {Pid, Log ++ [{jid:encode(Account), {Room, Bookmark}}]}}.
