%% What may differ between the transcripts of a conversation held with the module and of the same held without.
%%
%% Both transcripts lose what may differ. What is always allowed is listed in always/0. The rest is allowed where a
%% conversation names it, with the steps that it concerns.
-module(mmx_allowance).

-export([allow/3]).

-include_lib("fast_xml/include/fxml.hrl").

-import(mmx_stanza, [type/1, from/1, from_nick/1, bare/1, child/2, child/3, is_self_presence/1, is_subject/1, error_condition/1]).

-define(NS_MUC_USER, <<"http://jabber.org/protocol/muc#user">>).

-type name() ::
    error_by_the_server
    | id_is_added
    | nothing_new_is_not_shown
    | errors_stop
    | requests_are_refused
    | archive_shows_no_addresses
    | lost_session_stays
    | seen_only_by_who_asked
    | newly_seen_by_all
    | shown_as_it_was
    | history_as_it_was_sent
    | one_occupant.
-type allowance() :: {name(), Steps :: [pos_integer()] | always}.
-export_type([allowance/0]).

%% The accounts are those that the module serves.
-spec allow([mmx_conversation:account()], [allowance()], mmx_conversation:transcript()) -> mmx_conversation:transcript().
allow(Served, Allowances, Transcript) ->
    [
        {Step, [{Session, allowed(Served, always() ++ named(Number, Allowances), Step, Session, Stanzas)} || {Session, Stanzas} <- Received]}
     || {Number, {Step, Received}} <- lists:enumerate(Transcript)
    ].

named(Number, Allowances) ->
    [Name || {Name, Steps} <- Allowances, Steps =:= always orelse lists:member(Number, Steps)].

allowed(Served, Names, Step, Session, Stanzas) ->
    lists:foldl(
        fun
            (the_occupant_is_the_account, Acc) -> accounts(Served, Session, Acc);
            (id_is_added, Acc) -> without_added_ids(Served, Step, Session, Acc);
            (Name, Acc) -> without(Name, Step, Session, Acc)
        end,
        Stanzas,
        Names
    ).

always() ->
    [
        the_occupant_is_the_account,
        addressed_to_the_account,
        codes_have_no_order,
        the_room_is_no_occupant,
        presence_of_the_room_has_any_id,
        the_subject_is_remembered,
        occupants_have_no_order
    ].

%% B18.126 (XEP-0045 §7.8.2), I7: others are shown the account, and so is who reads lists and archives of the room.
%% In its own presence a session sees its own address, as always.
accounts(Served, Session, Stanzas) ->
    [
        case is_own_presence(Stanza, Session) of
            true -> Stanza;
            false -> accounts(Served, Stanza)
        end
     || Stanza <- Stanzas
    ].

%% Accounts that are served, in the places where rooms name addresses.
accounts(Served, #xmlel{name = Name, attrs = Attrs, children = Children} = El) ->
    El#xmlel{
        attrs = [{Key, address(lists:member({Name, Key}, places()), Served, Value)} || {Key, Value} <- Attrs],
        children = [accounts_in(Served, El, Child) || Child <- Children]
    }.

places() ->
    [{<<"item">>, <<"jid">>}, {<<"actor">>, <<"jid">>}, {<<"invite">>, <<"from">>}, {<<"decline">>, <<"from">>}, {<<"address">>, <<"jid">>}].

