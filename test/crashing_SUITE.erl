%% Two accounts join and leave, and the server dies at any moment: who was told to be in is in again,
%% who was told to be out stays out.
%%
%% MMX_SEED=… repeats a run's script; when the server dies within it, no seed can tell.
-module(crashing_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    nothing_confirmed_is_lost_in_mnesia/1,
    nothing_confirmed_is_lost_in_sqlite/1,
    nothing_confirmed_is_lost_in_postgresql/1
]).

-include("support/mmx.hrl").

-define(ROOMS, 6).
%% The longest time that people have before the server dies.
-define(LIFE, 400).

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    Seed =
        case os:getenv("MMX_SEED") of
            false -> rand:uniform(1_000_000_000);
            Text -> list_to_integer(Text)
        end,
    ct:pal("MMX_SEED=~b", [Seed]),
    [{seed, Seed} | Config].

end_per_suite(_Config) ->
    ok.

%% I11, T15, B23.165 (XEP-0045 §7.2, §7.14)
nothing_confirmed_is_lost_in_mnesia(Config) ->
    survives(mnesia, 12, Config).

%% I11, T15, B23.165 (XEP-0045 §7.2, §7.14)
nothing_confirmed_is_lost_in_sqlite(Config) ->
    survives(sqlite, 7, Config).

%% I11, T15, B23.165 (XEP-0045 §7.2, §7.14)
nothing_confirmed_is_lost_in_postgresql(Config) ->
    survives(pgsql, 7, Config).

survives(Kind, Deaths, Config) ->
    Seed = ?config(seed, Config),
    _ = rand:seed(exsss, Seed),
    Keeper = mmx_keeper:start(Kind, fun(Database) -> mmx_database:options(Database, beside_plain(#{rejoin_rate => 10000})) end),
    try
        Server = mmx_keeper:server(Keeper),
        Rooms = [persistent_room(Server) || _ <- lists:seq(1, ?ROOMS)],
        Names = [mmx_server:fresh(Server, Name) || Name <- ["alice", "dora"]],
        ok = mmx_server:rpc(Server, mnesia, sync_log, []),
        Out = maps:from_list([{Room, out} || Room <- Rooms]),
        Confirmed = die(Deaths, Keeper, [{Name, Out} || Name <- Names], Seed, 0),
        ct:pal("~b joins and leaves were confirmed", [Confirmed]),
        ?assert(Confirmed > 0)
    after
        mmx_keeper:stop(Keeper)
    end.

%% One that a crash of the service itself does not end.
persistent_room(Server) ->
    Room = mmx_server:fresh_room(Server),
    [Name, Service] = binary:split(Room, <<"@">>),
    Arguments = [Name, Service, mmx_server:host(Server), [{<<"persistent">>, <<"true">>}]],
    ok = mmx_server:rpc(Server, mod_muc_admin, create_room_with_opts, Arguments),
    Room.

die(0, _Keeper, _People, _Seed, Confirmed) ->
    Confirmed;
die(More, Keeper, People, Seed, Confirmed) ->
    Server = mmx_keeper:server(Keeper),
    Self = self(),
    Scripts = [spawn_monitor(fun() -> exit({saw, script(Self, Server, Name, Places, {Seed, More, Number}), confirmed()}) end)
               || {Number, {Name, Places}} <- lists:enumerate(People)],
    [receive {Pid, here} -> ok; {'DOWN', Monitor, process, Pid, Reason} -> error(Reason) end || {Pid, Monitor} <- Scripts],
    receive after rand:uniform(?LIFE) -> ok end,
    Again = mmx_keeper:again(Keeper, crash),
    {Saw, Counts} = lists:unzip([saw(Script) || Script <- Scripts]),
    Expected = [{Name, Places} || {{Name, _}, Places} <- lists:zip(People, Saw)],
    ok = settled(Again, Expected),
    When = {seed, Seed, deaths_to_go, More},
    Found = [{Name, compared(Again, Name, Places, When)} || {Name, Places} <- Expected],
    die(More - 1, Keeper, Found, Seed, Confirmed + lists:sum(Counts)).

saw({Pid, Monitor}) ->
    receive
        {'DOWN', Monitor, process, Pid, {saw, Places, Confirmed}} -> {Places, Confirmed};
        {'DOWN', Monitor, process, Pid, Reason} -> error({script_failed, Reason})
    end.

%% What the account was told last of each room: in, out, or nothing since it asked for something else.
script(Suite, Server, Name, Places, Seed) ->
    _ = rand:seed(exsss, erlang:phash2(Seed)),
    Client = connect(Server, [Name, "/phone"]),
    Suite ! {self(), here},
    go_on(Client, Name, [], Places).

go_on(Client, Name, Attached, Places) ->
    Room = lists:nth(rand:uniform(?ROOMS), lists:sort(maps:keys(Places))),
    case lists:member(Room, Attached) of
        true ->
            Leave = presence(<<Room/binary, "/", Name/binary>>, unavailable, []),
            told(Client, Name, Room, Leave, <<"unavailable">>, fun
                (sent) -> {Attached, Places#{Room := unknown}};
                (confirmed) -> {lists:delete(Room, Attached), confirmed(Places#{Room := out})}
            end);
        false ->
            Join = presence(<<Room/binary, "/", Name/binary>>, available, [el(x, [{xmlns, ?NS_MUC}])]),
            told(Client, Name, Room, Join, <<"available">>, fun
                (sent) when map_get(Room, Places) =:= in -> {Attached, Places};
                (sent) -> {Attached, Places#{Room := unknown}};
                (confirmed) -> {[Room | Attached], confirmed(Places#{Room := in})}
            end)
    end.

confirmed(Places) ->
    _ = put(confirmed, 1 + confirmed()),
    Places.

confirmed() ->
    case get(confirmed) of
        undefined -> 0;
        Count -> Count
    end.

told(Client, Name, Room, Stanza, Type, After) ->
    Self = <<Room/binary, "/", Name/binary>>,
    Tells = fun(El) -> from(El) =:= Self andalso type(El) =:= Type andalso is_self_presence(El) end,
    IsEnd = fun(El) -> El#xmlel.name =:= <<"stream:end">> end,
    try mmx_client:send(Client, Stanza) of
        ok ->
            Last = lists:last(recv_until(Client, fun(El) -> Tells(El) orelse IsEnd(El) end)),
            case IsEnd(Last) of
                true ->
                    element(2, After(sent));
                false ->
                    {Attached, Places} = After(confirmed),
                    go_on(Client, Name, Attached, Places)
            end
    catch
        %% The end of the stream was seen before.
        error:{badmatch, not_connected} -> element(2, After(sent))
    end.

%% All who are to come back have had their turn, and the rooms have dealt with it.
settled(Server, People) ->
    Host = mmx_server:host(Server),
    [{_, Places} | _] = People,
    Had = fun() -> mmx_server:rpc(Server, minimix_turns, waiting, [Host]) =:= #{} end,
    ok = mmx_server:wait_until("all have had their turn", Had),
    mmx_quiet:settle(Server, Host, maps:keys(Places)).

%% What the rooms say is the truth where nothing was confirmed.
compared(Server, Name, Places, When) ->
    Account = <<Name/binary, "@", (mmx_server:host(Server))/binary>>,
    maps:map(fun(Room, Expected) ->
        Found = case lists:keymember(Account, 2, mmx_server:room_occupants(Server, Room)) of
            true -> in;
            false -> out
        end,
        Expected =:= unknown orelse ?assertEqual({When, Name, Room, Expected}, {When, Name, Room, Found}),
        Found
    end, Places).
