%%% The hooks: each finds out whether a stanza is ours and brings it to the door.
%%%
%%% A handler that raises is worse than none: ejabberd goes on with the stanza as it was, bounces
%%% what nobody takes, and the room expels the account. So each has a safe answer of its own.
-module(minimix_hooks).

-export([user_send_packet/1, user_receive_packet/1, sm_receive_packet/1]).
-export([c2s_handle_info/2, c2s_self_presence/1, c2s_terminated/2, c2s_copy_session/2]).
-export([remove_user/2]).

-include("logger.hrl").
-include("translate.hrl").
-include_lib("xmpp/include/xmpp.hrl").

-type c2s_state() :: ejabberd_c2s:state().

%%% From a session

-spec user_send_packet({stanza() | drop, c2s_state()}) ->
          {stanza() | drop, c2s_state()} | {stop, {drop, c2s_state()}}.
user_send_packet({drop, _} = Acc) ->
    Acc;
user_send_packet({Stanza, #{lserver := Host} = Stream} = Acc) ->
    case xmpp:get_to(Stanza) of
        #jid{luser = LUser, lserver = LServer} = To when LUser =/= <<>>, LServer =/= Host ->
            to_room(Stanza, To, minimix_state:find(Host), Stream);
        _ ->
            Acc
    end.

to_room(Stanza, _To, undefined, Stream) ->
    {Stanza, Stream};
to_room(Stanza, To, State, #{jid := Jid} = Stream) ->
    Room = minimix_stanza:room(To),
    IsManaged = minimix_state:is_managed(State, minimix_stanza:account(Jid), Room),
    IsOurs = (IsManaged orelse begins_here(Stanza, To, State, Jid))
        andalso not minimix_stream:has_joined_by_itself(Stream, Room),
    case IsOurs andalso is_allowed(Stanza, Stream) of
        true -> bring(Stanza, State, Stream);
        false -> {Stanza, Stream}
    end.

begins_here(Stanza, To, State, Jid) ->
    minimix_stanza:is_join(Stanza) andalso minimix_state:is_serving(State)
        andalso mod_minimix:serves(Jid, To).

%% What privacy lists forbid is left to ejabberd, which refuses it.
is_allowed(Stanza, #{lserver := Host} = Stream) ->
    allow =:= ejabberd_hooks:run_fold(privacy_check_packet, Host, allow, [Stream, Stanza, out]).

bring(Stanza, State, #{jid := Jid} = Stream) ->
    try
        ok = minimix_host:watch(State, Jid, self()),
        case minimix_door:from_session(State, Stanza, Stream) of
            {drop, Stream1} -> {stop, {drop, Stream1}};
            Sent -> Sent
        end
    catch
        Class:Reason:Trace ->
            report("a session's stanza", Class, Reason, Trace),
            %% A join may have failed after the account's own was sent.
            Room = minimix_stanza:room(xmpp:get_to(Stanza)),
            IsManaged = minimix_state:is_managed(State, minimix_stanza:account(Jid), Room),
            case IsManaged of
                true -> {stop, {drop, internal_error(Stanza, Stream)}};
                false -> {Stanza, Stream}
            end
    end.

%% The room must not see the session's own address beside the account's.
internal_error(Stanza, Stream) ->
    case lists:member(xmpp:get_type(Stanza), [error, result, unavailable]) of
        true ->
            Stream;
        false ->
            Text = ?T("The server could not handle this for the room"),
            Error = xmpp:err_internal_server_error(Text, xmpp:get_lang(Stanza)),
            ejabberd_c2s:send(Stream, xmpp:make_error(Stanza, Error))
    end.

%%% From a room

-spec sm_receive_packet(stanza() | drop) -> stanza() | drop | {stop, drop}.
sm_receive_packet(drop) ->
    drop;
sm_receive_packet(Stanza) ->
    case xmpp:get_to(Stanza) of
        #jid{lresource = <<>>, luser = LUser} = To when LUser =/= <<>> ->
            to_account(Stanza, To, minimix_state:find(To#jid.lserver));
        _ ->
            Stanza
    end.

to_account(Stanza, _To, undefined) ->
    Stanza;
to_account(Stanza, To, State) ->
    Room = minimix_stanza:room(xmpp:get_from(Stanza)),
    case minimix_state:is_managed(State, minimix_stanza:account(To), Room) of
        true -> take(Stanza, To, State);
        false -> Stanza
    end.

take(Stanza, To, State) ->
    try minimix_door:from_room(State, To, Stanza) of
        drop -> {stop, drop};
        Passed -> Passed
    catch
        Class:Reason:Trace ->
            report("a room's stanza", Class, Reason, Trace),
            {stop, drop}
    end.

%%% In a session's stream

%% Deliveries of an attachment that is over wait in mailboxes, and ejabberd routes them again to
%% whoever has the resource next.
-spec user_receive_packet({stanza() | drop, c2s_state()}) ->
          {stanza() | drop, c2s_state()} | {stop, {drop, c2s_state()}}.
user_receive_packet({drop, _} = Acc) ->
    Acc;
user_receive_packet({Stanza, Stream} = Acc) ->
    case minimix_stanza:mark(Stanza) of
        none -> carbon(minimix_stanza:forwarded_to(Stanza), Acc);
        Mark -> receive_marked(Mark, Stanza, Stream)
    end.

receive_marked({Room, Generation, IsLast}, Stanza, Stream) ->
    case {minimix_stream:generation(Stream, Room), IsLast} of
        {Generation, true} -> {Stanza, minimix_stream:detach(Stream, Room)};
        {Generation, false} -> {Stanza, Stream};
        {_, _} -> {stop, {drop, Stream}}
    end.

%% A session that is not in the room is not shown what another one said there in private.
carbon(none, Acc) ->
    Acc;
carbon(To, {_, #{lserver := Host, jid := Jid} = Stream} = Acc) ->
    Room = minimix_stanza:room(To),
    IsForeign = case minimix_state:find(Host) of
                    undefined -> false;
                    State -> minimix_state:is_managed(State, minimix_stanza:account(Jid), Room)
                end,
    case IsForeign andalso minimix_stream:generation(Stream, Room) =:= none of
        true -> {stop, {drop, Stream}};
        false -> Acc
    end.

-spec c2s_handle_info(c2s_state(), term()) -> c2s_state() | {stop, c2s_state()}.
c2s_handle_info(#{lserver := Host} = Stream, {minimix, catch_up, Room}) ->
    {stop, in_stream(Host, Stream, fun(State) -> minimix_door:catch_up(State, Room, Stream) end)};
c2s_handle_info(#{lserver := Host} = Stream, {iq_reply, Reply, {minimix, Room, Request, Tell}}) ->
    #iq{type = Type} = Answer = reply_to(Request, Reply),
    Stream1 = ejabberd_c2s:send(Stream, Answer),
    case Tell of
        true ->
            Told = fun(State) -> minimix_door:answered(State, Room, Type =:= result, Stream1) end,
            {stop, in_stream(Host, Stream1, Told)};
        false ->
            {stop, Stream1}
    end;
c2s_handle_info(Stream, _Info) ->
    Stream.

in_stream(Host, Stream, Fun) ->
    case minimix_state:find(Host) of
        undefined ->
            Stream;
        State ->
            try Fun(State)
            catch
                Class:Reason:Trace ->
                    report("a session's catching up", Class, Reason, Trace),
                    Stream
            end
    end.

%% An answer counts only from whom was asked.
reply_to(#iq{id = Id, from = Asker, to = Asked} = Request, #iq{from = From} = Reply) ->
    case jid:tolower(From) =:= jid:tolower(Asked) of
        true -> Reply#iq{id = Id, from = Asked, to = Asker};
        false -> no_answer(Request)
    end;
reply_to(Request, timeout) ->
    no_answer(Request).

no_answer(Request) ->
    Error = xmpp:err_remote_server_timeout(?T("The room did not answer"), xmpp:get_lang(Request)),
    xmpp:make_error(Request, Error).

%%% Sessions that go

-spec c2s_self_presence({stanza(), c2s_state()}) -> {stanza(), c2s_state()}.
c2s_self_presence({#presence{type = unavailable} = Presence, Stream}) ->
    {Presence, gone(Stream)};
c2s_self_presence(Acc) ->
    Acc.

-spec c2s_terminated(c2s_state(), term()) -> c2s_state().
c2s_terminated(#{mgmt_state := resumed} = Stream, _Reason) ->
    Stream;
c2s_terminated(#{jid := _} = Stream, _Reason) ->
    gone(Stream);
c2s_terminated(Stream, _Reason) ->
    Stream.

gone(#{jid := Jid, lserver := Host} = Stream) ->
    in_stream(Host, minimix_stream:detach_all(Stream),
              fun(State) ->
                      ok = minimix_door:session_gone(State, Jid, self()),
                      minimix_stream:detach_all(Stream)
              end).

-spec c2s_copy_session(New :: c2s_state(), Old :: c2s_state()) -> c2s_state().
c2s_copy_session(New, #{jid := Jid, lserver := Host} = Old) ->
    in_stream(Host, New,
              fun(State) ->
                      ok = minimix_host:watch(State, Jid, self()),
                      Pid = minimix_stream:pid(Old),
                      ok = minimix_door:session_resumed(State, Jid, Pid, self()),
                      minimix_stream:copy(New, Old)
              end).

-spec remove_user(binary(), binary()) -> ok.
remove_user(User, Server) ->
    Account = jid:make(User, Server),
    case minimix_state:find(Account#jid.lserver) of
        undefined -> ok;
        State -> minimix_door:stop_account(State, Account)
    end.

report(What, Class, Reason, Trace) ->
    ?ERROR_MSG("mod_minimix failed on ~ts: ~ts",
               [What, misc:format_exception(2, Class, Reason, Trace)]).