accounts_in(Served, _, #xmlel{} = Child) ->
    accounts(Served, Child);
accounts_in(Served, #xmlel{name = Name}, {xmlcdata, Text}) ->
    {xmlcdata, address(Name =:= <<"value">> orelse Name =:= <<"body">>, Served, Text)}.

address(true, Served, Text) ->
    Accounts = lists:join("|", [atom_to_list(Account) || Account <- Served]),
    re:replace(Text, ["\\b(", Accounts, ")@host/(phone|laptop|bob|carol|dan|[0-9a-f]{32})\\b"], "\\1@host", [{return, binary}]);
address(false, _, Text) ->
    Text.

%% B15.100 (XEP-0045 §7.4): a message that has no id is given one, lest its refusal reach another session.
without_added_ids(Served, {Speaker, _}, Session, Stanzas) ->
    [Speaks, Hears] = [mmx_conversation:account(Name) || Name <- [Speaker, Session]],
    case Speaks =/= Hears andalso lists:member(Speaks, Served) of
        true -> [without_attribute(<<"id">>, Stanza) || Stanza <- Stanzas];
        false -> Stanzas
    end.

%% B15.103, B18.128: what the room sends to the account is addressed to the session that gets it.
without(addressed_to_the_account, _Step, _Session, Stanzas) ->
    [
        case Stanza#xmlel.name =:= <<"message">> andalso type(Stanza) =:= <<"normal">> andalso child(Stanza, x, ?NS_MUC_USER) of
            #xmlel{} -> attribute(Stanza, <<"to">>, fun mmx_stanza:bare/1);
            _ -> Stanza
        end
     || Stanza <- Stanzas
    ];
%% XEP-0045 §15.6: status codes are a set.
without(codes_have_no_order, _Step, _Session, Stanzas) ->
    [codes(Stanza) || Stanza <- Stanzas];
%% B9.69: ejabberd tells who leaves that the room itself is unavailable, which XEP-0045 §7.14 does not know.
without(the_room_is_no_occupant, {Session, _}, Session, Stanzas) ->
    IsLeft = lists:any(fun(S) -> is_unavailable(S) andalso is_self_presence(S) end, Stanzas),
    [Stanza || Stanza <- Stanzas, not (IsLeft andalso is_unavailable(Stanza) andalso is_bare(from(Stanza)))];
%% B1.15 (XEP-0045 §7.2.2): ejabberd makes an id for each copy of the room's own presence, and nobody answers it.
without(presence_of_the_room_has_any_id, _Step, _Session, Stanzas) ->
    [
        case Stanza#xmlel.name =:= <<"presence">> andalso is_bare(from(Stanza)) andalso type(Stanza) =/= <<"error">> of
            true -> without_attribute(<<"id">>, Stanza);
            false -> Stanza
        end
     || Stanza <- Stanzas
    ];
%% B2.22 (XEP-0045 §7.2.15): who joins later is given the subject with all that came with it; ejabberd keeps but its text.
without(the_subject_is_remembered, {Session, _}, Session, Stanzas) ->
    [
        case is_subject(Stanza) andalso lists:any(fun is_entered/1, Stanzas) of
            true -> Stanza#xmlel{attrs = kept(Stanza, [<<"from">>, <<"to">>, <<"type">>]), children = [child(Stanza, subject)]};
            false -> Stanza
        end
     || Stanza <- Stanzas
    ];
%% XEP-0045 §7.2.2: only the own presence has its place, which is the last.
without(occupants_have_no_order, {Session, _}, Session, Stanzas) ->
    sorted(Stanzas);
%% XEP-0410 §3.3, RFC 6120 §8.3.2: what the server refuses for the room it says in its own words.
without(error_by_the_server, _Step, _Session, Stanzas) ->
    [
        case error_condition(Stanza) of
            undefined -> Stanza;
            Condition -> Stanza#xmlel{children = [#xmlel{name = Condition}]}
        end
     || Stanza <- Stanzas
    ];
%% B5.40: an update after which the occupant shows what it showed before is sent to nobody.
without(nothing_new_is_not_shown, _Step, _Session, Stanzas) ->
    [Stanza || #xmlel{name = Name} = Stanza <- Stanzas, Name =/= <<"presence">>];
%% B13.89, I5 (XEP-0045 §18.1.2): rooms expel for errors, so those of sessions go nowhere.
without(errors_stop, {Session, _}, Other, Stanzas) when Session =/= Other ->
    [Stanza || Stanza <- Stanzas, type(Stanza) =/= <<"error">>];
%% B17.121 (RFC 6120 §8.2.3): a request to one who leaves is refused at once; natively it is left without an answer.
without(requests_are_refused, {Session, _}, Other, Stanzas) when Session =/= Other ->
    [Stanza || Stanza <- Stanzas, error_condition(Stanza) =/= <<"service-unavailable">>];
%% B17.120, B21.157: a session asks the archive by itself, and so never as a moderator.
without(archive_shows_no_addresses, {Session, _}, Session, Stanzas) ->
    [without_addresses(Stanza) || Stanza <- Stanzas];
%% B8.58, B8.61: others neither see a session that is lost nor that it is back.
without(lost_session_stays, _Step, Session, Stanzas) ->
    [Stanza || Stanza <- Stanzas, mmx_conversation:account(Session) =:= alice orelse not is_presence_of(<<"alice">>, Stanza)];
%% I7: a session that joins later is shown what the account was shown, though the room would show more by now.
without(shown_as_it_was, {Session, _}, Session, Stanzas) ->
    [
        case is_available(Stanza) andalso not is_own_presence(Stanza, Session) of
            true -> without_addresses_of_items(Stanza);
            false -> Stanza
        end
     || Stanza <- Stanzas
    ];
%% B2.21: the messages of a replay are those that the account was sent. What a room keeps of them is its own affair:
%% ejabberd 26.07 forgets the id in its archive, and rooms that hide nobody add who wrote them.
without(history_as_it_was_sent, {Session, _}, Session, Stanzas) ->
    [
        case child(Stanza, delay) of
            undefined -> Stanza;
            _ -> without_children([<<"stanza-id">>, <<"addresses">>], Stanza)
        end
     || Stanza <- Stanzas
    ];
%% B2.24, B2.26: what a session is given that joins again is given to nobody else.
without(seen_only_by_who_asked, {Session, _}, Other, Stanzas) when Session =/= Other ->
    Nick = atom_to_binary(mmx_conversation:account(Session)),
    [Stanza || Stanza <- Stanzas, not is_presence_of(Nick, Stanza)];
%% B10.74: what the account may see from now on the room tells when a session comes, and then the others hear it, too.
without(newly_seen_by_all, {Session, _}, Other, Stanzas) when Session =/= Other ->
    Own = mmx_conversation:account(Session) =:= mmx_conversation:account(Other),
    [Stanza || Stanza <- Stanzas, not (Own andalso is_available(Stanza) andalso not is_own_presence(Stanza, Other))];
%% B2.24, B6.46, B6.49, B5.40: several sessions are one occupant, whose coming and going is not shown. Natively each
%% has a presence of its own under the same nick, with its own address and id, and it is not marked as the others'.
without(one_occupant, {Actor, _}, Session, Stanzas) ->
    Own = mmx_conversation:account(Session) =:= alice,
    Acts = mmx_conversation:account(Actor) =:= alice,
    once([
        shared(Stanza)
     || Stanza <- Stanzas,
        not is_presence_of(<<"alice">>, Stanza) orelse
            (Actor =:= Session andalso is_self_presence(Stanza)) orelse
            (not Acts andalso (not Own orelse is_self_presence(Stanza)))
    ]);
without(_, _Step, _Session, Stanzas) ->
    Stanzas.

without_children(Names, #xmlel{children = Children} = El) ->
    El#xmlel{children = [Child || Child <- Children, not (is_record(Child, xmlel) andalso lists:member(Child#xmlel.name, Names))]}.

%% B16.112 (XEP-0313 §6.1.1): natively each session's copy of a private message has a place in the archive.
shared(#xmlel{name = <<"message">>, children = Children} = Stanza) ->
    Stanza#xmlel{children = [Child || Child <- Children, not is_archived(Child)]};
shared(Stanza) ->
    case is_presence_of(<<"alice">>, Stanza) andalso type(Stanza) =/= <<"error">> of
        true -> without_addresses_of_items(without_attribute(<<"id">>, Stanza));
        false -> Stanza
    end.

is_archived(#xmlel{} = El) -> mmx_stanza:attr(El, by) =:= <<"alice@host">>;
is_archived(_) -> false.

without_addresses_of_items(#xmlel{name = <<"item">>} = Item) -> without_attribute(<<"jid">>, Item);
without_addresses_of_items(#xmlel{children = Children} = El) -> El#xmlel{children = [without_addresses_of_items(Child) || Child <- Children]};
without_addresses_of_items(Text) -> Text.

once([Same, Same | Rest]) -> once([Same | Rest]);
once([Stanza | Rest]) -> [Stanza | once(Rest)];
once([]) -> [].

without_attribute(Name, #xmlel{attrs = Attrs} = El) ->
    El#xmlel{attrs = lists:keydelete(Name, 1, Attrs)}.

is_own_presence(Stanza, Session) ->
    Own = <<(atom_to_binary(mmx_conversation:account(Session)))/binary, "@host/", (atom_to_binary(Session))/binary>>,
    case Stanza#xmlel.name =:= <<"presence">> andalso mmx_stanza:item(Stanza) of
        #{jid := Own} -> true;
        _ -> false
    end.

attribute(#xmlel{attrs = Attrs} = El, Key, Fun) ->
    El#xmlel{attrs = [{Name, case Name of Key -> Fun(Value); _ -> Value end} || {Name, Value} <- Attrs]}.

kept(#xmlel{attrs = Attrs}, Names) ->
    [Attr || {Name, _} = Attr <- Attrs, lists:member(Name, Names)].

codes(#xmlel{children = Children} = El) ->
    El#xmlel{children = [codes_in(Child) || Child <- Children]}.

codes_in(#xmlel{name = <<"x">>, children = Children} = X) ->
    {Codes, Others} = lists:partition(fun(Child) -> is_record(Child, xmlel) andalso Child#xmlel.name =:= <<"status">> end, Children),
    X#xmlel{children = Others ++ lists:sort(Codes)};
codes_in(Child) ->
    Child.

without_addresses(#xmlel{children = Children} = El) ->
    El#xmlel{children = [without_addresses(Child) || Child <- Children, not is_addresses(Child)]};
without_addresses(Text) ->
    Text.

is_addresses(#xmlel{name = <<"x">>} = X) -> mmx_stanza:attr(X, xmlns) =:= ?NS_MUC_USER;
is_addresses(_) -> false.

sorted(Stanzas) ->
    case lists:splitwith(fun is_other_occupant/1, Stanzas) of
        {_, []} -> lists:sort(Stanzas);
        {Others, [Next | Rest]} -> lists:sort(Others) ++ [Next | sorted(Rest)]
    end.

is_other_occupant(Stanza) ->
    is_available(Stanza) andalso not is_bare(from(Stanza)) andalso not is_self_presence(Stanza).

is_entered(Stanza) -> is_available(Stanza) andalso is_self_presence(Stanza).

is_available(#xmlel{name = Name} = Stanza) -> Name =:= <<"presence">> andalso type(Stanza) =:= <<"available">>.

is_unavailable(#xmlel{name = Name} = Stanza) -> Name =:= <<"presence">> andalso type(Stanza) =:= <<"unavailable">>.

is_presence_of(Nick, #xmlel{name = Name} = Stanza) -> Name =:= <<"presence">> andalso from_nick(Stanza) =:= Nick.

is_bare(Jid) -> Jid =/= undefined andalso bare(Jid) =:= Jid.
