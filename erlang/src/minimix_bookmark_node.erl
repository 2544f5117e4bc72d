%%% The node of an account's bookmarks in ejabberd's PEP, whatever database it is in.
-module(minimix_bookmark_node).

-export([items/2, item/2, publish/3, retract/2, complain/3]).
-export_type([items/0]).

-include("logger.hrl").
-include_lib("xmpp/include/xmpp.hrl").
-include("pubsub.hrl").

-type items() :: [{Id :: binary(), minimix_bookmark_item:payload()}].

%% @doc All items. To convert means that bookmarks which only the legacy storages have get their
%% node, as for a client that reads; a node that was deleted then comes back, too.
-spec items(jid:jid(), convert | keep) -> {ok, items()} | {error, term()}.
items(#jid{luser = U, lserver = S}, Legacy) ->
    Read = fun() -> mod_pubsub:get_items({U, S, <<>>}, ?NS_PEP_BOOKMARKS) end,
    case read(S, Legacy, Read) of
        Items when is_list(Items) -> {ok, [{Id, payload(Item)} || #pubsub_item{itemid = {Id, _}} = Item <- Items]};
        {error, #stanza_error{reason = 'item-not-found'}} -> {ok, []};
        {error, _} = Error -> Error
    end.

%% @doc The item with this id.
-spec item(jid:jid(), Id :: binary()) -> {ok, minimix_bookmark_item:payload()} | {error, term()}.
item(#jid{luser = U, lserver = S}, Id) ->
    Read = fun() -> mod_pubsub:get_item({U, S, <<>>}, ?NS_PEP_BOOKMARKS, Id) end,
    case read(S, keep, Read) of
        #pubsub_item{} = Item -> {ok, payload(Item)};
        {error, #stanza_error{reason = 'item-not-found'}} -> {ok, none};
        {error, _} = Error -> Error
    end.

payload(#pubsub_item{payload = Payload}) ->
    case [Element || #xmlel{} = Element <- Payload] of
        [Element | _] -> Element;
        [] -> none
    end.

%% Bookmarks are there without the plugin for PEP, too, where mod_private converts them.
read(Host, Legacy, Read) ->
    case gen_mod:is_loaded(Host, mod_pubsub) of
        true when Legacy =:= convert -> Read();
        true -> read_unconverted(Host, Read);
        false -> {error, no_pubsub}
    end.

%% The process that looks for the node is the one that mod_private converts in.
read_unconverted(Host, Read) ->
    Fun = fun() -> unconverted(Read) end,
    case mod_pubsub_opt:db_type(Host) of
        sql -> result(ejabberd_sql:sql_bloc(Host, Fun));
        _ -> Fun()
    end.

result({atomic, Result}) -> Result;
result(Failure) -> {error, Failure}.

%% mod_private sets this mark so as not to convert within a conversion.
unconverted(Read) ->
    Before = put(mod_private_in_pubsub_tree_call, true),
    try Read()
    after
        case Before of
            undefined -> erase(mod_private_in_pubsub_tree_call);
            _ -> put(mod_private_in_pubsub_tree_call, Before)
        end
    end.

%% @doc Replaces an item. Without options the node keeps those that it has.
-spec publish(jid:jid(), Id :: binary(), xmlel()) -> ok | {error, term()}.
publish(#jid{luser = U, lserver = S} = Account, Id, Payload) ->
    Publisher = jid:remove_resource(Account),
    written(mod_pubsub:publish_item({U, S, <<>>}, S, ?NS_PEP_BOOKMARKS, Publisher, Id, [Payload], [], all)).

-spec retract(jid:jid(), Id :: binary()) -> ok | {error, term()}.
retract(#jid{luser = U, lserver = S} = Account, Id) ->
    Publisher = jid:remove_resource(Account),
    written(mod_pubsub:delete_item({U, S, <<>>}, ?NS_PEP_BOOKMARKS, Publisher, Id, true)).

written({result, _}) -> ok;
written({error, _} = Error) -> Error.

%% @doc Tells the administrator what could not be done. Bookmarks hold passwords, so that only
%% conditions are named.
-spec complain(What :: string(), jid:jid(), term()) -> ok.
complain(What, Account, Reason) ->
    ?WARNING_MSG("mod_minimix cannot ~ts the bookmarks of ~ts: ~ts",
                 [What, jid:encode(Account), explained(Reason)]).

explained(#stanza_error{} = Error) -> xmpp:format_stanza_error(Error);
explained(_) -> "the database failed".
