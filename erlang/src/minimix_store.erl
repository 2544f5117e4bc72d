%%% Stores in which rooms the accounts of a host are.
%%%
%%% An account must not be in a room that a crash makes forget, nor come back to one that it has
%%% left. So what is to follow a change, a join or a leave, is done when the change is on the disk.
%%% Whoever brings it does not wait, nor does this process: another one writes, once for all that
%%% has come meanwhile. When a database takes too long people go on, and the changes are kept.
-module(minimix_store).
-behaviour(gen_server).

-export([load/1, store/3, forget/1, then/2, flush/1, waiting/1, use/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2, format_status/1]).
-export_type([key/0, change/0, stored/0]).

-include("logger.hrl").
-include_lib("xmpp/include/jid.hrl").

%% Casts after which it is written though more is coming.
-define(BATCH, 500).
%% Milliseconds that a join or a leave waits for the disk.
-define(PATIENCE, 3_000).
%% Milliseconds before what failed is tried again: each time twice as long.
-define(FIRST_PAUSE, 1_000).
-define(LONGEST_PAUSE, 30_000).
%% Records that are kept while the database does not take them, and casts while it takes long.
-define(KEPT, 50_000).
-define(WAITING, 10_000).

-type account() :: {User :: binary(), Server :: binary()}.
-type key() :: {account(), Room :: binary()}.
-type change() :: {key(), minimix_nif:record() | none} | {{account(), all}, none}.
-type stored() :: {key(), minimix_nif:record()}.
-type changes() :: #{{account(), Room :: binary() | all} => minimix_nif:record() | none}.
-type job() :: write | {load, pid()} | {use, module(), gen_server:from()}.

-record(state,
        {host :: binary(),
         backend :: module(),
         %% Whether the backend could prepare itself.
         is_ready = false :: boolean(),
         changes = #{} :: changes(),
         %% What follows them, with the last first.
         next = [] :: [fun(() -> term())],
         %% Casts since the last write.
         size = 0 :: non_neg_integer(),
         jobs = [] :: [job()],
         %% The job under way, what it writes, and what follows that.
         at_work = none :: none | {reference(), job()},
         written = #{} :: changes(),
         awaited = [] :: [fun(() -> term())],
         %% No job begins before this timer.
         pause = none :: none | reference(),
         %% How long the next pause is; 0 while all is well.
         trouble = 0 :: non_neg_integer()}).

