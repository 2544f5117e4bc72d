%% A client that no one here wrote: slixmpp in a process of its own, driven through a port.
-module(mmx_slix).
-behaviour(gen_server).

-export([connect/2, connect/3, close/1]).
-export([join/3, refused/3, leave/3, rename/3, say/3, whisper/3, occupants/2, ping/2, self_ping/2, archive/3, own_archive/3]).
-export([expect/2, expect/3, hears/3, events/1, root/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-type slix() :: pid().
-type event() :: #{binary() => term()}.
-export_type([slix/0, event/0]).

-record(state, {
    port :: port(),
    events = [] :: [event()],
    waiter = none :: {gen_server:from(), fun((event()) -> boolean()), reference()} | none
}).

-define(PATIENCE, 30_000).

-spec connect(mmx_server:server(), iodata()) -> slix().
connect(Server, Who) ->
    connect(Server, Who, mmx_server:host(Server)).

-spec connect(mmx_server:server(), iodata(), binary()) -> slix().
connect(Server, Who, Host) ->
    [User, Resource] = binary:split(iolist_to_binary(Who), <<"/">>),
    ok = mmx_server:register(Server, User, Host),
    Port = integer_to_list(mmx_server:port(Server)),
    Args = ["127.0.0.1", Port, [User, "@", Host, "/", Resource], mmx_server:password()],
    {ok, Slix} = gen_server:start(?MODULE, {self(), Args}, []),
    _ = expect(Slix, connected),
    Slix.

-spec close(slix()) -> ok.
close(Slix) ->
    command(Slix, #{do => quit}),
    _ = expect(Slix, exited),
    gen_server:stop(Slix).

-spec join(slix(), binary(), binary()) -> event().
join(Slix, Room, Nick) ->
    command(Slix, #{do => join, room => Room, nick => Nick}),
    expect(Slix, joined, #{room => Room}).

%% A join that the room does not grant.
-spec refused(slix(), binary(), binary()) -> event().
refused(Slix, Room, Nick) ->
    command(Slix, #{do => join, room => Room, nick => Nick}),
    expect(Slix, refused, #{room => Room}).

-spec leave(slix(), binary(), binary()) -> event().
leave(Slix, Room, Nick) ->
    command(Slix, #{do => leave, room => Room, nick => Nick}),
    expect(Slix, presence, #{room => Room, nick => Nick, type => <<"unavailable">>}).

-spec rename(slix(), binary(), binary()) -> event().
rename(Slix, Room, Nick) ->
    command(Slix, #{do => nick, room => Room, nick => Nick}),
    expect(Slix, renamed, #{room => Room}).

-spec say(slix(), binary(), binary()) -> ok.
say(Slix, Room, Text) ->
    command(Slix, #{do => say, room => Room, text => Text}).

-spec whisper(slix(), binary(), binary()) -> ok.
whisper(Slix, Jid, Text) ->
    command(Slix, #{do => whisper, to => Jid, text => Text}).

%% What slixmpp makes of the answer to a ping of its own occupant.
-spec self_ping(slix(), Occupant :: binary()) -> binary().
self_ping(Slix, Occupant) ->
    command(Slix, #{do => self_ping, occupant => Occupant}),
    maps:get(<<"status">>, expect(Slix, self_pinged, #{occupant => Occupant})).

%% The room's archive, read in pages of this many messages: nicks, texts, and to whom it was told.
%% The own archive since then with groupchat.
-spec own_archive(slix(), pos_integer(), binary()) -> event().
own_archive(Slix, Amount, Start) ->
    command(Slix, #{do => own_archive, amount => Amount, start => Start}),
    expect(Slix, own_archive).

-spec archive(slix(), binary(), pos_integer()) -> [[binary()]].
archive(Slix, Room, Amount) ->
    command(Slix, #{do => archive, room => Room, amount => Amount}),
    maps:get(<<"found">>, expect(Slix, archive, #{room => Room})).

%% The nicks that slixmpp believes to be in the room.
-spec occupants(slix(), binary()) -> [binary()].
occupants(Slix, Room) ->
    command(Slix, #{do => occupants, room => Room}),
    maps:get(<<"nicks">>, expect(Slix, occupants, #{room => Room})).

%% The error that a ping gets, if any.
-spec ping(slix(), binary()) -> binary() | null.
ping(Slix, Jid) ->
    command(Slix, #{do => ping, to => Jid}),
    maps:get(<<"condition">>, expect(Slix, pinged, #{to => Jid})).

-spec hears(slix(), binary(), binary()) -> event().
hears(Slix, Nick, Text) ->
    expect(Slix, heard, #{nick => Nick, body => Text}).

-spec expect(slix(), atom()) -> event().
expect(Slix, Name) ->
    expect(Slix, Name, #{}).

%% The first event of this name and with these details; earlier and later ones stay.
-spec expect(slix(), atom(), #{atom() => term()}) -> event().
expect(Slix, Name, Details) ->
    Wanted = maps:from_list([{atom_to_binary(Key), Value} || {Key, Value} <- maps:to_list(Details#{event => atom_to_binary(Name)})]),
    IsIt = fun(Event) -> maps:with(maps:keys(Wanted), Event) =:= Wanted end,
    case gen_server:call(Slix, {expect, IsIt}, infinity) of
        {ok, Event} -> Event;
        {nothing_in_time, Events} -> error({expected, Wanted, instead_of, Events})
    end.

%% What it told so far and no one asked for.
-spec events(slix()) -> [event()].
events(Slix) ->
    gen_server:call(Slix, events).

command(Slix, Command) ->
    gen_server:call(Slix, {command, Command}).

-spec init({pid(), [iodata()]}) -> {ok, #state{}}.
init({Owner, Args}) ->
    _ = monitor(process, Owner),
    Script = filename:join([root(), "test", "support", "slix.py"]),
    Options = [{args, [Script | [iolist_to_binary(Arg) || Arg <- Args]]}, {line, 1_000_000}, binary, exit_status],
    {ok, #state{port = open_port({spawn_executable, python()}, Options)}}.

python() ->
    os:getenv("MMX_PYTHON", filename:join([root(), ".cache", "python", "bin", "python"])).

%% The top of the checkout.
-spec root() -> file:filename().
root() ->
    root(filename:dirname(code:which(?MODULE))).

root(Folder) ->
    case filelib:is_regular(filename:join([Folder, "test", "support", "slix.py"])) andalso
             filelib:is_regular(filename:join(Folder, "rebar.config")) of
        true -> Folder;
        false when Folder =/= "/" -> root(filename:dirname(Folder))
    end.

-spec handle_call(term(), gen_server:from(), #state{}) -> {reply, term(), #state{}} | {noreply, #state{}}.
handle_call({command, Command}, _From, #state{port = Port} = State) ->
    true = port_command(Port, [misc:json_encode(Command), "\n"]),
    {reply, ok, State};
handle_call({expect, IsIt}, From, #state{waiter = none} = State) ->
    Timer = erlang:start_timer(?PATIENCE, self(), patience),
    {noreply, serve(State#state{waiter = {From, IsIt, Timer}})};
handle_call(events, _From, #state{events = Events} = State) ->
    {reply, Events, State#state{events = []}}.

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast(_, State) ->
    {noreply, State}.

-spec handle_info(term(), #state{}) -> {noreply, #state{}} | {stop, normal, #state{}}.
handle_info({Port, {data, {eol, Line}}}, #state{port = Port} = State) ->
    {noreply, serve(add(misc:json_decode(Line), State))};
handle_info({Port, {exit_status, Status}}, #state{port = Port} = State) ->
    {noreply, serve(add(#{<<"event">> => <<"exited">>, <<"status">> => Status}, State))};
handle_info({timeout, Timer, patience}, #state{waiter = {From, _, Timer}, events = Events} = State) ->
    gen_server:reply(From, {nothing_in_time, Events}),
    {noreply, State#state{waiter = none}};
handle_info({'DOWN', _, process, _, _}, State) ->
    {stop, normal, State};
handle_info(_, State) ->
    {noreply, State}.

add(Event, #state{events = Events} = State) ->
    State#state{events = Events ++ [Event]}.

serve(#state{waiter = {From, IsIt, Timer}, events = Events} = State) ->
    case lists:splitwith(fun(Event) -> not IsIt(Event) end, Events) of
        {_, []} ->
            State;
        {Before, [Event | After]} ->
            _ = erlang:cancel_timer(Timer),
            gen_server:reply(From, {ok, Event}),
            State#state{waiter = none, events = Before ++ After}
    end;
serve(State) ->
    State.
