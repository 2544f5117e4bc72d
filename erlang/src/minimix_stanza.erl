%%% Stanzas of ejabberd to elements and back, addressed and marked for delivery.
%%%
%%% A fork is the room's own stanza but for `to' (and the own `item/@jid'): children stay the
%%% elements that they came as and never pass through records.
-module(minimix_stanza).

-export([to_element/1, from_element/1, is_join/1, room/1, room_address/1, nick/1, account/1]).
-export([for/3, mark/1, is_room_traffic/1, shared/1, returned/1, is_returned/1]).
-export([archived/3, for_archive/2, for_all/1]).
-export([passed/2, may_be_stray/1, is_of_a_room/1, carbon/1, set_id/2, own/2, copy_of_same/1]).
-export_type([mark/0, gate/0]).

-include_lib("xmpp/include/xmpp.hrl").

%% What a session must be attached to for a delivery: this attachment, nothing, or whatever.
-type gate() :: pos_integer() | none | any.
%% What a delivery belongs to, and whether it ends the attachment.
-type mark() :: {Room :: jid:ljid(), gate(), IsLast :: boolean()}.

-spec to_element(stanza()) -> fxml:xmlel().
to_element(Stanza) ->
    xmpp:encode(xmpp:set_to(Stanza, undefined)).

-spec from_element(fxml:xmlel()) -> stanza().
from_element(Element) ->
    xmpp:decode(Element, ?NS_CLIENT, [ignore_els]).

%% @doc Whether it asks to join a room (XEP-0045 7.2.1).
-spec is_join(stanza()) -> boolean().
is_join(#presence{type = available} = Presence) ->
    xmpp:has_subtag(Presence, #muc{});
is_join(_) ->
    false.

-spec account(jid:jid()) -> binary().
account(#jid{luser = U, lserver = S}) ->
    <<U/binary, $@, S/binary>>.

-spec room(jid:jid()) -> jid:ljid().
room(#jid{luser = U, lserver = S}) ->
    {U, S, <<>>}.

-spec room_address(jid:ljid()) -> binary().
room_address({U, S, <<>>}) ->
    <<U/binary, $@, S/binary>>.

-spec nick(jid:jid()) -> binary() | none.
nick(#jid{lresource = <<>>}) -> none;
nick(#jid{lresource = Nick}) -> Nick.

%% @doc The stanza on its way to one session.
-spec for(stanza(), jid:jid(), mark()) -> stanza().
for(Stanza, To, Mark) ->
    xmpp:put_meta(xmpp:set_to(Stanza, To), minimix, Mark).

-spec mark(stanza()) -> mark() | none.
mark(Stanza) ->
    xmpp:get_meta(Stanza, minimix, none).

%% @doc A delivery that comes back as nobody else has it: no longer only for whom it was.
-spec returned(stanza()) -> stanza().
returned(Stanza) ->
    case mark(Stanza) of
        none -> Stanza;
        _ -> xmpp:put_meta(Stanza, minimix_returned, true)
    end.

-spec is_returned(stanza()) -> boolean().
is_returned(Stanza) ->
    xmpp:get_meta(Stanza, minimix_returned, false).

%% @doc What an occupant says to whom the server finds, which does not know the occupant's resource. Answers
%% go to who asked.
-spec passed(stanza(), Account :: jid:jid()) -> stanza().
passed(#iq{type = Type} = Answer, _Account) when Type =:= result; Type =:= error ->
    Answer;
passed(Stanza, Account) ->
    xmpp:put_meta(xmpp:set_to(Stanza, Account), minimix_passed, xmpp:get_to(Stanza)).

%% @doc Whether it is a message of an occupant, and did not come by a way on which these reach a
%% session that is not in the room: what a lost connection did not get rid of, and ejabberd routes
%% again. A contact that somebody took for a room says neither.
-spec may_be_stray(stanza()) -> boolean().
may_be_stray(#message{from = #jid{luser = LUser, lresource = Nick}, type = Type, meta = Meta})
  when LUser =/= <<>>, Nick =/= <<>>, Type =/= error ->
    not (maps:is_key(minimix_passed, Meta) orelse maps:is_key(from_offline, Meta));
may_be_stray(_) ->
    false.

%% @doc Whether nobody but a room sends this; what is not may come from a contact.
-spec is_of_a_room(stanza()) -> boolean().
is_of_a_room(#message{type = groupchat}) -> true;
is_of_a_room(Stanza) -> xmpp:has_subtag(Stanza, #muc_user{}).

%% @doc A message for all accounts in a room, addressed to one of them.
-spec for_all(message()) -> message().
for_all(#message{meta = Meta} = Message) ->
    Message#message{meta = Meta#{minimix_for_all => true}}.

%% @doc Several sessions get this private message.
-spec shared(stanza()) -> stanza().
shared(Message) ->
    xmpp:put_meta(Message, minimix_shared, true).

%% @doc Whether it is a delivery that concerns nobody but the session that was in the room.
-spec is_room_traffic(stanza()) -> boolean().
is_room_traffic(#message{type = Type, meta = Meta} = Message) when Type =:= chat; Type =:= normal ->
    mark(Message) =/= none andalso maps:is_key(minimix_shared, Meta);
is_room_traffic(Stanza) ->
    mark(Stanza) =/= none.

-spec set_id(stanza(), minimix_nif:new_id()) -> stanza().
set_id(Stanza, keep) -> Stanza;
set_id(Stanza, remove) -> xmpp:set_id(Stanza, <<>>);
set_id(Stanza, {set, Id}) -> xmpp:set_id(Stanza, Id).

%% @doc The message with its id in the account's archive (XEP-0359 3).
-spec archived(message(), Account :: jid:jid(), pos_integer()) -> message().
archived(Message, Account, Id) ->
    StanzaId = xmpp:encode(#stanza_id{by = Account, id = integer_to_binary(Id)}),
    xmpp:set_els(Message, xmpp:get_els(Message) ++ [StanzaId]).

%% @doc As it is archived: without what the room has said of its author's address (XEP-0313 8.4).
-spec for_archive(message(), Account :: jid:jid()) -> message().
for_archive(#message{} = Message, Account) ->
    Els = [Element || Element <- xmpp:get_els(Message), not tells_of_occupant(Element)],
    (xmpp:set_els(xmpp:set_to(Message, Account), Els))#message{meta = #{}}.

tells_of_occupant(#xmlel{name = <<"x">>, children = Children} = X) ->
    fxml:get_tag_attr_s(<<"xmlns">>, X) =:= ?NS_MUC_USER
        andalso lists:any(fun(Child) -> is_record(Child, xmlel) andalso Child#xmlel.name =:= <<"item">> end, Children);
tells_of_occupant(#muc_user{items = Items}) ->
    Items =/= [];
tells_of_occupant(_Element) ->
    false.

%% @doc The own occupant's presence with the session's address where the room gave one.
-spec own(stanza(), jid:jid()) -> stanza().
own(Stanza, Jid) ->
    Address = jid:encode(Jid),
    xmpp:set_els(Stanza, [own_x(Element, Address) || Element <- xmpp:get_els(Stanza)]).

own_x(#xmlel{name = <<"x">>, children = Children} = X, Address) ->
    case fxml:get_tag_attr_s(<<"xmlns">>, X) of
        ?NS_MUC_USER -> X#xmlel{children = [own_item(Child, Address) || Child <- Children]};
        _ -> X
    end;
own_x(#muc_user{} = X, Address) ->
    own_x(xmpp:encode(X), Address);
own_x(Element, _Address) ->
    Element.

own_item(#xmlel{name = <<"item">>, attrs = Attrs} = Item, Address) ->
    case lists:keymember(<<"jid">>, 1, Attrs) of
        true -> Item#xmlel{attrs = lists:keyreplace(<<"jid">>, 1, Attrs, {<<"jid">>, Address})};
        false -> Item
    end;
own_item(Child, _Address) ->
    Child.

%% @doc Another session's copy of a message: the archive stores only the first.
-spec copy_of_same(stanza()) -> stanza().
copy_of_same(#message{} = Message) -> xmpp:put_meta(Message, sm_copy, true);
copy_of_same(Stanza) -> Stanza.

%% @doc What a carbon copy is of: a message that another session sent, or one of our deliveries to
%% another session (XEP-0280 6).
-spec carbon(stanza()) -> {sent_to, jid:jid()} | of_fork | none.
carbon(#message{meta = #{carbon_copy := true}, sub_els = [Carbon]}) ->
    case Carbon of
        #carbons_sent{forwarded = #forwarded{sub_els = [#message{to = #jid{} = To}]}} ->
            {sent_to, To};
        #carbons_received{forwarded = #forwarded{sub_els = [#message{meta = #{minimix := _}}]}} ->
            of_fork;
        _ ->
            none
    end;
carbon(_) ->
    none.
