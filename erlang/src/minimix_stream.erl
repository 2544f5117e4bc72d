%%% What a session's own stream knows of the module: the rooms that it is attached to.
%%%
%%% It is kept in the state of ejabberd_c2s, which hands it on when a stream is resumed. An
%%% attached room is also in the stream's set of directed presences, where mod_block_strangers
%%% looks for it; it is taken out before ejabberd would tell its members that the full JID is
%%% unavailable, which would be a stranger to the room. What a stream knew of a core that is gone
%%% counts for nothing: its rooms are then taken for the session's own.
-module(minimix_stream).

-export([attach/4, detach/2, detach_all/1, generation/2, has_joined_by_itself/2]).
-export([copy/2, pid/1]).

-include_lib("xmpp/include/jid.hrl").

-type state() :: ejabberd_c2s:state().
-type room() :: jid:ljid().

-spec attach(state(), room(), pos_integer(), jid:jid()) -> state().
attach(State, Room, Generation, Occupant) ->
    State1 = detach(State, Room),
    Rooms = rooms(State1),
    LOccupant = jid:tolower(Occupant),
    Directed = gb_sets:add_element(LOccupant, maps:get(pres_a, State1)),
    set_rooms(Rooms#{Room => {Generation, LOccupant}}, State1#{pres_a => Directed}).

-spec detach(state(), room()) -> state().
detach(State, Room) ->
    case maps:take(Room, rooms(State)) of
        {{_, LOccupant}, Rooms} ->
            Directed = gb_sets:del_element(LOccupant, maps:get(pres_a, State)),
            set_rooms(Rooms, State#{pres_a => Directed});
        error ->
            State
    end.

-spec detach_all(state()) -> state().
detach_all(State) ->
    lists:foldl(fun(Room, Acc) -> detach(Acc, Room) end, State, maps:keys(rooms(State))).

%% @doc The attachment to a room.
-spec generation(state(), room()) -> pos_integer() | none.
generation(State, Room) ->
    case rooms(State) of
        #{Room := {Generation, _}} -> Generation;
        #{} -> none
    end.

%% @doc Whether this session is an occupant of its own: it sent a presence to the room that the
%% module did not see, before it was loaded for instance.
-spec has_joined_by_itself(state(), room()) -> boolean().
has_joined_by_itself(#{pres_a := Directed} = State, {U, S, _} = Room) ->
    generation(State, Room) =:= none andalso
        case gb_sets:next(gb_sets:iterator_from(Room, Directed)) of
            {{U, S, _}, _} -> true;
            _ -> false
        end.

%% @doc A stream that resumes another one takes its rooms over.
-spec copy(New :: state(), Old :: state()) -> state().
copy(New, Old) ->
    set_rooms(rooms(Old), New).

%% @doc The process of a stream whose state came from another process.
-spec pid(state()) -> pid().
pid(#{sid := {_, Pid}}) ->
    Pid.

rooms(#{minimix := {Core, Rooms}, lserver := Host}) ->
    case minimix_state:find(Host) of
        #{core := Core} -> Rooms;
        _ -> #{}
    end;
rooms(_) ->
    #{}.

set_rooms(Rooms, #{lserver := Host} = State) ->
    #{core := Core} = minimix_state:find(Host),
    State#{minimix => {Core, Rooms}}.
