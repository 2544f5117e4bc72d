%% The same story of an account with the module and of one without it, on a server with two virtual hosts.
-module(mmx_twin).

-export([start/1, same/3, ours/3, shape/1, is_marker/1]).

-include_lib("fast_xml/include/fxml.hrl").
-include_lib("stdlib/include/assert.hrl").

-define(WITH, <<"mmx.example">>).
-define(WITHOUT, <<"plain.example">>).

-type session() :: string() | {string(), mmx_client:options()}.

%% A server that loads these modules beside the usual ones.
-spec start(#{module() => map() | none}) -> mmx_server:server().
start(Modules) ->
    mmx_server:start(#{
        hosts => [?WITH, ?WITHOUT],
        pubsub => true,
        block_strangers => true,
        modules => maps:merge(#{mod_block_strangers => #{allow_local_users => false}}, Modules),
        top => #{append_host_config => #{?WITH => #{modules => #{mod_minimix => #{}}}}}
    }).

%% The fun is given the room, bob and carol, who have no module, and the sessions of the account.
%% What it says that these were sent tells the same.
-spec same([{atom(), term()}], [session(), ...], function()) -> ok.
same(Config, Sessions, Fun) ->
    [Native, Ours] = [sent(Config, Host, Sessions, Fun) || Host <- [?WITHOUT, ?WITH]],
    ?assertEqual(Native, Ours).

%% Of the account with the module only.
-spec ours([{atom(), term()}], [session(), ...], function()) -> ok.
ours(Config, Sessions, Fun) ->
    _ = sent(Config, ?WITH, Sessions, Fun),
    ok.

sent(Config, Host, Sessions, Fun) ->
    Me = self(),
    Others = [{Name, #{host => ?WITHOUT}} || Name <- ["bob/desk", "carol/desk"]],
    Own = [{"alice/" ++ Resource, Options#{host => Host}} || {Resource, Options} <- [with_options(S) || S <- Sessions]],
    Tell = fun(Args) -> Me ! {sent, [shape(Stanza) || Stanza <- apply(Fun, Args)]} end,
    mmx_story:story(Config, Others ++ Own, of_arity(length(Own), Tell)),
    receive {sent, Shapes} -> Shapes end.

with_options({Resource, Options}) -> {Resource, Options};
with_options(Resource) -> {Resource, #{}}.

of_arity(1, Fun) -> fun(A, B, C, D) -> Fun([A, B, C, D]) end;
of_arity(2, Fun) -> fun(A, B, C, D, E) -> Fun([A, B, C, D, E]) end;
of_arity(3, Fun) -> fun(A, B, C, D, E, F) -> Fun([A, B, C, D, E, F]) end.

%% Who said what of which kind, and with what in it.
-spec shape(#xmlel{} | term()) -> term().
shape(#xmlel{name = Name, children = Children} = Stanza) ->
    Inside = lists:sort([
        {Inner, mmx_stanza:attr(Child, xmlns)}
     || #xmlel{name = Inner} = Child <- Children, not is_forgotten(Inner, Stanza)
    ]),
    {Name, mmx_stanza:from_nick(Stanza), kind(Stanza), mmx_stanza:status_codes(Stanza), mmx_stanza:body(Stanza), Inside};
shape(Other) ->
    Other.

%% B2.21: ejabberd 26.07 forgets the ids of its history; an account keeps what it was sent.
is_forgotten(<<"stanza-id">>, Stanza) -> mmx_stanza:child(Stanza, delay) =/= undefined;
is_forgotten(_, _) -> false.

kind(#xmlel{name = <<"presence">>} = Stanza) -> mmx_stanza:type(Stanza);
kind(#xmlel{name = <<"message">>} = Stanza) -> mmx_stanza:type(Stanza);
kind(Stanza) -> mmx_stanza:attr(Stanza, type).

-spec is_marker(#xmlel{}) -> boolean().
is_marker(Stanza) ->
    case mmx_stanza:body(Stanza) of
        <<"marker ", _/binary>> -> true;
        _ -> false
    end.
