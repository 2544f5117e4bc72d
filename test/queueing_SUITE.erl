%% Very many accounts come back to their rooms: in their turn, and others go on talking.
-module(queueing_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    who_has_sessions_comes_first/1,
    services_are_asked_one_apart_from_the_other/1,
    no_service_is_asked_faster_than_it_should_be/1,
    who_comes_one_after_the_other_keeps_the_pace/1,
    who_asks_again_waits_once/1,
    a_hundred_thousand_wait_and_others_talk/1
]).

-include("support/mmx.hrl").

-define(RATE, 100).
%% Turns that a service may be given at once: two looks at the queue, and the first one.
-define(AT_ONCE, (2 * ?RATE * 50 div 1_000 + 1)).

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    [{server, mmx_server:start(beside_plain(#{rejoin_rate => ?RATE}))} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% A service that answers nobody.
silent_service(Config) ->
    {Puppet, <<"room@", Service/binary>>} = mmx_puppet:open(?config(server, Config)),
    {Puppet, Service}.

restore(Config, Service, Names) ->
    mmx_crowd:restore(?config(server, Config), Service, Names, 2_000, erlang:system_time(millisecond)).

names(Prefix, From, To) ->
    [<<Prefix/binary, (integer_to_binary(Number))/binary>> || Number <- lists:seq(From, To)].

stats(Config) ->
    Server = ?config(server, Config),
    mmx_admin:stats(Server, mmx_server:host(Server)).

waiting(Config, Service) ->
    maps:get(<<"rejoins_waiting@", Service/binary>>, stats(Config), 0).

asked(Puppet) ->
    length(mmx_puppet:waiting(Puppet)).

all_in_line(Config, Count, Restore) ->
    mmx_crowd:paused(?config(server, Config), fun(Queued) ->
        Before = Queued(),
        Restore(),
        mmx_server:wait_until("all stand in line", fun() -> Queued() - Before >= Count end)
    end).

%% B23.163 (XEP-0045 §7.2)
who_has_sessions_comes_first(Config) ->
    story(Config, ["alice/phone"], fun(_, Phone) ->
        {Puppet, Service} = silent_service(Config),
        [Alice, _] = binary:split(account(Phone), <<"@">>),
        all_in_line(Config, 201, fun() -> restore(Config, Service, names(<<"first-">>, 1, 200) ++ [Alice]) end),
        ?assertEqual(account(Phone), from(mmx_puppet:takes(Puppet)))
    end).

%% B23.163, I10 (XEP-0045 §7.2)
services_are_asked_one_apart_from_the_other(Config) ->
    Server = ?config(server, Config),
    {Puppet, Service} = silent_service(Config),
    {Other, OtherService} = silent_service(Config),
    all_in_line(Config, 510, fun() ->
        restore(Config, Service, names(<<"many-">>, 1, 500)),
        restore(Config, OtherService, names(<<"few-">>, 1, 10))
    end),
    mmx_server:wait_until("all of the few were served", fun() -> asked(Other) =:= 10 end),
    ?assertEqual(0, waiting(Config, OtherService)),
    ?assert(waiting(Config, Service) > 0),
    mmx_server:wait_until("all were served", fun() -> asked(Puppet) =:= 500 end),
    ?assertEqual(0, waiting(Config, Service)),
    Froms = [from(Stanza) || Stanza <- mmx_puppet:waiting(Puppet)],
    ?assertEqual(500, length(lists:usort(Froms))),
    ?assert(lists:all(fun(From) -> string:find(From, mmx_server:host(Server)) =/= nomatch end, Froms)).

%% B23.163, I10 (option rejoin_rate)
no_service_is_asked_faster_than_it_should_be(Config) ->
    {Puppet, Service} = silent_service(Config),
    Count = 1_000,
    all_in_line(Config, Count, fun() -> restore(Config, Service, names(<<"paced-">>, 1, Count)) end),
    Looks = [look(Config, Puppet, Service, Count, Least) || Least <- [1, 50, 100, 200, 400]],
    Pairs = [{Early, Late} || Early <- Looks, Late <- Looks, Early < Late],
    [
        ?assert(LateAsked - EarlyAsked =< ?RATE * (After - Before) div 1_000 + ?AT_ONCE)
     || {{Before, EarlyAsked, _}, {_, LateAsked, After}} <- Pairs
    ].

%% B23.163, I10 (option rejoin_rate)
who_comes_one_after_the_other_keeps_the_pace(Config) ->
    Rate = 4,
    Slow = lists:keystore(server, 1, Config, {server, mmx_server:start(beside_plain(#{rejoin_rate => Rate}))}),
    {Puppet, Service} = silent_service(Slow),
    Start = now_ms(Slow),
    Names = names(<<"single-">>, 1, 8),
    [
        begin
            restore(Slow, Service, [Name]),
            mmx_server:wait_until("it was asked", fun() -> asked(Puppet) =:= Count end)
        end
     || {Count, Name} <- lists:enumerate(Names)
    ],
    Time = now_ms(Slow) - Start,
    mmx_server:stop(?config(server, Slow)),
    ?assert(length(Names) =< Rate * Time / 1_000 + 2).

%% B23.163, B2.25 (XEP-0045 §7.2)
who_asks_again_waits_once(Config) ->
    story(Config, ["alice/phone"], fun(_, Phone) ->
        {_Puppet, Service} = silent_service(Config),
        [Alice, _] = binary:split(account(Phone), <<"@">>),
        Room = <<(mmx_crowd:room(Alice, 2_000))/binary, "@", Service/binary>>,
        mmx_crowd:paused(?config(server, Config), fun(Queued) ->
            Before = Queued(),
            restore(Config, Service, [Alice]),
            mmx_server:wait_until("it stands in line", fun() -> Queued() > Before end),
            [ask(Phone, Room, <<"alice">>) || _ <- lists:seq(1, 300)],
            mmx_server:wait_until("it was heard again and again", fun() -> Queued() > Before + 300 end)
        end),
        ?assert(waiting(Config, Service) =< 1)
    end).

%% The progress when so many have been asked, with a time before and one after it. Who waits no longer was asked.
look(Config, Puppet, Service, Count, Least) ->
    mmx_server:wait_until("so many were asked", fun() -> asked(Puppet) >= Least end),
    Before = now_ms(Config),
    Early = asked(Puppet),
    Waiting = waiting(Config, Service),
    Late = asked(Puppet),
    ?assert(Early =< Count - Waiting andalso Count - Waiting =< Late),
    {Before, Early, now_ms(Config)}.

now_ms(Config) ->
    mmx_server:rpc(?config(server, Config), erlang, monotonic_time, [millisecond]).

%% B23.163, I9, I10 (100,000 accounts)
a_hundred_thousand_wait_and_others_talk(Config) ->
    story(Config, ["bob/desk", "alice/phone", "dora/phone"], fun(Room, Bob, Phone, Dora) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        settle(Room, [Bob]),
        {Puppet, Service} = silent_service(Config),
        [
            begin
                restore(Config, Service, names(<<"crowd-">>, N, N + 9_999)),
                told(Bob, Room, integer_to_binary(N), [Bob, Phone]),
                ?assert(maps:get(<<"memberships">>, stats(Config)) > N + 9_999)
            end
         || N <- lists:seq(1, 90_001, 10_000)
        ],
        AllStand = fun() -> waiting(Config, Service) + asked(Puppet) >= 100_000 end,
        mmx_server:wait_until("all have stood in line", AllStand),
        {Waiting, Asked} = {waiting(Config, Service), asked(Puppet)},
        mmx_server:wait_until("some more were asked", fun() -> asked(Puppet) > Asked + 20 end),
        ?assert(waiting(Config, Service) < Waiting),
        ?assertMatch(#{<<"memberships_away">> := Away} when Away >= 100_000, stats(Config)),
        told(Phone, Room, <<"still here">>, [Bob, Phone]),
        join(Dora, Room, <<"dora">>),
        ?assertEqual([<<"dora">>, <<"dora">>], nicks([recv(Session) || Session <- [Bob, Phone]])),
        ?assertEqual([], mmx_server:complaints(?config(server, Config)))
    end).
