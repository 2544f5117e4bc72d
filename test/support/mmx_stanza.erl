%% Making stanzas, and reading what tests ask about them.
-module(mmx_stanza).

-export([el/2, el/3, presence/2, presence/3, message/3, iq/3]).
-export([attr/2, child/2, child/3, children/2, cdata/1, body/1]).
-export([from/1, from_nick/1, bare/1, resource/1, as_account/1, type/1, status_codes/1, item/1, error_condition/1]).
-export([is_self_presence/1, is_subject/1, nicks/1, bodies/1, own/1, to_text/1, unique/0]).

-include_lib("fast_xml/include/fxml.hrl").

-define(NS_MUC_USER, <<"http://jabber.org/protocol/muc#user">>).

-type name() :: atom() | binary().
-type content() :: #xmlel{} | {xmlcdata, binary()} | binary().

-spec el(name(), [{name(), name() | iodata()}]) -> #xmlel{}.
el(Name, Attrs) ->
    el(Name, Attrs, []).

-spec el(name(), [{name(), name() | iodata()}], [content()]) -> #xmlel{}.
el(Name, Attrs, Children) ->
    #xmlel{
        name = text(Name),
        attrs = [{text(Key), text(Value)} || {Key, Value} <- Attrs],
        children = [content(Child) || Child <- Children]
    }.

content(Text) when is_binary(Text) -> {xmlcdata, Text};
content(Child) -> Child.

text(Atom) when is_atom(Atom) -> atom_to_binary(Atom);
text(Number) when is_integer(Number) -> integer_to_binary(Number);
text(Text) -> iolist_to_binary(Text).

-spec presence(iodata() | none, [content()]) -> #xmlel{}.
presence(To, Children) ->
    presence(To, available, Children).

-spec presence(iodata() | none, available | name(), [content()]) -> #xmlel{}.
presence(To, Type, Children) ->
    el(presence, [{to, To} || To =/= none] ++ [{type, Type} || Type =/= available], Children).

-spec message(iodata(), name(), [content()]) -> #xmlel{}.
message(To, Type, Children) ->
    el(message, [{to, To}, {type, Type}, {id, unique()}], Children).

-spec iq(iodata() | none, get | set | result, [content()]) -> #xmlel{}.
iq(To, Type, Children) ->
    el(iq, [{to, To} || To =/= none] ++ [{type, Type}, {id, unique()}], Children).

-spec unique() -> binary().
unique() ->
    <<"mmx-", (integer_to_binary(erlang:unique_integer([positive])))/binary>>.

