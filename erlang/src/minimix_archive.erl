%%% Groupchat in the accounts' own archives: what waits to be written.
%%%
%%% A room's process only adds to a queue. A process of its own writes, many messages at once, and
%%% in the order in which they came. What a slow database leaves behind is bounded: beyond the
%%% bound messages are not archived, which is counted and logged.
-module(minimix_archive).
-behaviour(gen_server).

-export([new/0, use/2, refusal/2, is_on/1, id/3, store/4, retract/5, can_hold/1, rest/1, is_resting/1, forget/2, flush/2, figures/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2, format_status/1]).
-export_type([archive/0, filed/0, item/0]).

-include("logger.hrl").
-include_lib("xmpp/include/xmpp.hrl").

%% Messages, and bytes of them, that wait at most.
-define(MAX_WAITING, 50_000).
-define(MAX_BYTES, 128 * 1024 * 1024).
%% Messages that are written at once.
-define(BATCH, 200).
%% Milliseconds before what failed is tried again: each time twice as long.
-define(FIRST_PAUSE, 1_000).
-define(LONGEST_PAUSE, 30_000).
%% Seconds in which a database that has kept somebody waiting is not asked again.
-define(REST, 30).
%% Milliseconds that the end of the module waits for what is left.
-define(PATIENCE, 5_000).
%% Milliseconds in which the log tells of lost messages once, and after which it is asked again what a
%% person wants to be archived.
-define(MINUTE, 60_000).

%% Shared by all processes: whether it is on, the last id, and what waits and is lost.
-type archive() :: atomics:atomics_ref().
-define(ON, 1).
-define(LAST_ID, 2).
-define(WAITING, 3).
-define(BYTES, 4).
-define(LOST, 5).
-define(RESTS_UNTIL, 6).

%% `id' is that in the archive, `room_id' what the room calls it, `is_past' whether it may be there.
-type filed() ::
        #{id := pos_integer(),
          room_id := binary() | none,
          size := non_neg_integer(),
          is_past := boolean(),
          stanza := groupchat()}.
-type groupchat() :: #message{}.
-type item() ::
        {store, jid:jid(), jid:ljid(), filed()} |
        {retract, jid:jid(), jid:ljid(), RoomId :: binary(), Size :: non_neg_integer(), groupchat()} |
        {forget, jid:jid()} |
        {reached, fun(() -> term())}.

-record(state,
        {host :: binary(),
         archive :: archive(),
         queue = queue:new() :: queue:queue(item()),
         at_work = none :: none | {reference(), [item(), ...]},
         %% Nothing is written before this timer.
         pause = none :: none | reference(),
         %% How long the next pause is; 0 while all is well.
         trouble = 0 :: non_neg_integer(),
         %% Of how many lost messages the log has told.
         told = 0 :: non_neg_integer()}).

%%% On and off

-spec new() -> archive().
new() ->
    atomics:new(6, [{signed, false}]).

%% @doc Goes on or off as the options say, or stays off with a reason.
-spec use(binary(), gen_mod:opts()) -> ok | {error, string()}.
use(Host, Opts) ->
    #{archive := Archive} = minimix_state:find(Host),
    case refusal(Host, Opts) of
        none ->
            switch(Archive, maps:get(archive, Opts));
        Reason ->
            switch(Archive, false),
            {error, Reason}
    end.

switch(Archive, true) -> atomics:put(Archive, ?ON, 1);
switch(Archive, false) -> atomics:put(Archive, ?ON, 0).

