%%% What a room of this server says to all its occupants, before ejabberd routes a copy to each.
%%%
%%% The accounts among them are told by few calls, in the room's process. Handlers of others are asked once
%%% for all accounts of a host; where one of them does anything to the message, each account gets its own copy.
-module(minimix_broadcast).

-export([multicast_route/1]).

-include("logger.hrl").
-include_lib("xmpp/include/xmpp.hrl").

%% Accounts that one call tells, and bytes of stanzas that it reads for them: some tenths of a millisecond.
-define(AT_ONCE, 100).
-define(BYTES_AT_ONCE, 128 * 1024).

-type broadcast() :: {From :: jid:jid(), Host :: binary(), Destinations :: [jid:jid()], stanza(), IsWrapped :: boolean()}.

%% The message is still from the session that has sent it to the room; what is wrapped is for subscribers.
-spec multicast_route(broadcast()) -> broadcast().
multicast_route({#jid{luser = LUser} = From, Host, Destinations, #message{type = groupchat} = Message, false} = Broadcast)
  when LUser =/= <<>> ->
    Room = minimix_stanza:room(From),
    case lists:partition(fun(To) -> is_ours(To, Room) end, Destinations) of
        {[], _} ->
            Broadcast;
        {Ours, Others} ->
            {From, Host, tell_all(Ours, xmpp:set_from(Message, From)) ++ Others, Message, false}
    end;
multicast_route(Broadcast) ->
    Broadcast.

is_ours(#jid{lresource = <<>>, lserver = Host} = To, Room) ->
    case minimix_state:find(Host) of
        undefined -> false;
        State -> minimix_state:is_managed(State, minimix_stanza:account(To), Room)
    end;
is_ours(_To, _Room) ->
    false.

tell_all(Accounts, Message) ->
    Hosts = lists:usort([Host || #jid{lserver = Host} <- Accounts]),
    lists:append([tell_host(Host, [To || #jid{lserver = S} = To <- Accounts, S =:= Host], Message) || Host <- Hosts]).

tell_host(Host, [First | _] = Accounts, Message) ->
    try seen(Host, xmpp:set_to(Message, First)) of
        none -> Accounts;
        {Seen, Element} -> tell(minimix_state:find(Host), Accounts, Seen, Element, at_once(Element), [])
    catch
        Class:Reason:Trace -> report(Class, Reason, Trace, Accounts)
    end.

%% As those see it that come before us on the way of a stanza to an account.
seen(Host, Message) ->
    case ejabberd_hooks:run_fold(filter_packet, Message, []) of
        Message -> element(ejabberd_hooks:run_fold(sm_receive_packet, Host, minimix_stanza:for_all(Message), []));
        _ -> none
    end.

element(#message{} = Seen) -> {Seen, minimix_stanza:to_element(Seen)};
element(drop) -> none.

at_once(Element) ->
    max(1, min(?AT_ONCE, ?BYTES_AT_ONCE div erlang:external_size(Element))).

tell(_State, [], _Message, _Element, _AtOnce, Left) ->
    Left;
tell(State, Accounts, Message, Element, AtOnce, Left) ->
    {Some, Others} = lists:split(min(length(Accounts), AtOnce), Accounts),
    Refused = try minimix_door:from_room_to_all(State, Some, Message, Element)
              catch
                  Class:Reason:Trace -> report(Class, Reason, Trace, Some)
              end,
    tell(State, Others, Message, Element, AtOnce, Refused ++ Left).

%% They get it one by one.
report(Class, Reason, Trace, Accounts) ->
    ?ERROR_MSG("mod_minimix failed on what a room says to all: ~ts", [minimix_failure:text(Class, Reason, Trace)]),
    Accounts.
