%%% Streams whose connection is lost and that wait for it (XEP-0198 5).
%%%
%%% mod_push wakes the device of such a stream for whatever the stream is given, be it the presence of an
%%% occupant. What rooms send wakes it when the person wants that. Each handler stands on both sides of mod_push
%%% and mod_push_keepalive: what is not to wake is kept from them on the way in and put back on the way out.
-module(minimix_push_hooks).

-export([c2s_session_pending/1, c2s_handle_send/3]).

-include("logger.hrl").
-include_lib("xmpp/include/xmpp.hrl").

-type c2s_state() :: ejabberd_c2s:state().

%% The connection is lost just now: mod_push looks at what the client has not acknowledged.
-spec c2s_session_pending(c2s_state()) -> c2s_state().
c2s_session_pending(#{minimix_queue := Queue} = Stream) ->
    maps:remove(minimix_queue, Stream#{mgmt_queue := Queue});
c2s_session_pending(#{jid := Jid, lserver := Host, mgmt_queue := Queue} = Stream) ->
    safely(Host, Stream,
           fun(State) ->
                   ok = minimix_door:session_asleep(State, Jid, self()),
                   Waking = p1_queue:foldl(
                              fun({_, _, Stanza} = Item, Acc) ->
                                      case is_quiet(State, Jid, Stanza) of
                                          true -> Acc;
                                          false -> p1_queue:in(Item, Acc)
                                      end
                              end, p1_queue:new(p1_queue:type(Queue)), Queue),
                   Stream#{mgmt_queue := Waking, minimix_queue => Queue}
           end);
c2s_session_pending(Stream) ->
    Stream.

%% The stream is given something while it waits.
-spec c2s_handle_send(c2s_state(), xmpp_element() | fxml:xmlel(), term()) -> c2s_state().
c2s_handle_send(#{push_enabled := {minimix, WasEnabled}} = Stream, _Stanza, _Result) ->
    Stream#{push_enabled := WasEnabled};
c2s_handle_send(#{push_enabled := true, mgmt_state := pending, jid := Jid, lserver := Host} = Stream, Stanza, _Result) ->
    safely(Host, Stream,
           fun(State) ->
                   case is_quiet(State, Jid, Stanza) of
                       true -> Stream#{push_enabled := {minimix, true}};
                       false -> Stream
                   end
           end);
c2s_handle_send(Stream, _Stanza, _Result) ->
    Stream.

%% What is said in private wakes as it would without a room.
is_quiet(State, Jid, #message{type = groupchat} = Message) ->
    case minimix_stanza:mark(Message) of
        none -> false;
        {Room, _, _} -> not minimix_door:wakes(State, Jid, Room, Message)
    end;
is_quiet(_State, _Jid, #presence{} = Presence) ->
    minimix_stanza:mark(Presence) =/= none;
is_quiet(_State, _Jid, _Other) ->
    false.

safely(Host, Stream, Fun) ->
    case minimix_state:find(Host) of
        undefined ->
            Stream;
        State ->
            try Fun(State)
            catch
                Class:Reason:Trace ->
                    ?ERROR_MSG("mod_minimix failed on a stream that waits: ~ts",
                               [minimix_failure:text(Class, Reason, Trace)]),
                    Stream
            end
    end.
