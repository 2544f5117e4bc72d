%% Sessions that are bound: anew, in place of another one, or again.
-module(binding_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    a_session_resumes_while_it_authenticates/1,
    a_device_that_binds_anew_is_not_in/1,
    a_resource_bound_anew_is_not_in/1,
    a_new_session_gets_nothing_that_waited_for_a_web_session/1
]).

-include("support/mmx.hrl").

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    Options = beside_plain(#{}),
    [{server, mmx_server:start(Options#{bosh => true, c2s => #{allow_unencrypted_sasl2 => true}})} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% B8.60 (XEP-0388 §2.6.1, XEP-0198 §9.2)
a_session_resumes_while_it_authenticates(Config) ->
    story(Config, ["bob/desk", {"alice/phone", bound(<<"tag">>)}, "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        lose(Config, Phone),
        told(Bob, Room, <<"are you there?">>, [Bob, Desk]),
        ok = resume(Phone),
        hears(Phone, <<Room/binary, "/bob">>, <<"are you there?">>),
        told(Phone, Room, <<"I am">>, [Bob, Phone, Desk]),
        unnoticed(Config, Room, Bob, [Phone, Desk]),
        [leave(Session, Room) || Session <- [Desk, Phone]],
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

%% B8.63, B7.53 (XEP-0386 §4.2)
a_device_that_binds_anew_is_not_in(Config) ->
    story(Config, ["bob/desk", {"alice/phone", bound(<<"tag">>)}, "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        Again = replaced(Config, Phone),
        _ = closed(Phone),
        is_new(Config, Again, Room, Bob, Desk),
        lose(Config, Again),
        Once = replaced(Config, Again),
        is_new(Config, Once, Room, Bob, Desk),
        [leave(Session, Room) || Session <- [Once, Desk]],
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

%% The same device binds again, and the old session's process has ended.
replaced(Config, Session) ->
    Server = ?config(server, Config),
    [User, _] = binary:split(account(Session), <<"@">>),
    Old = mmx_server:c2s_pid(Server, jid(Session)),
    New = connect(Server, [User, "/phone"], bound(<<"tag">>)),
    gone(Config, Old),
    New.

is_new(Config, Session, Room, Bob, Desk) ->
    told(Bob, Room, <<"hello">>, [Bob, Desk]),
    ?assertEqual([], sync(Session, Room)),
    say(Session, Room, <<"am I in?">>),
    ?assertEqual(<<"not-acceptable">>, error_condition(recv(Session))),
    join(Session, Room, <<"alice">>),
    unnoticed(Config, Room, Bob, [Session, Desk]).

bound(Tag) ->
    #{bind2 => {Tag, <<"d4565fa7-4d72-4749-b3d3-740edbf87770">>}}.

%% B8.61, B8.62 (RFC 6120 §7.7.2.2, XEP-0198 §6)
a_resource_bound_anew_is_not_in(Config) ->
    story(Config, ["bob/desk", {"alice/phone", #{sm => true}}, "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        settle(Room, [Bob, Phone]),
        told(Bob, Room, <<"hello">>, [Bob, Phone, Desk]),
        Again = in_place_of(Config, Phone),
        closed(Phone),
        is_new(Config, Again, Room, Bob, Desk),
        [leave(Session, Room) || Session <- [Again, Desk]],
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

in_place_of(Config, Session) ->
    [User, _] = binary:split(account(Session), <<"@">>),
    connect(?config(server, Config), [User, "/", resource(jid(Session))]).

%% B8.62, I3 (XEP-0124 §10)
a_new_session_gets_nothing_that_waited_for_a_web_session(Config) ->
    story(Config, ["bob/desk", {"alice/phone", #{over => mmx_bosh}}, "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        settle(Room, [Bob, Phone]),
        Stream = mmx_server:c2s_pid(?config(server, Config), jid(Phone)),
        kill(Phone),
        [told(Bob, Room, Text, [Bob, Desk]) || Text <- [<<"one">>, <<"two">>, <<"three">>]],
        Again = in_place_of(Config, Phone),
        gone(Config, Stream),
        is_new(Config, Again, Room, Bob, Desk)
    end).
