%%% What ejabberd says to a managed room in the name of a session.
%%%
%%% Nothing on this server answers a managed room with an error: rooms expel for it.
%%%
%%% Many parts of ejabberd do, for a stanza that they refuse or that they could not get rid of: stream
%%% management, the lists of blocked addresses, the rejection of strangers. So this stands where all
%%% stanzas pass, and costs those that are no errors a pattern match.
-module(minimix_guard).

-export([start/0, stop/0, filter_packet/1]).

-include_lib("xmpp/include/xmpp.hrl").

%% Before whatever else looks at them.
-define(PRIORITY, 10).

-spec start() -> ok.
start() ->
    ejabberd_hooks:add(filter_packet, ?MODULE, filter_packet, ?PRIORITY).

%% @doc Ends when no host needs it any more.
-spec stop() -> ok.
stop() ->
    case [Host || Host <- ejabberd_option:hosts(), minimix_state:find(Host) =/= undefined] of
        [] -> ejabberd_hooks:delete(filter_packet, ?MODULE, filter_packet, ?PRIORITY);
        _ -> ok
    end.

-spec filter_packet(stanza() | drop) -> stanza() | drop | {stop, drop}.
filter_packet(#message{type = error, from = From, to = To} = Error) ->
    unless_to_room(From, To, Error);
filter_packet(#presence{type = error, from = From, to = To} = Error) ->
    unless_to_room(From, To, Error);
%% What ejabberd answers for the account comes from where the room has asked.
filter_packet(#iq{type = Type, meta = #{minimix_passed := #jid{} = Asked}} = Answer)
  when Type =:= result; Type =:= error ->
    Answer#iq{from = Asked};
%% Who asks an occupant learns nothing of its sessions.
filter_packet(#iq{type = error, from = #jid{lresource = Resource} = From, to = To} = Error)
  when Resource =/= <<>> ->
    as_occupant(From, To, Error);
%% Those are questions of ejabberd's own, for the features of others for instance: only the occupant
%% may ask.
filter_packet(#iq{type = Type, id = <<"rr-", _/binary>>, from = #jid{lresource = Resource} = From,
                  to = #jid{lresource = Nick} = To} = Request)
  when Resource =/= <<>>, Nick =/= <<>>, (Type =:= get orelse Type =:= set) ->
    as_occupant(From, To, Request);
filter_packet(Stanza) ->
    Stanza.

as_occupant(From, To, Iq) ->
    case occupant(From, To) of
        none -> Iq;
        Occupant -> Iq#iq{from = Occupant}
    end.

unless_to_room(From, To, Error) ->
    case occupant(From, To) of
        none -> Error;
        _ -> {stop, drop}
    end.

occupant(#jid{luser = LUser, lserver = LServer} = From, #jid{} = To) when LUser =/= <<>> ->
    case minimix_state:find(LServer) of
        undefined -> none;
        State -> minimix_state:occupant(State, From, minimix_stanza:room(To))
    end;
occupant(_From, _To) ->
    none.
