%% What seems to come from a room and does not, and what comes from one when nobody is in it.
-module(stray_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    a_contact_that_was_taken_for_a_room_is_heard/1,
    an_error_that_comes_after_the_leave_arrives/1,
    who_has_given_up_a_join_does_not_enter_later/1,
    a_subscriber_of_a_sleeping_room_stays_as_it_is/1
]).

-include("support/mmx.hrl").

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    [{server, mmx_server:start(beside_plain(#{join_timeout => <<"2 s">>}))} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% B24.176, I3 (XEP-0045 §7.2)
a_contact_that_was_taken_for_a_room_is_heard(Config) ->
    story(Config, ["alice/phone", "alice/desk"], fun(_, Phone, Desk) ->
        {Puppet, Contact} = mmx_puppet:open(?config(server, Config)),
        Says = fun(To, Text) ->
            Stanza = message(To, chat, [el(body, [], [Text])]),
            mmx_puppet:says(Puppet, <<Contact/binary, "/notebook">>, Stanza)
        end,
        ask(Desk, Contact, <<"alice">>),
        ?assertEqual(account(Desk), from(mmx_puppet:takes(Puppet))),
        Says(jid(Phone), <<"while it is asked">>),
        ?assertEqual(<<"while it is asked">>, body(recv(Phone))),
        ?assertEqual(<<"remote-server-timeout">>, error_condition(recv(Desk))),
        Says(jid(Phone), <<"afterwards">>),
        ?assertEqual(<<"afterwards">>, body(recv(Phone)))
    end).

%% B16.112, I2 (XEP-0045 §7.5)
an_error_that_comes_after_the_leave_arrives(Config) ->
    story(Config, ["bob/desk", "alice/phone"], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        leave(Phone, Room),
        drain(Phone),
        whisper(Phone, Room, <<"bob">>, <<"psst">>),
        Error = recv(Phone),
        ?assertEqual({<<"error">>, <<"not-acceptable">>}, {type(Error), error_condition(Error)})
    end).

%% B1.14, I1, I4 (XEP-0045 §7.2)
who_has_given_up_a_join_does_not_enter_later(Config) ->
    Server = ?config(server, Config),
    story(Config, ["bob/desk", "alice/phone"], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}]),
        paused(Config, Room, fun() ->
            ask(Phone, Room, <<"alice">>),
            ?assertEqual(<<"remote-server-timeout">>, error_condition(recv(Phone)))
        end),
        mmx_quiet:settle(Server, mmx_server:host(Server), [Room]),
        ?assertMatch([{<<"bob">>, _}], in_room(Config, Room))
    end).

%% T8 (MUC/Sub)
a_subscriber_of_a_sleeping_room_stays_as_it_is(Config) ->
    Server = ?config(server, Config),
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}]),
        Options = #{<<"muc#roomconfig_persistentroom">> => <<"1">>, <<"allow_subscription">> => <<"1">>},
        ?assertEqual(<<"result">>, type(configure(Bob, Room, Options))),
        Subscribe = el(subscribe, [{xmlns, <<"urn:xmpp:mucsub:0">>}, {nick, <<"alice">>}], [
            el(event, [{node, <<"urn:xmpp:mucsub:nodes:messages">>}])
        ]),
        ?assertEqual(<<"result">>, type(request(Phone, iq(Room, set, [Subscribe])))),
        leave(Bob, Room),
        Asleep = mmx_server:room_pid(Server, Room),
        true = mmx_server:rpc(Server, mod_muc_room, shutdown, [Asleep]),
        mmx_server:wait_until("the room sleeps", fun() -> mmx_server:room_pid(Server, Room) =:= none end),
        join(Desk, Room, <<"alice">>),
        ?assertEqual([{<<"alice">>, jid(Desk)}], in_room(Config, Room)),
        kill(Desk),
        %% While it is an occupant its account gets no events.
        mmx_server:wait_until("the session is out", fun() -> in_room(Config, Room) =:= [] end),
        join(Bob, Room, <<"bob">>),
        ok = say(Bob, Room, <<"anybody?">>),
        _ = mmx_client:take(Phone, fun(Stanza) -> child(Stanza, event) =/= undefined end)
    end).
