%% People talk in a room while sessions, rooms, servers and links die. Then the logs of all clients prove that
%% what the room has broadcast reached every session in it exactly once and in order, and room, core, storage
%% and clients say the same of who is where.
%%
%% What the room has broadcast a witness knows: an occupant as without the module, on the room's side, who is
%% there all the time or comes back at once; what it has not heard then stands in the room's history.
%% Of a room's process that is killed between two messages, and of a server that is killed, nobody can know what
%% they would have broadcast. Where ejabberd is killed with its own room, a session may have heard more than the
%% witness at its end, but nothing out of order.
%% What a broken link has swallowed is asked for when the link is back and given late: a session that left
%% before all was well again is not promised that, and what is late stands behind what came meanwhile. Where a
%% stream was resumed, the order is ejabberd's.
%%
%% MMX_CHAOS_SEED=… runs the plan of that seed alone, MMX_CHAOS_SEED=fresh one that nobody knows;
%% MMX_CHAOS_STEPS=… says how many times something breaks.
-module(chaos_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([a_room_of_the_same_server/1, a_room_of_another_server/1]).

-include("support/mmx.hrl").

-define(DEVICES, [
    {"alice", "phone"}, {"alice", "desk"}, {"alice", "watch"},
    {"dora", "phone"}, {"dora", "watch"},
    {"erin", "phone"}
]).
-define(MINIMIX, #{
    ping_interval => <<"1 s">>, offline_delay => <<"1 s">>, join_timeout => <<"10 s">>,
    history_size => 1000, rejoin_rate => 1000
}).

%% The longer case, with another server, is for runs of its own: make chaos.
all() ->
    case os:getenv("MMX_CHAOS_SEED") of
        false -> [a_room_of_the_same_server];
        _ -> cases(?MODULE)
    end.

init_per_suite(Config) ->
    Config.

end_per_suite(_Config) ->
    ok.

%% I1, I3, I4, I11, B12.81, B13.88 (XEP-0045 §7.2, §7.4, §7.14)
a_room_of_the_same_server(_Config) ->
    Troubles = [room_dies, room_dies, crash, restart],
    [in_chaos(Seed, Troubles, steps(8), fun here/1) || Seed <- seeds([1, 2])].

%% I1, I3, I4, I11, B12.81, B13.86, B13.88 (XEP-0045 §7.2, §7.4, §7.14; XEP-0410 §3.2)
a_room_of_another_server(_Config) ->
    Troubles = [
        cut, cut, crash_in_a_cut, prosody_dies_in_a_cut, streams_die, prosody_dies, prosody_ends, prosody_pauses, crash, restart
    ],
    [in_chaos(Seed, Troubles, steps(10), fun far/1) || Seed <- seeds([3, 4])].

seeds(Default) ->
    case os:getenv("MMX_CHAOS_SEED") of
        false -> Default;
        "fresh" -> [rand:uniform(1_000_000_000)];
        Text -> [list_to_integer(Text)]
    end.

steps(Default) ->
    list_to_integer(os:getenv("MMX_CHAOS_STEPS", integer_to_list(Default))).

in_chaos(Seed, Troubles, Count, With) ->
    ct:pal("MMX_CHAOS_SEED=~b", [Seed]),
    io:format(user, "MMX_CHAOS_SEED=~b~n", [Seed]),
    Plan = mmx_chaos:plan(Seed, ?DEVICES, Troubles, Count),
    With(fun(World, Occupants, Storage) ->
        Chaos = mmx_chaos:run(Plan, mmx_chaos:start(World)),
        {_, All, _} = mmx_chaos:witness(Chaos),
        Figures = [mmx_chaos:said(Chaos), length(All), length(mmx_chaos:logs(Chaos))],
        ct:pal("~b messages were said, ~b broadcast to ~b sessions", Figures),
        ?assert(length(All) > Count),
        agree(Chaos, Occupants, Storage),
        proves(Seed, Chaos)
    end).