%% @doc Sends this process `{stored, …}' with all that was stored for the host.
-spec load(binary()) -> ok.
load(Host) ->
    gen_server:cast(name(Host), {job, {load, self()}}).

%% @doc Stores a record, or forgets it.
-spec store(jid:jid(), jid:ljid(), minimix_nif:record() | none) -> ok.
store(#jid{luser = U, lserver = S}, Room, Record) ->
    gen_server:cast(name(S), {store, {{U, S}, minimix_stanza:room_address(Room)}, Record}).

%% @doc Forgets all of an account.
-spec forget(jid:jid()) -> ok.
forget(#jid{luser = U, lserver = S}) ->
    gen_server:cast(name(S), {store, {{U, S}, all}, none}).

%% @doc Does something when all that this process stored before is on the disk.
-spec then(jid:jid(), fun(() -> term())) -> ok.
then(#jid{lserver = S}, Fun) ->
    gen_server:cast(name(S), {then, Fun}).

%% @doc Waits until all that was stored before is on the disk.
-spec flush(binary()) -> ok.
flush(Host) ->
    gen_server:call(name(Host), flush, 2 * ?PATIENCE).

%% @doc Moves all that is stored to the backend that the options name.
-spec use(binary(), gen_mod:opts()) -> ok.
use(Host, Opts) ->
    gen_server:call(name(Host), {use, gen_mod:db_mod(Opts, mod_minimix)}, infinity).

%% @doc How many changes are not on the disk.
-spec waiting(binary()) -> non_neg_integer().
waiting(Host) ->
    gen_server:call(name(Host), waiting, 3 * ?PATIENCE).

name(Host) ->
    gen_mod:get_module_proc(Host, ?MODULE).

-spec init([binary() | gen_mod:opts()]) -> {ok, #state{}}.
init([Host, Opts]) ->
    process_flag(trap_exit, true),
    {ok, #state{host = Host, backend = gen_mod:db_mod(Opts, mod_minimix)}}.

-spec handle_call(flush | waiting | {use, module()}, gen_server:from(), #state{}) ->
          {reply, ok, #state{}} | {noreply, #state{}} | {noreply, #state{}, 0}.
handle_call(flush, From, State) ->
    go_on(follow(fun() -> gen_server:reply(From, ok) end, State));
handle_call(waiting, From, #state{changes = Changes, written = Written} = State) ->
    gen_server:reply(From, map_size(maps:merge(Written, Changes))),
    go_on(State);
handle_call({use, Backend}, _From, #state{backend = Backend} = State) ->
    {reply, ok, State};
handle_call({use, Backend}, From, #state{jobs = Jobs} = State) ->
    go_on(State#state{jobs = Jobs ++ [{use, Backend, From}]}).

-spec handle_cast({store, {account(), binary() | all}, minimix_nif:record() | none} |
                  {then, fun(() -> term())} | {job, job()}, #state{}) ->
          {noreply, #state{}} | {noreply, #state{}, 0}.
handle_cast({store, Key, Record}, State) ->
    go_on(change(Key, Record, State));
handle_cast({then, Fun}, State) ->
    go_on(follow(Fun, State));
handle_cast({job, Job}, #state{jobs = Jobs} = State) ->
    go_on(State#state{jobs = Jobs ++ [Job]}).

change({Account, all} = Key, none, #state{changes = Changes} = State) ->
    State#state{changes = (without(Account, Changes))#{Key => none}};
change(Key, Record, #state{changes = Changes, size = Size} = State) ->
    case maps:is_key(Key, Changes) orelse has_place(Record, map_size(Changes)) of
        true -> State#state{changes = Changes#{Key => Record}, size = Size + 1};
        false -> State
    end.

without(Account, Changes) ->
    maps:filter(fun({Whose, _}, _) -> Whose =/= Account end, Changes).

%% A room that is not forgotten would be joined again, one that is not stored only after a crash.
has_place(none, Count) -> Count < 2 * ?KEPT;
has_place(_Record, Count) -> Count < ?KEPT.

follow(Fun, #state{trouble = 0, next = Next, size = Size} = State) ->
    State1 = State#state{next = [Fun | Next], size = Size + 1},
    case Size >= ?WAITING of
        true -> release("too much waits for it", State1);
        false -> State1
    end;
follow(Fun, State) ->
    safely(Fun),
    State.

%% The time-out comes when nothing more has come: what is written together costs the disk once.
go_on(#state{at_work = none, pause = none, jobs = [Job | Jobs]} = State) ->
    {noreply, begin_job(Job, State#state{jobs = Jobs})};
go_on(#state{at_work = none, pause = none, changes = Changes, next = Next, size = Size} = State)
  when map_size(Changes) > 0; Next =/= [] ->
    case Size < ?BATCH of
        true -> {noreply, State, 0};
        false -> {noreply, begin_job(write, State)}
    end;
go_on(State) ->
    {noreply, State}.

begin_job(write, #state{changes = Changes, next = Next} = State) ->
    %% Whoever is out must not be brought back by a crash, whether anything waits for it or not.
    Durability = case Next =/= [] orelse lists:member(none, maps:values(Changes)) of
                     true -> durable;
                     false -> lazy
                 end,
    start(write, {write, lists:keysort(1, maps:to_list(Changes)), Durability},
          State#state{changes = #{}, written = Changes, next = [], awaited = Next, size = 0});
begin_job({load, _} = Job, State) ->
    start(Job, load, State);
begin_job({use, Other, _} = Job, State) ->
    start(Job, {change_over, Other}, State).

start(Job, Work, #state{host = Host, backend = Backend, is_ready = IsReady} = State) ->
    {_, Reference} = spawn_monitor(fun() -> exit({done, minimix_writer:work(Work, Backend, Host, IsReady)}) end),
    _ = erlang:start_timer(?PATIENCE, self(), Reference),
    State#state{at_work = {Reference, Job}}.

-spec handle_info(timeout | retry | {timeout, reference(), reference()} |
                  {'DOWN', reference(), process, pid(), term()}, #state{}) ->
          {noreply, #state{}} | {noreply, #state{}, 0}.
handle_info(timeout, State) ->
    {noreply, begin_job(write, State)};
handle_info(retry, State) ->
    go_on(State#state{pause = none});
handle_info({timeout, _, Reference}, #state{at_work = {Reference, {use, _, _}}} = State) ->
    go_on(release("all is being moved to another database", State));
handle_info({timeout, _, Reference}, #state{at_work = {Reference, _}} = State) ->
    go_on(release("it takes long", State));
handle_info({timeout, _, _}, State) ->
    go_on(State);
handle_info({'DOWN', Reference, process, _, Reason}, #state{at_work = {Reference, Job}} = State) ->
    go_on(ended(Job, result(Reason), State#state{at_work = none})).

result({done, Result}) -> Result;
result(_Killed) -> {error, "the process that wrote was killed"}.

ended({use, Backend, From}, {error, Reason}, #state{host = Host} = State) ->
    ?ERROR_MSG("mod_minimix goes on storing rooms of accounts of ~ts where it did, as ~ts fails: ~ts",
               [Host, Backend, Reason]),
    gen_server:reply(From, ok),
    %% The database in use is as good as before.
    run(State#state{trouble = 0});
ended(Job, {error, Reason}, State) ->
    failed(Job, Reason, State);
ended(write, ok, State) ->
    followed(State);
ended({load, Pid}, {ok, Rows}, #state{changes = Changes} = State) ->
    Pid ! {stored, {ok, [decoded(Row) || {Key, _} = Row <- Rows, not is_changed(Key, Changes)]}},
    followed(State);
ended({use, Backend, From}, ok, State) ->
    gen_server:reply(From, ok),
    followed(State#state{backend = Backend}).

is_changed({Account, _} = Key, Changes) ->
    maps:is_key(Key, Changes) orelse maps:is_key({Account, all}, Changes).

decoded({{{User, Server}, Room}, Record}) ->
    {jid:make(User, Server), jid:tolower(jid:decode(Room)), Record}.

followed(#state{host = Host, trouble = Trouble} = State) ->
    Trouble > 0 andalso ?INFO_MSG("mod_minimix stores rooms of accounts of ~ts again", [Host]),
    run(State#state{is_ready = true, written = #{}, trouble = 0}).

run(#state{awaited = Awaited} = State) ->
    lists:foreach(fun safely/1, lists:reverse(Awaited)),
    State#state{awaited = []}.

%% Newer changes are truer.
failed(Job, Reason, #state{written = Written, changes = Changes} = State) ->
    ok = answer(Job, Reason),
    Forgotten = [Account || {Account, all} <- maps:keys(Changes)],
    Older = lists:foldl(fun without/2, Written, Forgotten),
    #state{trouble = Pause} = State1 = release(Reason, State),
    Timer = erlang:send_after(Pause, self(), retry),
    State1#state{written = #{}, changes = maps:merge(Older, Changes), pause = Timer,
                 trouble = min(2 * Pause, ?LONGEST_PAUSE)}.

answer(write, _Reason) ->
    ok;
answer({load, Pid}, Reason) ->
    Pid ! {stored, {error, Reason}},
    ok.

%% People go on talking: only a crash before it succeeds would show.
release(Reason, #state{trouble = 0, host = Host, next = Next} = State) ->
    ?ERROR_MSG("mod_minimix cannot store in which rooms accounts of ~ts are, and tries until it can: ~ts. "
               "They join and leave all the same; what changes now would not survive a crash",
               [Host, Reason]),
    State1 = run(State),
    (run(State1#state{awaited = Next}))#state{next = [], trouble = ?FIRST_PAUSE};
release(_Reason, State) ->
    State.

safely(Fun) ->
    try Fun()
    catch
        Class:Reason:Trace ->
            ?ERROR_MSG("mod_minimix failed after storing: ~ts", [minimix_failure:text(Class, Reason, Trace)])
    end.

%% What has come is written, if that is possible in time.
-spec terminate(term(), #state{}) -> ok.
terminate(_Reason, State) ->
    _ = await(begin_job(write, await(State))),
    ok.

await(#state{at_work = none} = State) ->
    State;
await(#state{at_work = {Reference, Job}} = State) ->
    receive
        {'DOWN', Reference, process, _, Reason} -> ended(Job, result(Reason), State#state{at_work = none})
    after ?PATIENCE -> release("it takes long", State#state{at_work = none})
    end.

%% @doc Records hold passwords, which are not for logs.
-spec format_status(gen_server:format_status()) -> gen_server:format_status().
format_status(Status) ->
    maps:map(fun(state, State) -> shown(State);
                (message, {'$gen_cast', {store, Key, _}}) -> {store, Key};
                (message, {store, Key, _}) -> {store, Key};
                (_, Other) -> Other
             end, Status).

shown(#state{host = Host, backend = Backend, changes = Changes, written = Written} = State) ->
    #{host => Host, backend => Backend, changes => map_size(Changes), written => map_size(Written),
      next => length(State#state.next), at_work => State#state.at_work, trouble => State#state.trouble}.
