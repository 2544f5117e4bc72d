%%% Stanzas of ejabberd to elements and back, addressed and marked for delivery.
%%%
%%% A fork is the room's own stanza but for `to' (and the own `item/@jid'): children stay the
%%% elements that they came as and never pass through records.
-module(minimix_stanza).

-export([to_element/1, from_element/1, is_join/1, room/1, room_address/1, nick/1, account/1]).
-export([for/3, mark/1, set_id/2, own/2, copy_of_same/1, forwarded_to/1]).
-export_type([mark/0]).

-include_lib("xmpp/include/xmpp.hrl").

%% The attachment that a delivery belongs to, and whether it ends it.
-type mark() :: {Room :: jid:ljid(), Generation :: pos_integer() | none, IsLast :: boolean()}.

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

-spec set_id(stanza(), minimix_nif:new_id()) -> stanza().
set_id(Stanza, keep) -> Stanza;
set_id(Stanza, remove) -> xmpp:set_id(Stanza, <<>>);
set_id(Stanza, {set, Id}) -> xmpp:set_id(Stanza, Id).

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

%% @doc Whom the sent message was for that a carbon copy carries (XEP-0280 6).
-spec forwarded_to(stanza()) -> jid:jid() | none.
forwarded_to(#message{meta = #{carbon_copy := true}, sub_els = [#carbons_sent{forwarded = Forwarded}]}) ->
    case Forwarded of
        #forwarded{sub_els = [#message{to = #jid{} = To}]} -> To;
        #forwarded{} -> none
    end;
forwarded_to(_) ->
    none.
