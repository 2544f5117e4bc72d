%%% What the archive has written by a process that may wait for a database.
-module(minimix_archive_writer).

-export([write/3]).

-include("logger.hrl").
-include_lib("xmpp/include/xmpp.hrl").

%% @doc Writes all in their order, as a whole. What the database does not take though it takes others is
%% lost: how many messages that were. What is tried again may be there, as an answer that came too late was not
%% heard.
-spec write(binary(), [minimix_archive:item(), ...], IsAgain :: boolean()) ->
          {ok, Lost :: non_neg_integer()} | {error, string()}.
write(Host, Items, IsAgain) ->
    try
        Wanted = wanted(Host, Items),
        case together(Host, Wanted, IsAgain) of
            ok -> {ok, 0};
            {error, busy} -> {error, "what was written before has not come to an end"};
            {error, Reason} -> apart(Host, Wanted, Reason)
        end
    catch
        Class:Failure:Trace -> {error, minimix_failure:text(Class, Failure, Trace)}
    end.

together(_Host, [], _IsAgain) ->
    ok;
together(Host, Items, IsAgain) ->
    Write = fun() ->
                    minimix_archive_sql:is_alone(Host) orelse ejabberd_sql:abort(busy),
                    lists:foreach(fun(Item) -> item(Host, Item, IsAgain) end, Items)
            end,
    case ejabberd_sql:sql_transaction(Host, Write) of
        {atomic, _} -> ok;
        {aborted, busy} -> {error, busy};
        {aborted, Reason} -> {error, text(Reason)}
    end.

%% One that the database refuses must not keep the others.
apart(Host, Items, Reason) ->
    case minimix_archive_sql:takes(Host) of
        true -> {ok, lists:sum([alone(Host, Item) || Item <- Items])};
        false -> {error, Reason}
    end.

alone(Host, Item) ->
    case together(Host, [Item], true) of
        ok ->
            0;
        {error, busy} ->
            exit(busy);
        {error, Reason} ->
            minimix_archive_sql:takes(Host) orelse exit(Reason),
            ?ERROR_MSG("mod_minimix cannot archive a message on ~ts: ~ts", [Host, Reason]),
            1
    end.

%% Within a transaction, which an exit ends.
item(Host, {store, Account, Room, Message}, IsAgain) ->
    minimix_archive_sql:store(Host, Account, Room, Message, IsAgain);
item(Host, {retract, Account, Room, RoomId, _Size, Retraction}, _IsAgain) ->
    minimix_archive_sql:retract(Host, Account, Room, RoomId, Retraction);
item(Host, {forget, Account}, _IsAgain) ->
    case minimix_archive_sql:forget(Host, Account) of
        ok -> ok;
        {error, Reason} -> ejabberd_sql:abort(Reason)
    end;
item(_Host, {reached, _}, _IsAgain) ->
    ok.

%%% What a person wants to be archived (XEP-0441)

wanted(Host, Items) ->
    State = minimix_state:find(Host),
    [Item || Item <- Items, is_wanted(State, Item)].

is_wanted(State, {store, Account, Room, #{stanza := Stanza}}) ->
    is_wished(State, Account, Room) andalso is_let_through(Account, Stanza);
is_wanted(_State, _Item) ->
    true.

%% What the person has blocked is not kept, as nothing of it is that comes in another way (XEP-0191 5).
is_let_through(#jid{lserver = Host} = Account, Stanza) ->
    allow =:= ejabberd_hooks:run_fold(privacy_check_packet, Host, allow, [Account, Stanza, in]).

is_wished(State, Account, Room) ->
    Bare = minimix_stanza:account(Account),
    case minimix_state:wish(State, Bare, Room) of
        unknown ->
            Wish = asked(Account, Room),
            ok = minimix_state:set_wish(State, Bare, Room, Wish),
            Wish;
        Wish ->
            Wish
    end.

%% Where one account's preferences cannot be read, nothing of it is kept, and the others are not held up.
asked(#jid{lserver = Host} = Account, Room) ->
    try ask(Account, Room)
    catch
        Class:Reason:Trace ->
            minimix_archive_sql:takes(Host) orelse exit("mod_mam cannot tell the preferences of an account"),
            ?ERROR_MSG("mod_minimix cannot read what ~ts wants to be archived: ~ts",
                       [minimix_stanza:account(Account), minimix_failure:text(Class, Reason, Trace)]),
            false
    end.

ask(#jid{lserver = Host} = Account, Room) ->
    Question = #iq{type = get, id = <<"minimix">>, from = Account, to = Account,
                   sub_els = [#mam_prefs{xmlns = ?NS_MAM_2}]},
    case mod_mam:process_iq_v0_3(Question) of
        #iq{type = result, sub_els = [#mam_prefs{default = Default, always = Always, never = Never}]} ->
            wish(Default, is_among(Room, Always), is_among(Room, Never), fun() -> is_contact(Host, Account, Room) end);
        #iq{type = error} ->
            exit("mod_mam cannot tell the preferences of an account")
    end.

is_among(Room, Jids) ->
    lists:member(Room, [jid:tolower(jid:remove_resource(Jid)) || Jid <- Jids]).

wish(_Default, true, _IsNever, _IsContact) -> true;
wish(_Default, false, true, _IsContact) -> false;
wish(always, false, false, _IsContact) -> true;
wish(never, false, false, _IsContact) -> false;
wish(roster, false, false, IsContact) -> IsContact().

is_contact(Host, #jid{luser = U, lserver = S}, Room) ->
    {Subscription, _, _} =
        ejabberd_hooks:run_fold(roster_get_jid_info, Host, {none, none, []}, [U, S, jid:make(Room)]),
    lists:member(Subscription, [both, from, to]).

text(Reason) when is_binary(Reason) -> binary_to_list(Reason);
text(Reason) -> lists:flatten(io_lib:format("~0p", [Reason])).