%% @doc Why the option cannot be what it is.
-spec refusal(binary(), gen_mod:opts()) -> none | string().
refusal(_Host, #{archive := false}) ->
    none;
refusal(Host, #{archive := true}) ->
    case gen_mod:is_loaded(Host, mod_mam) andalso gen_mod:db_mod(Host, mod_mam) of
        mod_mam_sql ->
            none;
        false ->
            refused("mod_mam is not loaded on " ++ binary_to_list(Host));
        _Other ->
            refused("mod_mam needs 'db_type: sql', as only an SQL archive can hold groupchat that clients "
                    "which do not ask for it are not given")
    end.

%% @doc The database has kept somebody waiting: for a while nobody else waits for it.
-spec rest(minimix_state:state()) -> ok.
rest(#{archive := Archive}) ->
    atomics:put(Archive, ?RESTS_UNTIL, erlang:system_time(second) + ?REST).

-spec is_resting(minimix_state:state()) -> boolean().
is_resting(#{archive := Archive}) ->
    erlang:system_time(second) < atomics:get(Archive, ?RESTS_UNTIL).

%% @doc Whether groupchat can have been archived here, also when the option says no today.
-spec can_hold(binary()) -> boolean().
can_hold(Host) ->
    refusal(Host, #{archive => true}) =:= none.

refused(Why) ->
    "the option 'archive' of mod_minimix cannot be 'true': " ++ Why.

-spec is_on(minimix_state:state()) -> boolean().
is_on(#{archive := Archive}) ->
    atomics:get(Archive, ?ON) =:= 1.

%%% What is to be archived

%% @doc An id for the next message of a room, unless none is to be kept: later than all others, in
%% microseconds.
-spec id(minimix_state:state(), jid:jid(), jid:ljid()) -> pos_integer() | none.
id(#{archive := Archive} = State, Account, Room) ->
    case is_on(State) andalso minimix_state:wish(State, minimix_stanza:account(Account), Room) of
        false -> none;
        _ -> next_id(Archive, atomics:get(Archive, ?LAST_ID))
    end.

next_id(Archive, Last) ->
    Id = max(Last + 1, erlang:system_time(microsecond)),
    case atomics:compare_exchange(Archive, ?LAST_ID, Last, Id) of
        ok -> Id;
        Later -> next_id(Archive, Later)
    end.

%% @doc Has a message archived.
-spec store(minimix_state:state(), jid:jid(), jid:ljid(), filed()) -> ok.
store(#{archive := Archive}, #jid{lserver = Host} = Account, Room, #{size := Size} = Message) ->
    case has_room(Archive, Size) of
        true -> gen_server:cast(name(Host), {store, Account, Room, Message});
        false -> atomics:add(Archive, ?LOST, 1)
    end.

has_room(Archive, Size) ->
    Waiting = atomics:add_get(Archive, ?WAITING, 1),
    Bytes = atomics:add_get(Archive, ?BYTES, Size),
    case Waiting =< ?MAX_WAITING andalso Bytes =< ?MAX_BYTES of
        true ->
            true;
        false ->
            written(Archive, 1, Size),
            false
    end.

written(Archive, Count, Size) ->
    ok = atomics:sub(Archive, ?WAITING, Count),
    atomics:sub(Archive, ?BYTES, Size).

%% @doc Has a message taken back that the room calls so, if whoever says so may.
-spec retract(minimix_state:state(), jid:jid(), jid:ljid(), RoomId :: binary(), groupchat()) -> ok.
retract(#{archive := Archive} = State, #jid{lserver = Host} = Account, Room, RoomId, Retraction) ->
    Size = erlang:external_size(Retraction),
    case is_on(State) andalso has_room(Archive, Size) of
        true -> gen_server:cast(name(Host), {retract, Account, Room, RoomId, Size, Retraction});
        false -> lost_if(is_on(State), Archive)
    end.

lost_if(true, Archive) -> atomics:add(Archive, ?LOST, 1);
lost_if(false, _Archive) -> ok.

%% @doc Has all of a removed account deleted, what is still to be written too.
-spec forget(minimix_state:state(), jid:jid()) -> ok.
forget(State, #jid{lserver = Host} = Account) ->
    ok = minimix_state:forget_wishes(State, minimix_stanza:account(Account)),
    gen_server:cast(name(Host), {forget, Account}).

%% @doc Waits until all that came before is in the archive; false when that takes too long.
-spec flush(binary(), timeout()) -> boolean().
flush(Host, Timeout) ->
    try gen_server:call(name(Host), flush, Timeout)
    catch exit:_ -> false
    end.

-spec figures(minimix_state:state()) -> #{waiting := non_neg_integer(), lost := non_neg_integer()}.
figures(#{archive := Archive}) ->
    #{waiting => atomics:get(Archive, ?WAITING), lost => atomics:get(Archive, ?LOST)}.

name(Host) ->
    gen_mod:get_module_proc(Host, ?MODULE).

%%% gen_server

-spec init([binary() | gen_mod:opts()]) -> {ok, #state{}}.
init([Host, _Opts]) ->
    process_flag(trap_exit, true),
    #{archive := Archive} = minimix_state:find(Host),
    %% What another process has left behind is gone.
    ok = atomics:add(Archive, ?LOST, atomics:exchange(Archive, ?WAITING, 0)),
    ok = atomics:put(Archive, ?BYTES, 0),
    {ok, _} = timer:send_interval(?MINUTE, minute),
    {ok, #state{host = Host, archive = Archive}}.

-spec handle_call(flush, gen_server:from(), #state{}) -> {noreply, #state{}}.
handle_call(flush, From, State) ->
    {noreply, add({reached, fun() -> gen_server:reply(From, true) end}, State)}.

-spec handle_cast(item(), #state{}) -> {noreply, #state{}}.
handle_cast(Item, State) ->
    {noreply, add(Item, State)}.

add(Item, #state{queue = Queue} = State) ->
    go_on(State#state{queue = queue:in(Item, Queue)}).

go_on(#state{at_work = none, pause = none, queue = Queue, host = Host, trouble = Trouble} = State) ->
    case take(?BATCH, Queue, []) of
        {[], _} ->
            State;
        {Batch, Rest} ->
            IsAgain = Trouble > 0,
            {_, Reference} = spawn_monitor(fun() -> exit({done, minimix_archive_writer:write(Host, Batch, IsAgain)}) end),
            State#state{queue = Rest, at_work = {Reference, Batch}}
    end;
go_on(State) ->
    State.

take(0, Queue, Batch) ->
    {lists:reverse(Batch), Queue};
take(Count, Queue, Batch) ->
    case queue:out(Queue) of
        {{value, Item}, Rest} -> take(Count - 1, Rest, [Item | Batch]);
        {empty, Queue} -> {lists:reverse(Batch), Queue}
    end.

-spec handle_info(minute | retry | {'DOWN', reference(), process, pid(), term()}, #state{}) ->
          {noreply, #state{}}.
handle_info({'DOWN', Reference, process, _, Reason}, #state{at_work = {Reference, Batch}} = State) ->
    {noreply, go_on(ended(result(Reason), Batch, State#state{at_work = none}))};
handle_info(retry, State) ->
    {noreply, go_on(State#state{pause = none})};
handle_info(minute, #state{host = Host} = State) ->
    ok = minimix_state:forget_old_wishes(minimix_state:find(Host)),
    {noreply, tell(State)}.

result({done, Result}) -> Result;
result(_Killed) -> {error, "the process that wrote was killed"}.

ended({ok, Lost}, Batch, #state{host = Host, archive = Archive, trouble = Trouble} = State) ->
    Trouble > 0 andalso ?INFO_MSG("mod_minimix archives groupchat on ~ts again", [Host]),
    ok = atomics:put(Archive, ?RESTS_UNTIL, 0),
    ok = atomics:add(Archive, ?LOST, Lost),
    ok = done(Batch, Archive),
    State#state{trouble = 0};
ended({error, Reason}, Batch, #state{host = Host, queue = Queue, trouble = Trouble} = State) ->
    Trouble > 0 orelse
        ?ERROR_MSG("mod_minimix cannot archive groupchat on ~ts, and tries until it can: ~ts", [Host, Reason]),
    Pause = max(?FIRST_PAUSE, Trouble),
    State#state{queue = lists:foldr(fun queue:in_r/2, Queue, Batch),
                pause = erlang:send_after(Pause, self(), retry),
                trouble = min(2 * Pause, ?LONGEST_PAUSE)}.

done(Batch, Archive) ->
    Sizes = [Size || {ok, Size} <- [size_of(Item) || Item <- Batch]],
    ok = written(Archive, length(Sizes), lists:sum(Sizes)),
    lists:foreach(fun(Reached) -> Reached() end, [Reached || {reached, Reached} <- Batch]).

%% Of what counts as waiting.
size_of({store, _, _, #{size := Size}}) -> {ok, Size};
size_of({retract, _, _, _, Size, _}) -> {ok, Size};
size_of({forget, _}) -> none;
size_of({reached, _}) -> none.

tell(#state{host = Host, archive = Archive, told = Told} = State) ->
    case atomics:get(Archive, ?LOST) of
        Told ->
            State;
        Lost ->
            ?ERROR_MSG("mod_minimix has not archived ~B messages of rooms on ~ts, as the database did not take "
                       "them or took too long", [Lost - Told, Host]),
            State#state{told = Lost}
    end.

%% What has come is written, if that is possible in time.
-spec terminate(term(), #state{}) -> ok.
terminate(_Reason, State) ->
    End = erlang:monotonic_time(millisecond) + ?PATIENCE,
    #state{queue = Queue, at_work = AtWork, archive = Archive} = Left = await(State, End),
    Batch = case AtWork of
                none -> [];
                {_, Items} -> Items
            end,
    Lost = [Size || {ok, Size} <- [size_of(Item) || Item <- Batch ++ queue:to_list(Queue)]],
    ok = atomics:add(Archive, ?LOST, length(Lost)),
    ok = atomics:put(Archive, ?WAITING, 0),
    _ = tell(Left),
    ok.

await(#state{at_work = none} = State, End) ->
    case go_on(State#state{pause = none}) of
        #state{at_work = none} = Done -> Done;
        Working -> await(Working, End)
    end;
await(#state{at_work = {Reference, Batch}} = State, End) ->
    receive
        {'DOWN', Reference, process, _, Reason} ->
            case ended(result(Reason), Batch, State#state{at_work = none}) of
                #state{trouble = 0} = Next -> await(Next, End);
                InTrouble -> await_after(?FIRST_PAUSE, InTrouble, End)
            end
    after max(0, End - erlang:monotonic_time(millisecond)) ->
            State
    end.

%% Nothing else is heard any more.
await_after(Pause, State, End) ->
    case erlang:monotonic_time(millisecond) + Pause < End of
        true ->
            receive after Pause -> await(State, End) end;
        false ->
            State
    end.

%% @doc What people say is not for logs.
-spec format_status(gen_server:format_status()) -> gen_server:format_status().
format_status(Status) ->
    maps:map(fun(state, #state{queue = Queue, trouble = Trouble}) -> #{waiting => queue:len(Queue), trouble => Trouble};
                (message, _) -> hidden;
                (_, Other) -> Other
             end, Status).
