%%% Executes what the core decided: one clause per effect, no decision of its own.
%%%
%%% A delivery into the own stream is sent at once, so that it precedes whatever waits in the
%%% stream's mailbox; to others it goes through their mailbox, marked with its attachment.
-module(minimix_effects).

-export([run/2]).
-export_type([context/0]).

-include("translate.hrl").
-include_lib("xmpp/include/xmpp.hrl").

%% `occupant' is the account as the room knows it, `stanza' the one in hand, `stream' the session's in whose process this runs, if any.
-type context() ::
        #{state := minimix_state:state(),
          account := jid:jid(),
          occupant := jid:jid(),
          room := jid:ljid(),
          stanza := stanza() | none,
          stream := ejabberd_c2s:state() | none}.

%% @doc What becomes of the stanza in hand, and of the stream.
-spec run([minimix_nif:effect()], context()) ->
          {stanza() | drop, ejabberd_c2s:state() | none}.
run(Effects, Context) ->
    #{verdict := Verdict, stream := Stream} =
        lists:foldl(fun effect/2, Context#{verdict => drop}, Effects),
    {Verdict, Stream}.

effect(pass, #{stanza := Stanza, account := Account, stream := none} = Context) ->
    %% ejabberd must not answer the room with an error, whatever it does with the stanza.
    Context#{verdict := xmpp:put_meta(minimix_stanza:passed(Stanza, Account), ignore_sm_bounce, true)};
effect(pass, #{stanza := Stanza} = Context) ->
    Context#{verdict := Stanza};
effect({as_account, Id}, #{stanza := Stanza, occupant := Occupant} = Context) ->
    Context#{verdict := xmpp:set_from(minimix_stanza:set_id(Stanza, Id), Occupant)};
effect({send, Element}, #{occupant := Occupant} = Context) ->
    ejabberd_router:route(xmpp:set_from(minimix_stanza:from_element(Element), Occupant)),
    Context;
effect({join, Epoch, Element}, #{state := State, account := Account, occupant := Occupant, room := Room} = Context) ->
    Join = xmpp:set_from(minimix_stanza:from_element(Element), Occupant),
    ok = minimix_store:then(Account, fun() -> minimix_joiner:join(State, Account, Room, Epoch, Join) end),
    Context;
effect({leave, Element}, #{account := Account, occupant := Occupant} = Context) ->
    Leave = xmpp:set_from(minimix_stanza:from_element(Element), Occupant),
    ok = minimix_store:then(Account, fun() -> ejabberd_router:route(Leave) end),
    Context;
effect({store, Record}, #{account := Account, room := Room} = Context) ->
    ok = minimix_store:store(Account, Room, Record),
    Context;
effect({await_turn, IsUrgent}, #{account := Account, room := Room} = Context) ->
    ok = minimix_turns:await(Account, Room, IsUrgent),
    Context;
effect({bookmark, Nick}, #{account := Account, room := Room} = Context) ->
    ok = minimix_bookmarks:set_nick(Account, Room, Nick),
    Context;
effect({dismiss, Room}, #{state := State, account := Account} = Context) ->
    ok = minimix_door:dismiss(State, Account, jid:tolower(jid:decode(Room))),
    Context;
effect({join_alone, Pid, Element}, Context) ->
    Pid ! {minimix, join_alone, Element},
    Context;
effect({archive, ArchiveId, RoomId, Id, Size, false}, #{stanza := Stanza, account := Account} = Context) ->
    Archived = minimix_stanza:archived(minimix_stanza:set_id(Stanza, Id), Account, ArchiveId),
    ok = archive(Archived, ArchiveId, RoomId, Size, false, Context),
    Context#{stanza := Archived};
effect({archive, ArchiveId, RoomId, Id, Size, true}, #{stanza := Stanza, account := Account} = Context) ->
    Archived = minimix_stanza:archived(minimix_stanza:set_id(Stanza, Id), Account, ArchiveId),
    ok = archive(Archived, ArchiveId, RoomId, Size, true, Context),
    Context;
effect({retract, RoomId}, #{state := State, account := Account, room := Room, stanza := Retraction} = Context) ->
    ok = minimix_archive:retract(State, Account, Room, RoomId, Retraction),
    Context;
effect(push, #{account := Account, stanza := Stanza} = Context) ->
    ok = minimix_push:push(Account, Stanza),
    Context;
effect({recall, Recall, Since, Last}, #{account := Account, room := Room} = Context) ->
    Found = minimix_archive_query:recall(Account, Room, Since, Last),
    {Elements, Rest} = minimix_nif:chosen(Recall, Found),
    effect({replay, Elements, Rest}, Context);
effect({fork, [First | Others], Id, IsOwn}, #{stanza := Stanza} = Context) ->
    Fork = minimix_stanza:set_id(Stanza, Id),
    _ = fork(Fork, First, IsOwn, Context),
    Copy = minimix_stanza:copy_of_same(Fork),
    lists:foreach(fun(Target) -> fork(Copy, Target, IsOwn, Context) end, Others),
    Context;
effect({private, [_] = Targets}, #{stanza := Stanza} = Context) ->
    private(Stanza, Targets, Context);
effect({private, Targets}, #{stanza := Stanza} = Context) ->
    private(minimix_stanza:shared(Stanza), Targets, Context);
effect({deliver, Target, Element}, Context) ->
    _ = fork(minimix_stanza:from_element(Element), Target, false, Context),
    Context;
effect({replay, Elements, done}, Context) ->
    lists:foldl(fun send_in_stream/2, Context, Elements);
effect({replay, Elements, Rest}, Context) ->
    {More, Rest1} = minimix_nif:replay_next(Rest),
    Context1 = lists:foldl(fun send_in_stream/2, Context, Elements),
    effect({replay, More, Rest1}, Context1);
effect({attached, Generation, Occupant}, #{room := Room, stream := Stream} = Context) ->
    Context#{stream := minimix_stream:attach(Stream, Room, Generation, jid:decode(Occupant))};
effect(detached, #{room := Room, stream := Stream} = Context) ->
    Context#{stream := minimix_stream:detach(Stream, Room)};
effect({reject, Type, Condition}, #{stanza := Stanza, room := Room} = Context) ->
    Error = #stanza_error{type = binary_to_atom(Type), reason = binary_to_atom(Condition),
                          by = jid:make(Room), text = text(Condition, xmpp:get_lang(Stanza))},
    answer(xmpp:make_error(Stanza, Error), Context);
effect(result, #{stanza := Request} = Context) ->
    answer(xmpp:make_iq_result(Request), Context);
effect({invite, Pid}, #{room := Room} = Context) ->
    Pid ! {minimix, catch_up, Room},
    Context;
effect({manage, Epoch}, #{state := State, occupant := Occupant, room := Room} = Context) ->
    true = minimix_state:manage(State, Occupant, Room, Epoch),
    Context;
effect({unmanage, Epoch}, #{state := State, account := Account, room := Room} = Context) ->
    true = minimix_state:unmanage(State, minimix_stanza:account(Account), Room, Epoch),
    Context;
effect({wake, At}, #{account := #jid{lserver = Host}, room := Room} = Context) ->
    ok = minimix_host:wake(Host, Room, At),
    Context.

archive(Stanza, Id, RoomId, Size, IsPast, #{state := State, account := Account, room := Room}) ->
    Message = #{id => Id, room_id => RoomId, size => Size, is_past => IsPast,
                stanza => minimix_stanza:for_archive(Stanza, Account)},
    minimix_archive:store(State, Account, Room, Message).

%% mod_mam stores what the first one gets that is there.
private(_Stanza, [], Context) ->
    effect(pass, Context);
private(Stanza, [First | Others], Context) ->
    case fork(Stanza, First, false, Context) of
        true ->
            Copy = minimix_stanza:copy_of_same(Stanza),
            lists:foreach(fun(Target) -> fork(Copy, Target, false, Context) end, Others),
            Context;
        false ->
            private(Stanza, Others, Context)
    end.

%% False when the stream is gone: then its session is, too, and the core hears of it.
fork(Stanza, {Pid, Resource, Gate, IsLast}, IsOwn, #{account := Account, room := Room}) ->
    Jid = Account#jid{resource = Resource, lresource = Resource},
    Fork = case IsOwn of
               true -> minimix_stanza:own(Stanza, Jid);
               false -> Stanza
           end,
    ejabberd_c2s:route(Pid, {route, minimix_stanza:for(Fork, Jid, {Room, Gate, IsLast})}).

%% Marked too, as ejabberd may route again what the client did not acknowledge (XEP-0198 6). What
%% the person has blocked is not shown, as on any other way into the stream (XEP-0191 5).
send_in_stream(Element, #{room := Room, stream := #{jid := Jid} = Stream} = Context) ->
    Mark = {Room, minimix_stream:generation(Stream, Room), false},
    Stanza = minimix_stanza:for(minimix_stanza:from_element(Element), Jid, Mark),
    #{lserver := Host} = Stream,
    case ejabberd_hooks:run_fold(privacy_check_packet, Host, allow, [Stream, Stanza, in]) of
        allow -> Context#{stream := ejabberd_c2s:send(Stream, Stanza)};
        deny -> Context
    end.

answer(Answer, #{stream := none} = Context) ->
    ejabberd_router:route(Answer),
    Context;
answer(Answer, #{stream := Stream} = Context) ->
    Context#{stream := ejabberd_c2s:send(Stream, Answer)}.

text(Condition, Lang) ->
    xmpp:mk_text(translate:translate(Lang, explanation(Condition)), Lang).

explanation(<<"jid-malformed">>) -> ?T("Nickname can't be empty");
explanation(<<"not-acceptable">>) -> ?T("This session has not joined the room");
explanation(<<"remote-server-timeout">>) -> ?T("The room did not answer");
explanation(<<"resource-constraint">>) -> ?T("You have joined too many conferences");
explanation(<<"service-unavailable">>) -> ?T("No session has joined the room").
