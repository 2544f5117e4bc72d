%% A new room is its creator's until it is configured, and the creator may be any session.
-module(creating_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    a_new_room_waits_for_its_creator/1,
    a_new_room_that_talks_is_open/1,
    the_next_one_configures_when_the_creator_goes/1,
    the_next_one_configures_when_the_creator_leaves/1,
    only_the_creator_is_told_that_the_room_is_new/1
]).

-include("support/mmx.hrl").

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    [{server, mmx_server:start(beside_plain(#{}))} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% B1.12, T12 (XEP-0045 §10.1)
a_new_room_waits_for_its_creator(Config) ->
    story(Config, ["alice/phone", "alice/desk"], fun(Room, Phone, Desk) ->
        ?assertEqual([110, 201], status_codes(own(join(Phone, Room, <<"alice">>)))),
        ask(Desk, Room, <<"alice">>),
        ?assertEqual([], sync(Desk, Room)),
        ?assertEqual(<<"result">>, type(configure(Phone, Room, #{}))),
        ?assertEqual([110], status_codes(own(entered(Desk, Room)))),
        marker(Desk, Phone, Room)
    end).

%% B1.12, T12 (XEP-0045 §10.1)
a_new_room_that_talks_is_open(Config) ->
    story(Config, ["alice/phone", "alice/desk"], fun(Room, Phone, Desk) ->
        enter(Room, [{Phone, <<"alice">>}]),
        told(Phone, Room, <<"hello">>, [Phone]),
        ?assertEqual([110], status_codes(own(join(Desk, Room, <<"alice">>))))
    end).

%% B1.12, T12 (XEP-0045 §10.1)
the_next_one_configures_when_the_creator_goes(Config) ->
    story(Config, ["alice/phone", "alice/desk"], fun(Room, Phone, Desk) ->
        join(Phone, Room, <<"alice">>),
        ask(Desk, Room, <<"alice">>),
        drain(Desk),
        kill(Phone),
        ?assertEqual([110, 201], status_codes(own(entered(Desk, Room)))),
        ?assertEqual(<<"result">>, type(configure(Desk, Room, #{})))
    end).

%% B1.12, B6.46, T12 (XEP-0045 §10.1)
the_next_one_configures_when_the_creator_leaves(Config) ->
    story(Config, ["alice/phone", "alice/desk"], fun(Room, Phone, Desk) ->
        join(Phone, Room, <<"alice">>),
        ask(Desk, Room, <<"alice">>),
        drain(Desk),
        leave(Phone, Room),
        ?assertEqual([110, 201], status_codes(own(entered(Desk, Room)))),
        ?assertEqual([{<<"alice">>, account(Desk)}], in_room(Config, Room))
    end).

%% B1.7, B1.12, B2.18 (XEP-0045 §10.1)
only_the_creator_is_told_that_the_room_is_new(Config) ->
    story(Config, ["alice/phone", "bob/desk", "alice/desk"], fun(Room, Phone, Bob, Desk) ->
        ?assertEqual([110, 201], status_codes(own(join(Phone, Room, <<"alice">>)))),
        join(Bob, Room, <<"bob">>),
        ?assertEqual([110], status_codes(own(join(Desk, Room, <<"alice">>))))
    end).
