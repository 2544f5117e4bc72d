%% A person's own archive, as the person's clients see it.
-module(mmx_archive).

-export([options/2, query/2, query/3, groupchat/1, groupchat/2, flush/1, ids/2, own_id/2, room_id/2, prefer/2]).

-include_lib("fast_xml/include/fxml.hrl").

-import(mmx_stanza, [el/2, el/3, iq/3, attr/2, child/2, child/3, children/2, bare/1]).

-define(NS_MAM, <<"urn:xmpp:mam:2">>).
-define(NS_RSM, <<"http://jabber.org/protocol/rsm">>).
-define(NS_SID, <<"urn:xmpp:sid:0">>).

-type page() :: #{count := non_neg_integer(), is_complete := boolean(), first := binary() | undefined, last := binary() | undefined}.

%% The options of a server that archives in this database.
-spec options(mmx_database:database(), mmx_config:options()) -> mmx_config:options().
options(Database, #{minimix := Minimix} = Options) ->
    ok = mmx_database:make_tables(Database),
    Mam = maps:merge(#{db_type => sql, default => always, assume_mam_usage => false}, maps:get(mam, Options, #{})),
    Modules = maps:merge(#{mod_mam => Mam}, maps:get(modules, Options, #{})),
    mmx_database:options(Database, (maps:remove(mam, Options))#{minimix := maps:merge(#{archive => true}, Minimix), modules => Modules}).

%% What the archive holds that these fields of the form want, in the order in which it is told.
-spec query(mmx_client:client(), [{binary(), binary()}]) -> {[{Id :: binary(), #xmlel{}}], page()} | {error, binary()}.
query(Client, Fields) ->
    query(Client, Fields, []).

%% The same for a page of it (XEP-0059).
-spec query(mmx_client:client(), [{binary(), binary()}], [{atom(), binary()}]) ->
    {[{Id :: binary(), #xmlel{}}], page()} | {error, binary()}.
query(Client, Fields, Rsm) ->
    Set = [el(set, [{xmlns, ?NS_RSM}], [el(Name, [], [Value]) || {Name, Value} <- Rsm]) || Rsm =/= []],
    Request = iq(none, set, [el(query, [{xmlns, ?NS_MAM}, {queryid, <<"q">>}], [form(Fields) | Set])]),
    Answer = mmx_client:request(Client, Request),
    case mmx_stanza:type(Answer) of
        <<"error">> -> {error, mmx_stanza:error_condition(Answer)};
        <<"result">> -> {results(Client), page(child(Answer, fin, ?NS_MAM))}
    end.

form(Fields) ->
    Type = {<<"FORM_TYPE">>, ?NS_MAM},
    el(x, [{xmlns, <<"jabber:x:data">>}, {type, submit}],
        [el(field, [{var, Var}], [el(value, [], [Value])]) || {Var, Value} <- [Type | Fields]]).

%% They came before the answer.
results(Client) ->
    IsResult = fun(Stanza) -> child(Stanza, result, ?NS_MAM) =/= undefined end,
    Taken = mmx_client:take_with(Client, fun(Queue) -> lists:partition(IsResult, Queue) end, 0),
    [{attr(Result, id), child(child(Result, forwarded), message)} || Stanza <- Taken, Result <- [child(Stanza, result, ?NS_MAM)]].

page(Fin) ->
    Set = child(Fin, set, ?NS_RSM),
    Text = fun(Name) -> mmx_stanza:cdata(child(Set, Name)) end,
    #{count => binary_to_integer(Text(count)), is_complete => attr(Fin, complete) =:= <<"true">>, first => Text(first), last => Text(last)}.

%% All groupchat in it.
-spec groupchat(mmx_client:client()) -> [#xmlel{}].
groupchat(Client) ->
    groupchat(Client, []).

-spec groupchat(mmx_client:client(), [{binary(), binary()}]) -> [#xmlel{}].
groupchat(Client, Fields) ->
    ok = flush(mmx_client:server(Client)),
    {Found, _} = query(Client, [{<<"include-groupchat">>, <<"true">>} | Fields]),
    [Message || {_, Message} <- Found, mmx_stanza:type(Message) =:= <<"groupchat">>].

%% What was said so far is in the database.
-spec flush(mmx_server:server()) -> ok.
flush(Server) ->
    true = mmx_server:rpc(Server, minimix_archive, flush, [mmx_server:host(Server), 20_000]),
    ok.

%% What this entity calls a message (XEP-0359).
-spec ids(#xmlel{}, binary()) -> [binary()].
ids(Message, By) ->
    [attr(Id, id) || Id <- children(Message, 'stanza-id'), attr(Id, xmlns) =:= ?NS_SID, attr(Id, by) =:= By].

%% What the archive of this client's account calls it.
-spec own_id(#xmlel{}, mmx_client:client()) -> binary().
own_id(Message, Client) ->
    [Id] = ids(Message, mmx_client:account(Client)),
    Id.

-spec room_id(#xmlel{}, binary()) -> binary().
room_id(Message, Room) ->
    [Id] = ids(Message, Room),
    Id.

%% Says what is to be archived: everything but for these, nothing but these (XEP-0441).
-spec prefer(mmx_client:client(), {always | never | roster, Always :: [binary()], Never :: [binary()]}) -> ok.
prefer(Client, {Default, Always, Never}) ->
    List = fun(Name, Jids) -> el(Name, [], [el(jid, [], [bare(Jid)]) || Jid <- Jids]) end,
    Preferences = el(prefs, [{xmlns, ?NS_MAM}, {default, Default}], [List(always, Always), List(never, Never)]),
    <<"result">> = mmx_stanza:type(mmx_client:request(Client, iq(none, set, [Preferences]))),
    ok.