-spec attr(#xmlel{}, name()) -> binary() | undefined.
attr(#xmlel{attrs = Attrs}, Name) ->
    proplists:get_value(text(Name), Attrs).

-spec child(#xmlel{}, name()) -> #xmlel{} | undefined.
child(El, Name) ->
    first(children(El, Name)).

-spec child(#xmlel{}, name(), binary()) -> #xmlel{} | undefined.
child(El, Name, Namespace) ->
    first([Child || Child <- children(El, Name), attr(Child, xmlns) =:= Namespace]).

-spec children(#xmlel{}, name()) -> [#xmlel{}].
children(#xmlel{children = Children}, Name) ->
    Wanted = text(Name),
    [Child || #xmlel{name = Found} = Child <- Children, Found =:= Wanted].

first([First | _]) -> First;
first([]) -> undefined.

-spec cdata(#xmlel{} | undefined) -> binary() | undefined.
cdata(undefined) -> undefined;
cdata(El) -> fxml:get_tag_cdata(El).

-spec body(#xmlel{}) -> binary() | undefined.
body(Message) ->
    cdata(child(Message, body)).

-spec from(#xmlel{}) -> binary() | undefined.
from(Stanza) ->
    attr(Stanza, from).

-spec from_nick(#xmlel{}) -> binary() | undefined.
from_nick(Stanza) ->
    resource(from(Stanza)).

-spec bare(binary() | undefined) -> binary() | undefined.
bare(undefined) -> undefined;
bare(Jid) -> hd(binary:split(Jid, <<"/">>)).

-spec resource(binary() | undefined) -> binary() | undefined.
resource(undefined) ->
    undefined;
resource(Jid) ->
    case binary:split(Jid, <<"/">>) of
        [_, Resource] -> Resource;
        [_] -> undefined
    end.

%% An account, whether a room knows it by the bare JID or by a resource that no session has.
-spec as_account(binary()) -> binary().
as_account(Jid) ->
    re:replace(Jid, "/[0-9a-f]{32}$", "", [{return, binary}]).

%% A presence without a type is available, a message without one is normal.
-spec type(#xmlel{}) -> binary().
type(#xmlel{name = Name} = Stanza) ->
    case {attr(Stanza, type), Name} of
        {undefined, <<"presence">>} -> <<"available">>;
        {undefined, <<"message">>} -> <<"normal">>;
        {Type, _} -> Type
    end.

-spec status_codes(#xmlel{}) -> [pos_integer()].
status_codes(Stanza) ->
    case child(Stanza, x, ?NS_MUC_USER) of
        undefined -> [];
        X -> lists:sort([Code || Status <- children(X, status), {Code, _} <- [string:to_integer(code_of(Status))], is_integer(Code)])
    end.

code_of(Status) ->
    case attr(Status, code) of
        undefined -> <<>>;
        Code -> Code
    end.

%% The attributes of the occupant's item, and its reason where there is one.
-spec item(#xmlel{}) -> #{atom() => binary()} | undefined.
item(Stanza) ->
    X = child(Stanza, x, ?NS_MUC_USER),
    case X =/= undefined andalso child(X, item) of
        #xmlel{attrs = Attrs} = Item ->
            Reason = [{reason, cdata(El)} || El <- children(Item, reason)],
            maps:from_list(Reason ++ [{binary_to_atom(Key), Value} || {Key, Value} <- Attrs]);
        _ ->
            undefined
    end.

-spec error_condition(#xmlel{}) -> binary() | undefined.
error_condition(Stanza) ->
    case child(Stanza, error) of
        undefined -> undefined;
        Error -> first([Name || #xmlel{name = Name} <- Error#xmlel.children, Name =/= <<"text">>])
    end.

-spec is_self_presence(#xmlel{}) -> boolean().
is_self_presence(#xmlel{name = <<"presence">>} = Presence) ->
    lists:member(110, status_codes(Presence));
is_self_presence(_) ->
    false.

%% A message with a body beside its subject does not change the room's subject.
-spec is_subject(#xmlel{}) -> boolean().
is_subject(#xmlel{name = <<"message">>} = Message) ->
    type(Message) =:= <<"groupchat">> andalso child(Message, subject) =/= undefined andalso
        child(Message, body) =:= undefined;
is_subject(_) ->
    false.

%% Whose presences there are among these stanzas, in their order.
-spec nicks([#xmlel{}]) -> [binary() | undefined].
nicks(Stanzas) ->
    [from_nick(Presence) || #xmlel{name = <<"presence">>} = Presence <- Stanzas].

-spec bodies([#xmlel{}]) -> [binary()].
bodies(Stanzas) ->
    [Body || Stanza <- Stanzas, Body <- [body(Stanza)], Body =/= undefined].

%% The only self-presence among these stanzas.
-spec own([#xmlel{}]) -> #xmlel{}.
own(Stanzas) ->
    [Presence] = lists:filter(fun is_self_presence/1, Stanzas),
    Presence.

-spec to_text(#xmlel{} | [#xmlel{}]) -> binary() | [binary()].
to_text(Stanzas) when is_list(Stanzas) -> [to_text(Stanza) || Stanza <- Stanzas];
to_text(Stanza) -> fxml:element_to_binary(Stanza).