%% A room of ours, with somebody in it whom the module does not serve.
here(Fun) ->
    Database = mmx_database:start(mnesia),
    Options = (beside_plain(?MINIMIX))#{muc => #{history_size => 1000}},
    with_server(Database, Options, fun(Holder) ->
        Server = mmx_holder:server(Holder),
        Room = mmx_server:fresh_room(Server),
        [Name, Service] = binary:split(Room, <<"@">>),
        Arguments = [Name, Service, mmx_server:host(Server), [{<<"persistent">>, <<"true">>}]],
        ok = mmx_server:rpc(Server, mod_muc_admin, create_room_with_opts, Arguments),
        World = world(Holder, none, Room, {mmx_server:fresh(Server, "carol"), #{}}, #{}),
        ok = mmx_server:rpc(Server, mnesia, sync_log, []),
        Occupants = fun(_) -> mmx_server:room_occupants(mmx_holder:server(Holder), Room) end,
        Fun(World, Occupants, Database)
    end).

%% A room of Prosody, with somebody of its own in it.
far(Fun) ->
    Prosody = mmx_prosody:start(),
    try
        Database = mmx_database:start(sqlite),
        Options = maps:merge(mmx_prosody:options(Prosody), beside_plain(?MINIMIX)),
        with_server(Database, Options, fun(Holder) ->
            Server = mmx_holder:server(Holder),
            Room = mmx_prosody:room_of(<<"archive">>, mmx_server:fresh_room(Server)),
            Long = #{<<"muc#roomconfig_historylength">> => <<"500">>},
            World = world(Holder, Prosody, Room, {mmx_stanza:unique(), mmx_prosody:person(Prosody)}, Long),
            ok = mmx_server:rpc(Server, mnesia, sync_log, []),
            Fun(World, fun(Witness) -> mmx_prosody:occupants(Witness, Room) end, Database)
        end)
    after
        mmx_prosody:stop(Prosody)
    end.

with_server(Database, Options, Fun) ->
    Holder = mmx_holder:start(mmx_server:start(mmx_database:options(Database, Options))),
    try
        Fun(Holder),
        Complaints = mmx_server:complaints(mmx_holder:server(Holder)),
        ?assertEqual([], [Line || Line <- Complaints, re:run(Line, "minimix") =/= nomatch])
    after
        mmx_holder:stop(Holder),
        mmx_database:stop(Database)
    end.

world(Holder, Prosody, Room, Witness, Configuration) ->
    Server = mmx_holder:server(Holder),
    People = maps:from_list([{Person, mmx_server:fresh(Server, Person)} || Person <- maps:keys(maps:from_list(?DEVICES))]),
    #{
        holder => Holder, prosody => Prosody, room => Room, people => People,
        witness => Witness, configuration => Configuration
    }.

%% ---- Who is where

agree(#{holder := Holder} = Chaos, Occupants, Database) ->
    Server = mmx_holder:server(Holder),
    ok = mmx_server:rpc(Server, minimix_store, flush, [mmx_server:host(Server)]),
    Views = fun() -> views(Server, Occupants, Database, Chaos) end,
    try mmx_server:wait_until("all agree", fun() -> disagreements(Views()) =:= [] end)
    catch error:{waited_in_vain_until, _} -> error({disagree, disagreements(Views()), Views()})
    end.

views(Server, Occupants, Database, #{room := Room} = Chaos) ->
    {Witness, _, _} = mmx_chaos:witness(Chaos),
    AccountOf = fun(User) -> <<User/binary, "@", (mmx_server:host(Server))/binary>> end,
    Accounts = [{Person, AccountOf(User)} || {Person, User} <- maps:to_list(mmx_chaos:people(Chaos))],
    All = Occupants(Witness),
    #{
        room => [Occupant || {Nick, _} = Occupant <- All, Nick =/= <<"witness">>],
        core => in_core(Server, Room, Accounts),
        storage => in_storage(Server, Database, Room, Accounts),
        core_sessions => core_sessions(Server, Room, Accounts),
        sessions => mmx_chaos:sessions(Chaos),
        nicks => [Nick || {Nick, _} <- All],
        seen => seen(Chaos),
        %% Whoever was in the room and did not leave it.
        sure => [Account || Person <- mmx_chaos:sure(Chaos), {Its, Account} <- Accounts, Its =:= Person]
    }.

disagreements(#{room := InRoom, nicks := Nicks, seen := Seen, sessions := Sessions} = Views) ->
    lists:append([
        [room_and_core || InRoom =/= maps:get(core, Views)],
        [room_and_storage || InRoom =/= maps:get(storage, Views)],
        [clients_and_core || Sessions =/= maps:get(core_sessions, Views)],
        [clients_are_not_in || Sessions =/= [Device || {Device, _} <- Seen]],
        [{sees_others, Device} || {Device, Others} <- Seen, Others =/= Nicks],
        [{lost, Account} || Account <- maps:get(sure, Views), not lists:keymember(Account, 2, InRoom)]
    ]).

in_core(Server, Room, Accounts) ->
    lists:sort([{Nick, Account} || {_, Account} <- Accounts, {joined, Nick, _} <- core(Server, Room, Account)]).

core_sessions(Server, Room, Accounts) ->
    lists:sort([
        {Person, binary_to_list(Resource)}
     || {Person, Account} <- Accounts, {_, _, Sessions} <- core(Server, Room, Account), Resource <- Sessions
    ]).

core(Server, Room, Account) ->
    {ok, Rows} = mmx_admin:execute(Server, minimix_rooms, binary:split(Account, <<"@">>)),
    [{State, Nick, Sessions} || {Its, Nick, State, Sessions, _, _, _, _} <- Rows, Its =:= Room].

in_storage(Server, Database, Room, Accounts) ->
    lists:sort([
        {Nick, Account}
     || {_, Account} <- Accounts,
        {Its, #{place := joined, nick := Nick}} <- mmx_database:rows(Database, Server, Account), Its =:= Room
    ]).

%% Whom each session that is in the room sees there.
seen(#{room := Room} = Chaos) ->
    lists:sort([
        {Device, Nicks}
     || {Device, Stanzas, #{is_here := true}} <- mmx_chaos:logs(Chaos),
        {true, #{nicks := Nicks}} <- [mmx_heard:is_in(mmx_heard:attachments(Room, Stanzas))]
    ]).

%% ---- Who heard what

proves(Seed, #{room := Room} = Chaos) ->
    {_, All, Troubles} = mmx_chaos:witness(Chaos),
    Wrong = [
        {Device, Mistakes}
     || {Device, Stanzas, Fate} <- mmx_chaos:logs(Chaos),
        Mistakes <- [mmx_heard:mistakes(mmx_heard:attachments(Room, Stanzas), All, Troubles, Fate)],
        Mistakes =/= []
    ],
    Logs = [{Device, to_text(Stanzas)} || {Device, Stanzas, _} <- mmx_chaos:logs(Chaos)],
    Wrong =:= [] orelse ct:pal("the room: ~0p~n~0p", [All, Logs]),
    ?assertEqual({seed, Seed, []}, {seed, Seed, Wrong}).
