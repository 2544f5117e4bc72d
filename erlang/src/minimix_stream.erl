%%% What a session's own stream knows of the module: the rooms that it is attached to.
%%%
%%% It is kept in the state of ejabberd_c2s, which hands it on when a stream is resumed. An
%%% attached room is also in the stream's set of directed presences, where mod_block_strangers
%%% looks for it; it is taken out before ejabberd would tell its members that the full JID is
%%% unavailable, which would be a stranger to the room. What a stream knew of a core that is gone
%%% counts for nothing: its rooms are then taken for the session's own.
-module(minimix_stream).

-export([attach/4, detach/2, detach_all/1, generation/2, has_joined_by_itself/2]).
-export([join_alone/2, copy/2, set_successor/2, leaves_its_rest/1, successor/0]).
-export([forget_unacknowledged/1, stranded/1]).

-include_lib("xmpp/include/xmpp.hrl").

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

%% @doc The rooms that it was attached to by an earlier core, with its nicks there; then by none.
-spec stranded(state()) -> {[{room(), Nick :: binary()}], state()}.
stranded(#{minimix := {_, Rooms}} = State) ->
    case rooms(State) of
        Rooms ->
            {[], State};
        _ ->
            Occupants = [Occupant || {_, Occupant} <- maps:values(Rooms)],
            Directed = lists:foldl(fun gb_sets:del_element/2, maps:get(pres_a, State), Occupants),
            {[{{U, S, <<>>}, Nick} || {U, S, Nick} <- Occupants], maps:remove(minimix, State#{pres_a => Directed})}
    end;
stranded(State) ->
    {[], State}.

%% @doc The session joins a room by itself, as without the module.
-spec join_alone(state(), presence()) -> state().
join_alone(#{jid := Jid, pres_a := Directed} = State, #presence{to = Occupant} = Join) ->
    ejabberd_router:route(xmpp:set_from(Join, Jid)),
    State#{pres_a => gb_sets:add_element(jid:tolower(Occupant), Directed)}.

%% @doc A stream that resumes another one takes its rooms over.
-spec copy(New :: state(), Old :: state()) -> state().
copy(New, Old) ->
    set_rooms(rooms(Old), New).

%% @doc This stream resumes the one in whose process this runs.
-spec set_successor(state(), pid()) -> state().
set_successor(State, Successor) ->
    State#{minimix_successor => Successor}.

%% @doc The process of a stream that was resumed is about to end, and what it has left is routed once
%% more by it, without its state.
-spec leaves_its_rest(state()) -> ok.
leaves_its_rest(#{minimix_successor := Successor}) ->
    _ = put(minimix_successor, Successor),
    ok;
leaves_its_rest(_) ->
    ok.

%% @doc Whom the rest that this process routes is for.
-spec successor() -> pid() | none.
successor() ->
    case get(minimix_successor) of
        undefined -> none;
        Successor -> Successor
    end.

%% @doc What a client did not acknowledge of a room before its stream ended is its own loss:
%% ejabberd would answer the room with errors (XEP-0198 4).
-spec forget_unacknowledged(state()) -> state().
forget_unacknowledged(#{mgmt_queue := Queue} = State) ->
    Kept = p1_queue:foldl(
             fun({_, _, Stanza} = Item, Acc) ->
                     case minimix_stanza:is_room_traffic(Stanza) of
                         true -> Acc;
                         false -> p1_queue:in(Item, Acc)
                     end
             end, p1_queue:new(p1_queue:type(Queue)), Queue),
    State#{mgmt_queue => Kept};
forget_unacknowledged(State) ->
    State.

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
