%%% The only way to the core. Everything that happens to an account in a room passes here, and
%%% the effects are executed by whoever brought the input.
-module(minimix_door).

-export([from_session/3, from_room/3, from_room_to_all/4, catch_up/3, stranded/4, declined/4]).
-export([restore/4, bookmark/4, bookmarked_rooms/2, forget_bookmarks/1, turn/3, doubt/2, gap/2, dismiss/3, command/4]).
-export([session_gone/4, session_asleep/3, session_resumed/4, wakes/4, stop_account/2, stop_all/1]).
-export([let_go/3, let_go_if_barred/3, let_go_unserved/1]).
-export([rooms/1, rooms_of/2, facts/2, counts/1, tick/2]).

-include("logger.hrl").
-include_lib("xmpp/include/xmpp.hrl").

-type state() :: minimix_state:state().

%% @doc A session's stanza to a room or an occupant.
-spec from_session(state(), stanza(), ejabberd_c2s:state()) ->
          {stanza() | drop, ejabberd_c2s:state()}.
from_session(State, Stanza, #{jid := Jid} = Stream) ->
    To = xmpp:get_to(Stanza),
    Input = {session, self(), Jid#jid.lresource, minimix_stanza:nick(To),
             minimix_stanza:to_element(Stanza)},
    in_stream(State, Jid, minimix_stanza:room(To), Input, Stanza, Stream).

%% @doc A stanza of a room or an occupant to an account.
-spec from_room(state(), jid:jid(), stanza()) -> stanza() | drop.
from_room(State, Account, Stanza) ->
    From = xmpp:get_from(Stanza),
    Room = minimix_stanza:room(From),
    Id = archive_id(Stanza, State, Account, Room),
    Input = {room, minimix_stanza:nick(From), minimix_stanza:to_element(Stanza), Id},
    {Verdict, none} = run(handle(State, Account, Room, Input), context(State, Account, Room, Stanza, none)),
    Verdict.

%% @doc A message of a room or an occupant to some hundred accounts of one host, at most. Those that it is to go to
%% as without the module. Raises before anything is done, or not at all.
-spec from_room_to_all(state(), [jid:jid()], message(), fxml:xmlel()) -> [jid:jid()].
from_room_to_all(State, Accounts, Message, Element) ->
    From = xmpp:get_from(Message),
    Room = minimix_stanza:room(From),
    WithIds = [{minimix_stanza:account(Account), archive_id(Message, State, Account, Room)} || Account <- Accounts],
    All = minimix_nif:tell(minimix_state:core(State), minimix_stanza:room_address(Room), minimix_stanza:nick(From),
                           Element, WithIds, now_ms()),
    Tell = fun({_Account, {none, [pass]}}) ->
                   true;
              ({Account, Effects}) ->
                   Stanza = xmpp:set_to(Message, Account),
                   ok = safely(fun() -> execute(Effects, context(State, Account, Room, Stanza, none)) end),
                   false
           end,
    [Account || {Account, _} = Told <- lists:zip(Accounts, All), Tell(Told)].

%% One account's trouble is not that of the next.
safely(Fun) ->
    try Fun()
    catch
        Class:Reason:Trace ->
            ?ERROR_MSG("mod_minimix failed on a room's message: ~ts", [minimix_failure:text(Class, Reason, Trace)])
    end.

archive_id(#message{type = groupchat}, State, Account, Room) -> minimix_archive:id(State, Account, Room);
archive_id(_Stanza, _State, _Account, _Room) -> none.

%% @doc A session comes, in its own stream, for what it was invited to.
-spec catch_up(state(), jid:ljid(), ejabberd_c2s:state()) -> ejabberd_c2s:state().
catch_up(State, Room, #{jid := Jid} = Stream) ->
    Input = {catch_up, self(), Jid#jid.lresource},
    {drop, Stream1} = in_stream(State, Jid, Room, Input, none, Stream),
    Stream1.

%% @doc A session believes to be in a room under this nick, as a core that is gone has told it.
-spec stranded(state(), jid:ljid(), Nick :: binary(), ejabberd_c2s:state()) -> ejabberd_c2s:state().
stranded(State, Room, Nick, #{jid := Jid} = Stream) ->
    Input = {stranded, self(), Jid#jid.lresource, Nick},
    {drop, Stream1} = in_stream(State, Jid, Room, Input, none, Stream),
    Stream1.

%% @doc The account is not to be an occupant of the room.
-spec declined(state(), jid:jid(), jid:ljid(), Epoch :: pos_integer()) -> ok.
declined(State, Account, Room, Epoch) ->
    bring(State, Account, Room, {declined, Epoch}).

%% @doc What was stored of an account in a room.
-spec restore(state(), jid:jid(), jid:ljid(), minimix_nif:record()) -> ok.
restore(State, Account, Room, Record) ->
    bring(State, Account, Room, {restore, Record}).

%% @doc What a bookmark says of a room; none when it is gone.
-spec bookmark(state(), jid:jid(), jid:ljid(), minimix_nif:bookmark() | none) -> ok.
bookmark(State, Account, Room, #{autojoin := true} = Bookmark) ->
    IsWelcome = minimix_state:is_serving(State) andalso not minimix_state:is_barred(State, minimix_stanza:account(Account)),
    case IsWelcome andalso mod_minimix:serves(Account, jid:make(Room)) of
        true ->
            ok = bring(State, Account, Room, {bookmark, Bookmark}),
            let_go_if_barred(State, Account, Room);
        false ->
            ok
    end;
bookmark(State, Account, Room, Bookmark) ->
    bring(State, Account, Room, {bookmark, Bookmark}).

%% @doc The rooms that a bookmark wants the account in, as far as is known.
-spec bookmarked_rooms(state(), jid:jid()) -> [jid:ljid()].
bookmarked_rooms(State, Account) ->
    [jid:tolower(jid:decode(Room)) || {Room, #{autojoin := true}} <- facts(State, Account)].

%% @doc Bookmarks are no longer followed.
-spec forget_bookmarks(state()) -> ok.
forget_bookmarks(State) ->
    Accounts = [jid:decode(Account) || Account <- minimix_nif:accounts(minimix_state:core(State))],
    lists:foreach(fun({Account, Room}) -> ok = bookmark(State, Account, Room, none) end,
                  [{Account, Room} || Account <- Accounts, Room <- bookmarked_rooms(State, Account)]).

%% @doc The account may ask the room's service.
-spec turn(state(), jid:jid(), jid:ljid()) -> ok.
turn(State, Account, Room) ->
    bring(State, Account, Room, turn).

%% @doc The link to a domain was broken: whoever is in a room there may have been thrown out.
-spec doubt(state(), Domain :: binary()) -> ok.
doubt(State, Domain) ->
    in_all_rooms_at(State, Domain, doubt).

%% @doc A domain has lost its link to this server: its rooms may have said what has not arrived.
-spec gap(state(), Domain :: binary()) -> ok.
gap(State, Domain) ->
    in_all_rooms_at(State, Domain, gap).

in_all_rooms_at(State, Domain, Input) ->
    lists:foreach(fun({Account, Room}) -> bring(State, Account, Room, Input) end,
                  [Managed || {_, {_, S, _}} = Managed <- minimix_state:managed(State), S =:= Domain]).

%% @doc Another room needs the place of this one.
-spec dismiss(state(), jid:jid(), jid:ljid()) -> ok.
dismiss(State, Account, Room) ->
    bring(State, Account, Room, dismiss).

%% @doc An admin's word; whether it changes anything.
-spec command(state(), jid:jid(), jid:ljid(), minimix_nif:command()) -> boolean().
command(State, Account, Room, Command) ->
    {_, Effects} = Handled = handle(State, Account, Room, {command, Command}),
    ok = execute(Handled, context(State, Account, Room, none, none)),
    ok = let_go_if_barred(State, Account, Room),
    Effects =/= [].

%% @doc A session's stream ended, or the session became unavailable to its server.
-spec session_gone(state(), jid:jid(), pid(), presence() | none) -> ok.
session_gone(State, Account, Pid, none) ->
    in_all_rooms(State, Account, {detach, Pid, none});
session_gone(State, Account, Pid, Presence) ->
    in_all_rooms(State, Account, {detach, Pid, minimix_stanza:to_element(Presence)}).

%% @doc A session's connection is lost, and its stream waits for it.
-spec session_asleep(state(), jid:jid(), pid()) -> ok.
session_asleep(State, Account, Pid) ->
    in_all_rooms(State, Account, {asleep, Pid}).

%% @doc Whether a device is to be woken for a message that it was given and cannot read.
-spec wakes(state(), jid:jid(), jid:ljid(), message()) -> boolean().
wakes(State, Account, Room, Message) ->
    minimix_nif:wakes(minimix_state:core(State), minimix_stanza:account(Account), minimix_stanza:room_address(Room),
                      minimix_stanza:to_element(Message)).

-spec session_resumed(state(), jid:jid(), Old :: pid(), New :: pid()) -> ok.
session_resumed(State, Account, Old, New) ->
    in_all_rooms(State, Account, {resumed, Old, New}).

%% @doc The account leaves every room, its sessions are told.
-spec stop_account(state(), jid:jid()) -> ok.
stop_account(State, Account) ->
    in_all_rooms(State, Account, stop).

-spec stop_all(state()) -> ok.
stop_all(State) ->
    Accounts = minimix_nif:accounts(minimix_state:core(State)),
    lists:foreach(fun(Account) -> stop_account(State, jid:decode(Account)) end, Accounts).

%% @doc The account leaves the room as when the module stops, and does not come back by itself.
-spec let_go(state(), jid:jid(), jid:ljid()) -> ok.
let_go(State, Account, Room) ->
    ok = bring(State, Account, Room, stop),
    minimix_store:store(Account, Room, none).

%% @doc So does one that was removed while it was on its way there.
-spec let_go_if_barred(state(), jid:jid(), jid:ljid()) -> ok.
let_go_if_barred(State, Account, Room) ->
    case minimix_state:is_barred(State, minimix_stanza:account(Account)) of
        true -> let_go(State, Account, Room);
        false -> ok
    end.

%% @doc So does every account in every room that it is no longer served in.
-spec let_go_unserved(state()) -> ok.
let_go_unserved(State) ->
    Accounts = minimix_nif:accounts(minimix_state:core(State)),
    lists:foreach(fun(Account) -> let_go_where_unserved(State, jid:decode(Account)) end, Accounts).

let_go_where_unserved(State, Account) ->
    Unserved = [Room || Room <- rooms_of(State, Account), not mod_minimix:serves(Account, jid:make(Room))],
    lists:foreach(fun(Room) -> ok = let_go(State, Account, Room) end, Unserved).

%% @doc The rooms that know an account.
-spec rooms_of(state(), jid:jid()) -> [jid:ljid()].
rooms_of(State, Account) ->
    Rooms = minimix_nif:rooms(minimix_state:core(State), minimix_stanza:account(Account)),
    [jid:tolower(jid:decode(Room)) || Room <- Rooms].

%% @doc All rooms in which anybody is, for a clock that starts anew.
-spec rooms(state()) -> [jid:ljid()].
rooms(State) ->
    Core = minimix_state:core(State),
    Rooms = [Room || Account <- minimix_nif:accounts(Core), Room <- minimix_nif:rooms(Core, Account)],
    [jid:tolower(jid:decode(Room)) || Room <- lists:usort(Rooms)].

%% @doc What is to tell of an account, room by room.
-spec facts(state(), jid:jid()) -> [{Room :: binary(), minimix_nif:facts()}].
facts(State, Account) ->
    minimix_nif:facts(minimix_state:core(State), minimix_stanza:account(Account)).

-spec counts(state()) -> minimix_nif:counts().
counts(State) ->
    minimix_nif:counts(minimix_state:core(State)).

%% @doc The time has come that somebody in the room waits for.
-spec tick(state(), jid:ljid()) -> ok.
tick(State, Room) ->
    Due = minimix_nif:tick(minimix_state:core(State), minimix_stanza:room_address(Room), now_ms()),
    lists:foreach(
      fun({Account, Effects}) ->
              execute(Effects, context(State, jid:decode(Account), Room, none, none))
      end, Due).

in_all_rooms(State, Account, Input) ->
    lists:foreach(fun(Room) -> bring(State, Account, Room, Input) end, rooms_of(State, Account)).

bring(State, Account, Room, Input) ->
    Effects = handle(State, Account, Room, Input),
    execute(Effects, context(State, Account, Room, none, none)).

execute(Effects, Context) ->
    {drop, none} = run(Effects, Context),
    ok.

in_stream(State, Jid, Room, Input, Stanza, Stream) ->
    Effects = handle(State, Jid, Room, Input),
    {Verdict, #{} = Stream1} = run(Effects, context(State, Jid, Room, Stanza, Stream)),
    {Verdict, Stream1}.

run({none, Effects}, Context) ->
    minimix_effects:run(Effects, Context);
run({Resource, Effects}, #{account := Account} = Context) ->
    minimix_effects:run(Effects, Context#{occupant := jid:replace_resource(Account, Resource)}).

handle(State, Account, Room, Input) ->
    minimix_nif:handle(minimix_state:core(State), minimix_stanza:account(Account),
                       minimix_stanza:room_address(Room), Input, now_ms()).

context(State, Account, Room, Stanza, Stream) ->
    Bare = jid:remove_resource(Account),
    #{state => State, account => Bare, occupant => Bare, room => Room, stanza => Stanza, stream => Stream}.

now_ms() ->
    erlang:system_time(millisecond).
