%%% Groupchat of an account in the table of mod_mam_sql, and by its functions where it has some.
%%%
%%% The rows stand under the name "user@host" and are of the kind groupchat, as those of a room. So
%%% mod_mam itself, whose queries name the "user", never gives them to anybody.
-module(minimix_archive_sql).

-export([is_alone/1, store/5, retract/5, forget/2, forget/3, takes/1]).

-include("ejabberd_sql_pt.hrl").
-include_lib("xmpp/include/xmpp.hrl").

%% The class of PostgreSQL's advisory locks that are ours.
-define(LOCKS, 13_045).
%% Microseconds by which the clocks of servers may differ.
-define(SKEW, 10 * 60 * 1_000_000).
%% Messages of one author with the same text, or that a room calls the same, that are looked at.
-define(MOST_ALIKE, 100).

%% @doc Whether no other transaction is writing for this host, as one whose answer nobody has waited for long
%% enough: what it writes could not be seen yet, and would be written twice. Within a transaction.
-spec is_alone(binary()) -> boolean().
is_alone(Host) ->
    case ejabberd_option:sql_type(Host) of
        pgsql ->
            Lock = integer_to_binary(erlang:phash2({?MODULE, Host})),
            Query = <<"select case when pg_try_advisory_xact_lock(", (integer_to_binary(?LOCKS))/binary, ", ", Lock/binary, ") then 1 else 0 end">>,
            case ejabberd_sql:sql_query_t(Query) of
                {selected, _, [[IsAlone]]} -> IsAlone =:= <<"1">>;
                {error, Reason} -> ejabberd_sql:abort(Reason)
            end;
        _OneAfterTheOther ->
            true
    end.

