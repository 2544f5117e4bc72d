%%% The hooks: each finds out whether a stanza is ours and brings it to the door.
%%%
%%% A handler that raises is worse than none: ejabberd goes on with the stanza as it was, bounces
%%% what nobody takes, and the room expels the account. So each has a safe answer of its own.
-module(minimix_hooks).

-export([user_send_packet/1, user_receive_packet/1, sm_receive_packet/1]).
-export([c2s_handle_info/2, c2s_self_presence/1, c2s_terminated/2]).
-export([c2s_handle_call/3, c2s_copy_session/2]).
-export([remove_user/2, register_user/2]).
-export([s2s_out_closed/2, s2s_out_auth_result/2, s2s_in_auth_result/3, s2s_in_closed/2]).

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
        andalso not minimix_state:is_barred(State, minimix_stanza:account(Jid))
        andalso mod_minimix:serves(Jid, To).

%% What privacy lists forbid is left to ejabberd, which refuses it.
is_allowed(Stanza, #{lserver := Host} = Stream) ->
    allow =:= ejabberd_hooks:run_fold(privacy_check_packet, Host, allow, [Stream, Stanza, out]).

bring(Stanza, State, #{jid := Jid} = Stream) ->
    try
        ok = minimix_host:watch(State, Jid, self()),
        Done = minimix_door:from_session(State, Stanza, Stream),
        ok = minimix_door:let_go_if_barred(State, Jid, minimix_stanza:room(xmpp:get_to(Stanza))),
        case Done of
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

-spec sm_receive_packet(stanza() | drop) -> stanza() | drop | {stop, drop | message()}.
sm_receive_packet(drop) ->
    drop;
sm_receive_packet(#message{meta = #{minimix_for_all := true}} = Message) ->
    {stop, xmpp:del_meta(Message, minimix_for_all)};
sm_receive_packet(Stanza) ->
    case xmpp:get_to(Stanza) of
        #jid{lresource = <<>>, luser = LUser} = To when LUser =/= <<>> ->
            to_account(Stanza, To, minimix_state:find(To#jid.lserver));
        To ->
            to_resource(Stanza, To, minimix_state:find(To#jid.lserver))
    end.

%% A room may know the account by an address that looks like that of a session.
to_resource(Stanza, _To, undefined) ->
    returned(Stanza);
to_resource(Stanza, To, State) ->
    Room = minimix_stanza:room(xmpp:get_from(Stanza)),
    IsDelivery = minimix_stanza:mark(Stanza) =/= none,
    case not IsDelivery andalso minimix_state:is_occupant(State, To, Room) of
        true -> take(Stanza, To, State);
        false -> returned(Stanza)
    end.

%% ejabberd routes again what a stream did not get rid of: to the stream that resumes it, which knows
%% the mark, or to nobody. A private message that nobody else has becomes an ordinary one.
returned(Stanza) ->
    IsDelivery = minimix_stanza:mark(Stanza) =/= none,
    Returned = case minimix_stanza:is_room_traffic(Stanza) of
                   true -> Stanza;
                   false -> minimix_stanza:returned(Stanza)
               end,
    case IsDelivery andalso minimix_stream:successor() of
        false ->
            Returned;
        none ->
            returned_to_resource(Returned);
        Successor ->
            %% The router may not know it yet.
            _ = ejabberd_c2s:route(Successor, {route, Returned}),
            {stop, drop}
    end.

returned_to_resource(Stanza) ->
    #jid{luser = U, lserver = S, lresource = R} = xmpp:get_to(Stanza),
    case minimix_stanza:is_room_traffic(Stanza) andalso ejabberd_sm:get_session_pid(U, S, R) of
        none -> {stop, drop};
        _ -> Stanza
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
        none -> receive_unmarked(Stanza, Acc);
        Mark -> receive_marked(Mark, Stanza, Stream)
    end.

receive_unmarked(Stanza, {_, Stream} = Acc) ->
    case minimix_stanza:may_be_stray(Stanza) andalso is_stray(Stanza, Stream) of
        true -> {stop, {drop, Stream}};
        false -> carbon(minimix_stanza:carbon(Stanza), Acc)
    end.

is_stray(Stanza, #{lserver := Host, jid := Jid} = Stream) ->
    Room = minimix_stanza:room(xmpp:get_from(Stanza)),
    State = minimix_state:find(Host),
    State =/= undefined
        andalso minimix_state:is_managed(State, minimix_stanza:account(Jid), Room)
        andalso (minimix_stanza:is_of_a_room(Stanza) orelse minimix_stream:generation(Stream, Room) =/= none)
        andalso not minimix_stream:has_joined_by_itself(Stream, Room).

receive_marked({_Room, any, _IsLast}, Stanza, Stream) ->
    {Stanza, Stream};
receive_marked({Room, Gate, IsLast}, Stanza, Stream) ->
    case {minimix_stream:generation(Stream, Room), IsLast} of
        {Gate, true} -> {Stanza, minimix_stream:detach(Stream, Room)};
        {Gate, false} -> {Stanza, Stream};
        {_, _} -> stale(Stanza, Stream)
    end.

stale(Stanza, Stream) ->
    case minimix_stanza:is_returned(Stanza) of
        true -> {Stanza, Stream};
        false -> {stop, {drop, Stream}}
    end.

%% A session that is not in the room is not shown what another one said there in private, and
%% those that are have what was said to them already.
carbon(none, Acc) ->
    Acc;
carbon(of_fork, {_, Stream}) ->
    {stop, {drop, Stream}};
carbon({sent_to, To}, {_, #{lserver := Host, jid := Jid} = Stream} = Acc) ->
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
c2s_handle_info(Stream, {minimix, join_alone, Join}) ->
    {stop, minimix_stream:join_alone(Stream, minimix_stanza:from_element(Join))};
c2s_handle_info(#{lserver := Host} = Stream, {minimix, stranded}) ->
    {Rooms, Stream1} = minimix_stream:stranded(Stream),
    Tell = fun(State) ->
                   lists:foldl(fun({Room, Nick}, Acc) -> minimix_door:stranded(State, Room, Nick, Acc) end,
                               Stream1, Rooms)
           end,
    {stop, in_stream(Host, Stream1, Tell)};
c2s_handle_info(Stream, {minimix, preferences_changed, Account, State}) ->
    ok = minimix_state:forget_wishes(State, Account),
    {stop, Stream};
c2s_handle_info(Stream, {minimix, are_you_through, From, Ref}) ->
    From ! Ref,
    {stop, Stream};
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

%%% Sessions that go

-spec c2s_self_presence({stanza(), c2s_state()}) -> {stanza(), c2s_state()}.
c2s_self_presence({#presence{type = unavailable} = Presence, Stream}) ->
    {Presence, gone(Stream, Presence)};
c2s_self_presence(Acc) ->
    Acc.

-spec c2s_terminated(c2s_state(), term()) -> c2s_state().
c2s_terminated(#{mgmt_state := resumed} = Stream, _Reason) ->
    ok = minimix_stream:leaves_its_rest(Stream),
    Stream;
c2s_terminated(#{jid := _, lserver := Host} = Stream, _Reason) ->
    Forget = fun(_) -> minimix_stream:forget_unacknowledged(Stream) end,
    gone(in_stream(Host, Stream, Forget), none);
c2s_terminated(Stream, _Reason) ->
    Stream.

gone(#{jid := Jid, lserver := Host} = Stream, Words) ->
    in_stream(Host, minimix_stream:detach_all(Stream),
              fun(State) ->
                      ok = minimix_door:session_gone(State, Jid, self(), Words),
                      minimix_stream:detach_all(Stream)
              end).

%% A stream gives its state to the one that resumes it. From here on what the room says goes there:
%% nobody knows which of the two streams goes on first, or whether this one ends before the other has
%% made itself known.
-spec c2s_handle_call(c2s_state(), term(), {pid(), term()}) -> c2s_state().
c2s_handle_call(#{mgmt_id := Id, jid := Jid, lserver := Host} = Stream, {resume_session, Id}, {Successor, _}) ->
    in_stream(Host, Stream,
              fun(State) ->
                      ok = minimix_host:watch(State, Jid, Successor),
                      ok = minimix_door:session_resumed(State, Jid, self(), Successor),
                      minimix_stream:set_successor(Stream, Successor)
              end);
c2s_handle_call(Stream, _Request, _From) ->
    Stream.

-spec c2s_copy_session(New :: c2s_state(), Old :: c2s_state()) -> c2s_state().
c2s_copy_session(New, #{lserver := Host} = Old) ->
    in_stream(Host, New, fun(_) -> minimix_stream:copy(New, Old) end).

-spec remove_user(binary(), binary()) -> ok.
remove_user(User, Server) ->
    Account = jid:make(User, Server),
    case minimix_state:find(Account#jid.lserver) of
        undefined ->
            ok;
        State ->
            true = minimix_state:bar(State, minimix_stanza:account(Account)),
            ok = minimix_host:unbar_later(Account),
            ok = minimix_door:stop_account(State, Account),
            minimix_store:forget(Account)
    end.

-spec register_user(binary(), binary()) -> ok.
register_user(User, Server) ->
    Account = jid:make(User, Server),
    case minimix_state:find(Account#jid.lserver) of
        undefined ->
            ok;
        State ->
            true = minimix_state:unbar(State, minimix_stanza:account(Account)),
            ok
    end.

%%% Links to other servers

-spec s2s_out_closed(ejabberd_s2s_out:state(), term()) -> ejabberd_s2s_out:state().
s2s_out_closed(#{server := Host, remote_server := Domain} = Link, _Reason) ->
    ok = minimix_links:doubt(Host, Domain),
    Link.

-spec s2s_out_auth_result(ejabberd_s2s_out:state(), true | {false, term()}) ->
          ejabberd_s2s_out:state().
s2s_out_auth_result(#{server := Host, remote_server := Domain} = Link, true) ->
    ok = minimix_links:doubt(Host, Domain),
    Link;
s2s_out_auth_result(Link, {false, _Reason}) ->
    Link.

-spec s2s_in_auth_result(ejabberd_s2s_in:state(), boolean(), binary()) -> ejabberd_s2s_in:state().
s2s_in_auth_result(#{server_host := Host} = Link, true, Domain) ->
    ok = minimix_links:opened(Host, Domain, self()),
    Link;
s2s_in_auth_result(Link, false, _Domain) ->
    Link.

-spec s2s_in_closed(ejabberd_s2s_in:state(), term()) -> ejabberd_s2s_in:state().
s2s_in_closed(#{server_host := Host, auth_domains := Domains} = Link, Reason) ->
    ok = minimix_links:closed(Host, sets:to_list(Domains), self(), Reason),
    Link;
s2s_in_closed(Link, _Reason) ->
    Link.

report(What, Class, Reason, Trace) ->
    ?ERROR_MSG("mod_minimix failed on ~ts: ~ts",
               [What, minimix_failure:text(Class, Reason, Trace)]).
