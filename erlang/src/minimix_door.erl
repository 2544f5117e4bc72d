%%% The only way to the core. Everything that happens to an account in a room passes here, and
%%% the effects are executed by whoever brought the input.
-module(minimix_door).

-export([from_session/3, from_room/3, catch_up/3, answered/4]).
-export([session_gone/3, session_resumed/4, stop_account/2, stop_all/1, rooms/1, tick/2]).

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
    Input = {room, minimix_stanza:nick(From), minimix_stanza:to_element(Stanza)},
    Effects = handle(State, Account, Room, Input),
    {Verdict, none} = minimix_effects:run(Effects, context(State, Account, Room, Stanza, none)),
    Verdict.

%% @doc A session comes, in its own stream, for what it was invited to.
-spec catch_up(state(), jid:ljid(), ejabberd_c2s:state()) -> ejabberd_c2s:state().
catch_up(State, Room, #{jid := Jid} = Stream) ->
    Input = {catch_up, self(), Jid#jid.lresource},
    {drop, Stream1} = in_stream(State, Jid, Room, Input, none, Stream),
    Stream1.

%% @doc A session's request has its answer.
-spec answered(state(), jid:ljid(), boolean(), ejabberd_c2s:state()) -> ejabberd_c2s:state().
answered(State, Room, IsGranted, #{jid := Jid} = Stream) ->
    {drop, Stream1} = in_stream(State, Jid, Room, {answered, self(), IsGranted}, none, Stream),
    Stream1.

%% @doc A session's stream ended, or the session became unavailable to its server.
-spec session_gone(state(), jid:jid(), pid()) -> ok.
session_gone(State, Account, Pid) ->
    in_all_rooms(State, Account, {detach, Pid}).

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

%% @doc All rooms in which anybody is, for a clock that starts anew.
-spec rooms(state()) -> [jid:ljid()].
rooms(State) ->
    Core = minimix_state:core(State),
    Rooms = [Room || Account <- minimix_nif:accounts(Core), Room <- minimix_nif:rooms(Core, Account)],
    [jid:tolower(jid:decode(Room)) || Room <- lists:usort(Rooms)].

%% @doc The time has come that somebody in the room waits for.
-spec tick(state(), jid:ljid()) -> ok.
tick(State, Room) ->
    Due = minimix_nif:tick(minimix_state:core(State), minimix_stanza:room_address(Room), now_ms()),
    lists:foreach(
      fun({Account, Effects}) ->
              execute(Effects, context(State, jid:decode(Account), Room, none, none))
      end, Due).

in_all_rooms(State, Account, Input) ->
    Rooms = minimix_nif:rooms(minimix_state:core(State), minimix_stanza:account(Account)),
    lists:foreach(
      fun(Address) ->
              Room = jid:tolower(jid:decode(Address)),
              Effects = handle(State, Account, Room, Input),
              execute(Effects, context(State, Account, Room, none, none))
      end, Rooms).

execute(Effects, Context) ->
    {drop, none} = minimix_effects:run(Effects, Context),
    ok.

in_stream(State, Jid, Room, Input, Stanza, Stream) ->
    Effects = handle(State, Jid, Room, Input),
    {Verdict, #{} = Stream1} =
        minimix_effects:run(Effects, context(State, Jid, Room, Stanza, Stream)),
    {Verdict, Stream1}.

handle(State, Account, Room, Input) ->
    minimix_nif:handle(minimix_state:core(State), minimix_stanza:account(Account),
                       minimix_stanza:room_address(Room), Input, now_ms()).

context(State, Account, Room, Stanza, Stream) ->
    #{state => State, account => jid:remove_resource(Account), room => Room,
      stanza => Stanza, stream => Stream}.

now_ms() ->
    erlang:system_time(millisecond).