%% @doc Stores a message, unless it is there. Within a transaction.
-spec store(binary(), jid:jid(), jid:ljid(), minimix_archive:filed(), IsAgain :: boolean()) -> ok.
store(Host, Account, Room, #{id := Id} = Message, IsAgain) ->
    case (IsAgain andalso is_stored(Host, Account, Id)) orelse is_repeated(Host, Account, Room, Message) of
        true -> ok;
        false -> insert(Host, Account, Message)
    end.

is_stored(Host, Account, Id) ->
    Owner = owner(Account),
    Query = ?SQL("select @(timestamp)d from archive where username=%(Owner)s and %(Host)H and timestamp=%(Id)d"),
    case ejabberd_sql:sql_query(Host, Query) of
        {selected, Rows} -> Rows =/= [];
        {error, Reason} -> ejabberd_sql:abort(Reason)
    end.

is_repeated(Host, Account, Room, #{is_past := true, stanza := Stanza} = Message) ->
    is_there(Host, Account, Room, Message)
        orelse (is_known_by_more(Message) andalso is_alike_there(Host, Account, Room, Stanza));
is_repeated(_Host, _Account, _Room, #{is_past := false}) ->
    false.

insert(Host, #jid{luser = U, lserver = S}, #{id := Id, stanza := #message{from = From} = Stanza} = Message) ->
    RoomId = case Message of
                 #{room_id := none} -> integer_to_binary(Id);
                 #{room_id := Given} -> Given
             end,
    Nick = From#jid.resource,
    case mod_mam_sql:store(xmpp:encode(Stanza), Host, {U, S}, groupchat, From, Nick, recv, Id, RoomId, false) of
        ok -> ok;
        {error, Reason} -> ejabberd_sql:abort(Reason)
    end.

is_there(_Host, _Account, _Room, #{room_id := none}) ->
    false;
is_there(Host, Account, Room, #{room_id := RoomId}) ->
    rows(Host, Account, Room, RoomId) =/= [].

%% What the room calls it is all that tells it from another one with the same text.
is_known_by_more(#{room_id := none}) -> true;
is_known_by_more(#{stanza := #message{id = Id}}) -> Id =/= <<>>.

%% Not every room gives ids, and some tell another one later.
is_alike_there(Host, Account, Room, #message{from = From, id = Id, body = Body} = Stanza) ->
    At = said_at(Stanza, Room),
    Texts = alike(Host, owner(Account), jid:encode(jid:tolower(From)), xmpp:get_text(Body), At - ?SKEW, At + ?SKEW),
    lists:any(fun(Xml) -> id_of(Xml, Account, From) =:= Id end, Texts).

%% Its author may have given it a time of its own.
said_at(Stanza, Room) ->
    Delays = [Delay || #delay{} = Delay <- [decoded(Element) || Element <- xmpp:get_els(Stanza)]],
    case [Stamp || #delay{from = #jid{} = From, stamp = Stamp} <- Delays, minimix_stanza:room(From) =:= Room] of
        [Stamp | _] -> misc:now_to_usec(Stamp);
        [] -> erlang:system_time(microsecond)
    end.

decoded(Element) ->
    try xmpp:decode(Element)
    catch _:{xmpp_codec, _} -> malformed
    end.

alike(Host, Owner, Peer, Text, From, To) ->
    Most = ?MOST_ALIKE,
    Query = ?SQL("select @(xml)s from archive where username=%(Owner)s and %(Host)H and peer=%(Peer)s"
                 " and txt=%(Text)s and timestamp >= %(From)d and timestamp <= %(To)d limit %(Most)d"),
    case ejabberd_sql:sql_query(Host, Query) of
        {selected, Rows} -> [Xml || {Xml} <- Rows];
        {error, Reason} -> ejabberd_sql:abort(Reason)
    end.

id_of(Xml, Account, Peer) ->
    case element(Xml, Account, Peer) of
        #xmlel{} = Message -> fxml:get_tag_attr_s(<<"id">>, Message);
        {error, _} -> none
    end.

%% @doc Puts a tombstone where whoever says so may take the message back. Within a transaction.
-spec retract(binary(), jid:jid(), jid:ljid(), RoomId :: binary(), #message{}) -> ok.
retract(Host, Account, Room, RoomId, Retraction) ->
    lists:foreach(fun(Row) -> bury(Host, Account, Room, RoomId, Row, Retraction) end, rows(Host, Account, Room, RoomId)).

bury(Host, Account, Room, RoomId, {Timestamp, Xml, Peer}, Retraction) ->
    case element(Xml, Account, jid:decode(Peer)) of
        #xmlel{} = Message ->
            Now = erlang:system_time(millisecond),
            Stone = minimix_nif:tombstone(Message, minimix_stanza:to_element(Retraction),
                                          minimix_stanza:room_address(Room), Now),
            replace(Host, owner(Account), Timestamp, RoomId, Stone);
        {error, _} ->
            ok
    end.

replace(_Host, _Owner, _Timestamp, _RoomId, none) ->
    ok;
replace(Host, Owner, Timestamp, RoomId, #xmlel{} = Stone) ->
    Xml = fxml:element_to_binary(Stone),
    Query = ?SQL("update archive set xml=%(Xml)s, txt='' where username=%(Owner)s and %(Host)H"
                 " and timestamp=%(Timestamp)d and origin_id=%(RoomId)s"),
    done(ejabberd_sql:sql_query(Host, Query)).

%% @doc Deletes all groupchat of an account.
-spec forget(binary(), jid:jid()) -> ok | {error, term()}.
forget(Host, #jid{luser = U, lserver = S}) ->
    mod_mam_sql:remove_from_archive({U, S}, Host, none).

%% @doc Deletes the groupchat of an account with one peer.
-spec forget(binary(), jid:jid(), jid:jid()) -> ok | {error, term()}.
forget(Host, #jid{luser = U, lserver = S}, With) ->
    mod_mam_sql:remove_from_archive({U, S}, Host, With).

%% @doc Whether the database takes anything at all.
-spec takes(binary()) -> boolean().
takes(Host) ->
    Query = ?SQL("update archive set txt='' where username='' and timestamp=0 and %(Host)H"),
    case ejabberd_sql:sql_query(Host, Query) of
        {updated, _} -> true;
        {error, _} -> false
    end.

rows(Host, Account, Room, RoomId) ->
    Owner = owner(Account),
    Most = ?MOST_ALIKE,
    Bare = jid:encode(Room),
    Query = ?SQL("select @(timestamp)d, @(xml)s, @(peer)s from archive where username=%(Owner)s and %(Host)H"
                 " and origin_id=%(RoomId)s and bare_peer=%(Bare)s limit %(Most)d"),
    case ejabberd_sql:sql_query(Host, Query) of
        {selected, Rows} -> Rows;
        {error, Reason} -> ejabberd_sql:abort(Reason)
    end.

%% mod_mam may compress what it stores.
element(Xml, Account, Peer) ->
    xml_compress:decode(Xml, owner(Account), jid:encode(jid:tolower(Peer))).

owner(Account) ->
    jid:encode(jid:tolower(jid:remove_resource(Account))).

done({updated, _}) -> ok;
done({error, Reason}) -> ejabberd_sql:abort(Reason).
