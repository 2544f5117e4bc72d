%% Rooms and occupants that an account has blocked, and what its privacy lists forbid.
-module(blocking_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    a_blocked_room_is_silent/1,
    a_blocked_occupant_is_silent/1,
    a_blocked_occupant_is_not_in_the_replay/1,
    who_blocks_answers_nothing/1,
    who_blocks_is_not_given_away_by_a_request/1,
    what_is_said_to_a_blocked_room_is_refused/1,
    a_privacy_list_is_one_sessions_alone/1,
    a_join_that_a_privacy_list_denies_is_refused/1,
    a_room_that_is_blocked_stays_joined_and_is_left/1
]).

-include("support/mmx.hrl").
-import(mmx_twin, [same/3, ours/3, is_marker/1]).

-define(NS_BLOCKING, <<"urn:xmpp:blocking">>).
-define(NS_PRIVACY, <<"jabber:iq:privacy">>).
-define(NS_VERSION, <<"jabber:iq:version">>).

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    [{server, mmx_twin:start(#{})} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

block(Session, Action, Jid) ->
    Iq = iq(none, set, [el(Action, [{xmlns, ?NS_BLOCKING}], [el(item, [{jid, Jid}])])]),
    ?assertEqual(<<"result">>, type(request(Session, Iq))),
    %% Each session is told of it.
    drain(Session).

%% B24.178, I5 (XEP-0191 §3)
a_blocked_room_is_silent(Config) ->
    same(Config, ["phone"], fun(Room, Bob, _, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        settle(Room, [Bob]),
        block(Phone, block, Room),
        Blocked = spoken_to(Bob, Room, Phone),
        ?assertEqual([], Blocked),
        block(Phone, unblock, Room),
        Unblocked = spoken_to(Bob, Room, Phone),
        ?assertMatch([_ | _], Unblocked),
        ?assertEqual([<<"alice">>, <<"bob">>], [Nick || {Nick, _} <- in_room(Config, Room)]),
        Unblocked
    end).

%% B24.178, I5 (XEP-0191 §3)
a_blocked_occupant_is_silent(Config) ->
    same(Config, ["phone"], fun(Room, Bob, Carol, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Carol, <<"carol">>}, {Phone, <<"alice">>}]),
        settle(Room, [Bob, Carol]),
        block(Phone, block, <<Room/binary, "/bob">>),
        _ = spoken_to(Bob, Room, Carol),
        settle(Room, [Bob, Carol]),
        Sent = spoken_to(Carol, Room, Phone),
        ?assertEqual([<<"carol">>], lists:usort([from_nick(Stanza) || Stanza <- Sent])),
        block(Phone, unblock, <<Room/binary, "/bob">>),
        settle(Room, [Bob]),
        Sent ++ spoken_to(Bob, Room, Phone)
    end).

%% All kinds of stanzas of an occupant, and what of it a session is given. Nobody is told that it is not.
spoken_to(Client, Room, Session) ->
    Nick = mmx_muc:nick(Client, Room),
    say(Client, Room, <<"hello">>),
    whisper(Client, Room, <<"alice">>, <<"psst">>),
    send(Client, message(<<Room/binary, "/alice">>, normal, [el(body, [], [<<"psst!">>])])),
    send(Client, presence(<<Room/binary, "/", Nick/binary>>, [el(show, [], [<<"away">>])])),
    send(Client, presence(<<Room/binary, "/", Nick/binary>>, [])),
    ?assertMatch([_, _, _], sync(Client, Room)),
    sync(Session).

%% B2.18, B2.20, B24.178, I2 (XEP-0191 §3)
a_blocked_occupant_is_not_in_the_replay(Config) ->
    same(Config, ["phone", "desk"], fun(Room, Bob, Carol, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Carol, <<"carol">>}, {Desk, <<"alice">>}]),
        [say(Client, Room, <<"hello">>) || Client <- [Bob, Carol]],
        settle(Room, [Bob, Carol]),
        block(Phone, block, <<Room/binary, "/bob">>),
        Entered = join(Phone, Room, <<"alice">>),
        ?assertEqual([], [Stanza || Stanza <- Entered, from_nick(Stanza) =:= <<"bob">>]),
        Entered
    end).

