%%% What happens to bookmarks, from ejabberd's events to the process that follows them.
%%%
%%% mod_private converts both legacy storages to the node of XEP-0402 and back, so that this node
%%% alone tells of every change once. These handlers run in streams and in workers of databases:
%%% they match and pass on.
-module(minimix_bookmark_hooks).

-export([pubsub_publish_item/6, pubsub_delete_item/5, pubsub_delete_node/4]).
-export([user_send_packet/1, c2s_handle_info/2, c2s_self_presence/1]).

-include_lib("xmpp/include/xmpp.hrl").

-type c2s_state() :: ejabberd_c2s:state().

-spec pubsub_publish_item(binary(), binary(), jid:jid(), jid:jid(), binary(), [xmlel()]) -> ok.
pubsub_publish_item(Host, ?NS_PEP_BOOKMARKS, _Publisher, #jid{luser = LUser, lserver = Host}, Id, Payload)
  when LUser =/= <<>> ->
    minimix_bookmarks:changed(Host, {published, LUser, Id, Payload});
pubsub_publish_item(_, _, _, _, _, _) ->
    ok.

-spec pubsub_delete_item(binary(), binary(), jid:jid(), jid:jid(), binary()) -> ok.
pubsub_delete_item(Host, ?NS_PEP_BOOKMARKS, _Publisher, #jid{luser = LUser, lserver = Host}, Id)
  when LUser =/= <<>> ->
    minimix_bookmarks:changed(Host, {retracted, LUser, Id});
pubsub_delete_item(_, _, _, _, _) ->
    ok.

-spec pubsub_delete_node(binary(), binary() | jid:ljid(), binary(), term()) -> ok.
pubsub_delete_node(Host, {LUser, Host, _}, ?NS_PEP_BOOKMARKS, _Index) ->
    minimix_bookmarks:changed(Host, {deleted, LUser});
pubsub_delete_node(_, _, _, _) ->
    ok.

%% Nothing tells that a node was purged. The stream takes up its own message when it is through
%% with the request.
-spec user_send_packet({stanza() | drop, c2s_state()}) -> {stanza() | drop, c2s_state()}.
user_send_packet({#iq{type = set, to = #jid{luser = U, lserver = S, lresource = <<>>}, sub_els = [Request]},
                  #{jid := #jid{luser = U, lserver = S}}} = Acc) ->
    _ = is_purge(Request) andalso (self() ! {minimix, bookmarks_purged}),
    Acc;
user_send_packet(Acc) ->
    Acc.

is_purge(#xmlel{name = <<"pubsub">>} = Pubsub) ->
    case fxml:get_tag_attr_s(<<"xmlns">>, Pubsub) of
        ?NS_PUBSUB_OWNER ->
            ?NS_PEP_BOOKMARKS =:= fxml:get_path_s(Pubsub, [{elem, <<"purge">>}, {attr, <<"node">>}]);
        _ ->
            false
    end;
is_purge(#pubsub_owner{purge = ?NS_PEP_BOOKMARKS}) ->
    true;
is_purge(_) ->
    false.

-spec c2s_handle_info(c2s_state(), term()) -> c2s_state() | {stop, c2s_state()}.
c2s_handle_info(#{jid := #jid{luser = LUser, lserver = Host}} = Stream, {minimix, bookmarks_purged}) ->
    ok = minimix_bookmarks:changed(Host, {purged, LUser}),
    {stop, Stream};
c2s_handle_info(Stream, _Info) ->
    Stream.

%% Of sessions that become available at the same time each sees the others: one of them is enough.
-spec c2s_self_presence({stanza(), c2s_state()}) -> {stanza(), c2s_state()}.
c2s_self_presence({#presence{type = available}, #{pres_last := _}} = Acc) ->
    Acc;
c2s_self_presence({#presence{type = available}, #{jid := #jid{luser = U, lserver = S, lresource = R}}} = Acc) ->
    case lists:usort([Resource || {_, Resource} <- ejabberd_sm:get_user_present_resources(U, S)]) of
        [First | _] when First =/= R -> Acc;
        _ -> ok = minimix_bookmarks:reconcile(jid:make(U, S)), Acc
    end;
c2s_self_presence(Acc) ->
    Acc.
