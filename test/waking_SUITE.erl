%% The clock of the host: each room that waits for a time has one timer.
-module(waking_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([a_room_has_one_timer/1, an_earlier_time_replaces_a_later_one/1]).

-include("support/mmx.hrl").

-define(ENOUGH, 10_000).

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    [{server, mmx_server:start(#{minimix => #{}})} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% I10 (superseded times do not wake)
a_room_has_one_timer(Config) ->
    Server = ?config(server, Config),
    Far = erlang:system_time(millisecond) + 3_600_000,
    Timers = [timer(Config, one, Far - N * 60_000) || N <- lists:seq(1, 3)],
    Left = [mmx_server:rpc(Server, erlang, read_timer, [Timer]) || Timer <- Timers],
    ?assertMatch([false, false, Time] when is_integer(Time), Left),
    ?assertEqual(lists:last(Timers), timer(Config, one, Far)).

%% I10 (nothing is woken late)
an_earlier_time_replaces_a_later_one(Config) ->
    Now = erlang:system_time(millisecond),
    ?assertEqual([busy, marker], woken(Config, [{busy, Now + 3_600_000}, {marker, Now + 200}, {busy, Now + 100}])).

%% The rooms in the order in which they are woken, until the marker is.
woken(Config, Times) ->
    Server = ?config(server, Config),
    Host = mmx_server:host(Server),
    Clock = binary_to_atom(<<"minimix_host_", Host/binary>>),
    ok = mmx_server:rpc(Server, sys, log, [Clock, {true, ?ENOUGH}]),
    [ok = mmx_server:rpc(Server, minimix_host, wake, [Host, room(Name), At]) || {Name, At} <- Times],
    mmx_server:wait_until("the marker is woken", fun() -> lists:member(marker, timeouts(Server, Clock)) end),
    Woken = timeouts(Server, Clock),
    ok = mmx_server:rpc(Server, sys, log, [Clock, false]),
    Woken.

timeouts(Server, Clock) ->
    {ok, Events} = mmx_server:rpc(Server, sys, log, [Clock, get]),
    [binary_to_atom(Name) || {in, {timeout, _, {Name, _, <<>>}}} <- Events].

%% The timer of a room after it was asked for this time, too.
timer(Config, Name, At) ->
    Server = ?config(server, Config),
    Host = mmx_server:host(Server),
    ok = mmx_server:rpc(Server, minimix_host, wake, [Host, room(Name), At]),
    {Host, Timers} = mmx_server:rpc(Server, sys, get_state, [binary_to_atom(<<"minimix_host_", Host/binary>>)]),
    {_, Timer} = maps:get(room(Name), Timers),
    Timer.

room(Name) ->
    {atom_to_binary(Name), <<"rooms.example">>, <<>>}.