%% B24.178, I5 (XEP-0191 §3; the room says no more than it must)
who_blocks_answers_nothing(Config) ->
    ours(Config, ["phone", "desk"], fun(_, _, _, Phone, Desk) ->
        {Puppet, Room} = mmx_puppet:joined_by(?config(server, Config), [Phone, Desk]),
        block(Phone, block, <<Room/binary, "/bob">>),
        mmx_puppet:shows(Puppet, Room, <<"bob">>, account(Phone), []),
        [
            mmx_puppet:says(Puppet, <<Room/binary, "/bob">>, message(account(Phone), Type, [el(body, [], [<<"hello">>])]))
         || Type <- [groupchat, chat, normal, headline]
        ],
        drain(Desk),
        ?assertEqual([], sync(Phone)),
        say(Phone, Room, <<"hello">>),
        ?assertEqual({account(Phone), <<"groupchat">>}, from_and_type(mmx_puppet:takes(Puppet))),
        ?assertEqual([], mmx_puppet:waiting(Puppet)),
        []
    end).

%% B17.121, B24.178, T13 (XEP-0191 §3)
who_blocks_is_not_given_away_by_a_request(Config) ->
    ours(Config, ["phone", "desk"], fun(_, _, _, Phone, Desk) ->
        {Puppet, Room} = mmx_puppet:joined_by(?config(server, Config), [Phone, Desk]),
        block(Phone, block, <<Room/binary, "/bob">>),
        Question = iq(account(Phone), get, [el(query, [{xmlns, ?NS_VERSION}])]),
        mmx_puppet:says(Puppet, <<Room/binary, "/bob">>, Question),
        Answer = mmx_puppet:takes(Puppet),
        ?assertEqual({account(Phone), <<"error">>}, from_and_type(Answer)),
        ?assertEqual(<<"service-unavailable">>, error_condition(Answer)),
        ?assertEqual([], mmx_puppet:waiting(Puppet)),
        []
    end).

from_and_type(Stanza) ->
    {from(Stanza), type(Stanza)}.

%% B24.178 (XEP-0191 §3)
what_is_said_to_a_blocked_room_is_refused(Config) ->
    same(Config, ["phone"], fun(Room, Bob, _, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        settle(Room, [Bob]),
        block(Phone, block, Room),
        say(Phone, Room, <<"hello">>),
        whisper(Phone, Room, <<"bob">>, <<"psst">>),
        rename(Bob, Room, <<"robert">>),
        Refusals = sync(Phone),
        ?assertMatch([_, _], Refusals),
        marker(Bob, Bob, Room),
        Refusals
    end).

%% B24.178, I3 (XEP-0016 §2)
a_privacy_list_is_one_sessions_alone(Config) ->
    same(Config, ["phone", "desk"], fun(Room, Bob, _, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        settle(Room, [Bob, Phone]),
        silence(Phone, Room, [el(message, [])]),
        say(Bob, Room, <<"hello">>),
        _ = seen(Bob, Room),
        Heard = [Stanza || Stanza <- sync(Desk), not is_marker(Stanza)],
        ?assertEqual([<<"hello">>], bodies(Heard)),
        ?assertEqual([], sync(Phone)),
        activate(Phone, []),
        told(Bob, Room, <<"bye">>, [Bob, Phone, Desk]),
        Heard
    end).

silence(Session, Jid, Kinds) ->
    Item = el(item, [{type, jid}, {value, Jid}, {action, deny}, {order, 1}], Kinds),
    List = el(query, [{xmlns, ?NS_PRIVACY}], [el(list, [{name, <<"silence">>}], [Item])]),
    ?assertEqual(<<"result">>, type(request(Session, iq(none, set, [List])))),
    activate(Session, [{name, <<"silence">>}]),
    drain(Session).

activate(Session, Attrs) ->
    Active = el(query, [{xmlns, ?NS_PRIVACY}], [el(active, Attrs)]),
    ?assertEqual(<<"result">>, type(request(Session, iq(none, set, [Active])))),
    drain(Session).

%% B1.10 (XEP-0016 §2.9)
a_join_that_a_privacy_list_denies_is_refused(Config) ->
    same(Config, ["phone", "desk"], fun(Room, Bob, _, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Desk, <<"alice">>}]),
        settle(Room, [Bob]),
        silence(Phone, Room, [el('presence-out', [])]),
        ask(Phone, Room, <<"alice">>),
        Refusal = sync(Phone, Room),
        marker(Bob, Bob, Room),
        Refusal
    end).

%% B7.53, B24.178 (XEP-0191 §3)
a_room_that_is_blocked_stays_joined_and_is_left(Config) ->
    same(Config, ["phone"], fun(Room, Bob, _, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        settle(Room, [Bob]),
        block(Phone, block, Room),
        send(Phone, presence(<<Room/binary, "/alice">>, unavailable, [])),
        drain(Phone),
        block(Phone, unblock, Room),
        Seen = seen(Bob, Room),
        [Stanza || Stanza <- Seen, not is_marker(Stanza)]
    end).
