%% Which devices are woken for what is said in rooms, seen by the app server.
-module(pushing_SUITE).

-export([all/0, groups/0, init_per_group/2, end_per_group/2, init_per_testcase/2, end_per_testcase/2]).
-export([
    who_is_named_is_woken_once/1,
    all_that_is_said_wakes/1,
    nothing_that_is_said_wakes/1,
    while_a_session_reads_nobody_is_woken/1,
    a_stream_that_waits_is_woken_for_what_names_the_person/1,
    presences_do_not_wake_a_stream_that_waits/1,
    what_was_not_acknowledged_wakes_if_it_names_the_person/1,
    every_device_is_woken_once/1,
    a_stream_that_came_back_is_not_woken/1,
    private_messages_wake_as_ever/1,
    what_contacts_say_wakes_a_stream_that_waits_as_ever/1,
    a_bookmark_says_what_wakes/1
]).

-include("support/mmx.hrl").

-define(PUSH, <<"push.example">>).

all() ->
    [{group, Push} || {Push, _, _} <- groups()].

groups() ->
    Special = [{all, [all_that_is_said_wakes]}, {none, [nothing_that_is_said_wakes]}],
    Others = [Case || Case <- cases(?MODULE), not lists:member(Case, [all, groups | lists:append([Cases || {_, Cases} <- Special])])],
    [{Push, [], Cases} || {Push, Cases} <- [{mentions, Others} | Special]].

init_per_group(Push, Config) ->
    [Port] = mmx_server:free_ports(1),
    Options = (beside_plain(#{push => Push}))#{
        listen => [mmx_component:listener(Port, ?PUSH)],
        modules => #{mod_push => #{include_body => true, include_sender => true}},
        pubsub => true
    },
    [{server, mmx_server:start(Options)}, {port, Port} | Config].

end_per_group(_Push, Config) ->
    mmx_server:stop(?config(server, Config)).

init_per_testcase(_Case, Config) ->
    [{app_server, mmx_component:start(?config(server, Config), ?config(port, Config), ?PUSH)} | Config].

end_per_testcase(_Case, Config) ->
    Component = ?config(app_server, Config),
    ok = mmx_component:stop(Component),
    IsGone = fun() -> not lists:member(?PUSH, mmx_server:rpc(?config(server, Config), ejabberd_router, get_all_routes, [])) end,
    mmx_server:wait_until("the app server is gone", IsGone).

%% bob in a room, and alice with a phone that has push and a desk, which do not wait for what they lose.
with_phone(Config, Fun) ->
    with(Config, "alice/phone", Fun).

%% The same with a phone that the server waits for.
with_waiting_phone(Config, Fun) ->
    with(Config, {"alice/phone", #{sm => 300}}, Fun).

with(Config, Phone, Fun) ->
    story(Config, ["bob/desk", Phone, "alice/desk"], fun(Room, Bob, Phone1, Desk) ->
        ok = enter(Room, [{Bob, <<"bob">>}, {Phone1, <<"alice">>}, {Desk, <<"alice">>}]),
        ok = enable(Phone1, <<"phone">>),
        Fun(Room, Bob, Phone1, Desk)
    end).

enable(Client, Node) ->
    Enable = el(enable, [{xmlns, <<"urn:xmpp:push:0">>}, {jid, ?PUSH}, {node, Node}]),
    ?assertEqual(<<"result">>, type(request(Client, iq(none, set, [Enable])))),
    ok.

%% The session ends, and the account stays in the room.
goes(Config, Client) ->
    Pid = mmx_server:c2s_pid(?config(server, Config), jid(Client)),
    ok = close(Client),
    gone(Config, Pid).

next(Config) ->
    mmx_component:next(?config(app_server, Config)).

%% Of all that is said, this wakes, on this device, and nothing before it has.
wakes(Config, Room, Bob, Text) ->
    ok = say(Bob, Room, Text),
    ?assertEqual({<<"phone">>, Text}, next(Config)).

tells(Bob, Room, Text) ->
    told(Bob, Room, Text, []).

%% B22.159 (XEP-0357 §5)
who_is_named_is_woken_once(Config) ->
    with_phone(Config, fun(Room, Bob, Phone, Desk) ->
        ok = goes(Config, Phone),
        ok = goes(Config, Desk),
        ok = tells(Bob, Room, <<"malice">>),
        wakes(Config, Room, Bob, <<"hello Alice!">>),
        ok = tells(Bob, Room, <<"nobody in particular">>),
        wakes(Config, Room, Bob, <<"ALICE?">>),
        ?assertEqual([], mmx_component:notified(?config(app_server, Config)))
    end).

%% B22.159, B22.160 (XEP-0357 §5)
all_that_is_said_wakes(Config) ->
    with_phone(Config, fun(Room, Bob, Phone, Desk) ->
        ok = goes(Config, Phone),
        ok = goes(Config, Desk),
        ok = send(Bob, message(Room, groupchat, [el(composing, [{xmlns, <<"http://jabber.org/protocol/chatstates">>}])])),
        ok = subject(Bob, Room, <<"tea">>),
        wakes(Config, Room, Bob, <<"one">>),
        wakes(Config, Room, Bob, <<"two">>)
    end).

%% B22.159 (XEP-0357 §5)
nothing_that_is_said_wakes(Config) ->
    with_phone(Config, fun(Room, Bob, Phone, Desk) ->
        ok = goes(Config, Phone),
        ok = goes(Config, Desk),
        ok = tells(Bob, Room, <<"alice!">>),
        ok = settle(Room, [Bob]),
        %% What is said in private is another matter.
        ok = whisper(Bob, Room, <<"alice">>, <<"psst">>),
        ?assertEqual({<<"phone">>, <<"psst">>}, next(Config))
    end).

%% B22.159 (XEP-0357 §5)
while_a_session_reads_nobody_is_woken(Config) ->
    with_phone(Config, fun(Room, Bob, Phone, Desk) ->
        ok = goes(Config, Phone),
        told(Bob, Room, <<"alice, you are here">>, [Desk]),
        ok = goes(Config, Desk),
        wakes(Config, Room, Bob, <<"alice, you are not">>)
    end).

%% B22.159 (XEP-0198 §5, XEP-0357 §5)
a_stream_that_waits_is_woken_for_what_names_the_person(Config) ->
    with_waiting_phone(Config, fun(Room, Bob, Phone, Desk) ->
        ok = goes(Config, Desk),
        ok = acknowledge(Phone),
        _ = lose(Config, Phone),
        ok = tells(Bob, Room, <<"nobody in particular">>),
        wakes(Config, Room, Bob, <<"alice!">>),
        ok = tells(Bob, Room, <<"nobody in particular">>),
        wakes(Config, Room, Bob, <<"alice?">>),
        ok = resume(Phone),
        Said = [<<"nobody in particular">>, <<"alice!">>, <<"nobody in particular">>, <<"alice?">>],
        [hears(Phone, <<Room/binary, "/bob">>, Text) || Text <- Said]
    end).

%% B22.160 (XEP-0198 §5, XEP-0357 §5)
presences_do_not_wake_a_stream_that_waits(Config) ->
    with_waiting_phone(Config, fun(Room, Bob, Phone, Desk) ->
        ok = goes(Config, Desk),
        ok = acknowledge(Phone),
        _ = lose(Config, Phone),
        ok = send(Bob, presence(<<Room/binary, "/bob">>, [el(show, [], [<<"away">>])])),
        Carol = connect(?config(server, Config), <<(mmx_server:fresh(?config(server, Config), "carol"))/binary, "/desk">>),
        _ = join(Carol, Room, <<"carol">>),
        _ = leave(Carol, Room),
        wakes(Config, Room, Bob, <<"alice!">>),
        mmx_client:abandon(Carol)
    end).

%% B22.159 (XEP-0198 §5: what the client has got and not acknowledged it may as well not have got)
what_was_not_acknowledged_wakes_if_it_names_the_person(Config) ->
    with(Config, {"alice/phone", #{sm => 300, acks => false}}, fun(Room, Bob, Phone, Desk) ->
        ok = goes(Config, Desk),
        _ = sync(Phone),
        ok = acknowledge(Phone),
        told(Bob, Room, <<"nobody in particular">>, [Phone]),
        _ = lose(Config, Phone),
        wakes(Config, Room, Bob, <<"alice, the first">>),
        ok = resume(Phone),
        %% What it has read the client tells the server on coming back.
        _ = hears(Phone, <<Room/binary, "/bob">>, <<"alice, the first">>),
        ok = acknowledge(Phone),
        told(Bob, Room, <<"alice, the second">>, [Phone]),
        told(Bob, Room, <<"nobody in particular">>, [Phone]),
        _ = lose(Config, Phone),
        ?assertEqual({<<"phone">>, <<"alice, the second">>}, next(Config)),
        wakes(Config, Room, Bob, <<"alice, the third">>)
    end).

%% B22.159 (XEP-0357 §5)
every_device_is_woken_once(Config) ->
    with_waiting_phone(Config, fun(Room, Bob, Phone, Desk) ->
        ok = enable(Desk, <<"desk">>),
        ok = goes(Config, Desk),
        ok = acknowledge(Phone),
        _ = lose(Config, Phone),
        ok = say(Bob, Room, <<"alice, one">>),
        ?assertEqual([{<<"desk">>, <<"alice, one">>}, {<<"phone">>, <<"alice, one">>}], lists:sort([next(Config), next(Config)])),
        ok = say(Bob, Room, <<"alice, two">>),
        ?assertEqual([{<<"desk">>, <<"alice, two">>}, {<<"phone">>, <<"alice, two">>}], lists:sort([next(Config), next(Config)]))
    end).

%% B22.159 (XEP-0198 §5)
a_stream_that_came_back_is_not_woken(Config) ->
    with_waiting_phone(Config, fun(Room, Bob, Phone, Desk) ->
        ok = goes(Config, Desk),
        ok = acknowledge(Phone),
        _ = lose(Config, Phone),
        wakes(Config, Room, Bob, <<"alice, come">>),
        ok = resume(Phone),
        _ = hears(Phone, <<Room/binary, "/bob">>, <<"alice, come">>),
        told(Bob, Room, <<"alice, welcome">>, [Phone]),
        ok = acknowledge(Phone),
        _ = lose(Config, Phone),
        wakes(Config, Room, Bob, <<"alice, once more">>)
    end).

%% B16.109 (XEP-0357 §5)
private_messages_wake_as_ever(Config) ->
    with_phone(Config, fun(Room, Bob, Phone, Desk) ->
        ok = goes(Config, Phone),
        ok = goes(Config, Desk),
        ok = whisper(Bob, Room, <<"alice">>, <<"psst">>),
        ?assertEqual({<<"phone">>, <<"psst">>}, next(Config)),
        wakes(Config, Room, Bob, <<"alice!">>)
    end).

%% B22.159 (XEP-0198 §5, XEP-0357 §5)
what_contacts_say_wakes_a_stream_that_waits_as_ever(Config) ->
    with_waiting_phone(Config, fun(Room, Bob, Phone, Desk) ->
        ok = goes(Config, Desk),
        ok = acknowledge(Phone),
        _ = lose(Config, Phone),
        ok = send(Bob, message(jid(Phone), chat, [el(body, [], [<<"hello">>])])),
        ?assertEqual({<<"phone">>, <<"hello">>}, next(Config)),
        wakes(Config, Room, Bob, <<"alice!">>)
    end).

%% B22.159 (XEP-0492 §3.1)
a_bookmark_says_what_wakes(Config) ->
    with_phone(Config, fun(Room, Bob, Phone, Desk) ->
        ok = bookmark(Phone, Room, [el(never, [])]),
        Other = mmx_server:fresh_room(?config(server, Config)),
        _ = join(Bob, Other, <<"bob">>),
        _ = join(Phone, Other, <<"alice">>),
        %% What counts for a kind of device only that can know.
        ok = bookmark(Phone, Other, [el(never, [{'identity-category', <<"client">>}, {'identity-type', <<"pc">>}]), el(always, [])]),
        ok = goes(Config, Phone),
        ok = goes(Config, Desk),
        ok = tells(Bob, Room, <<"alice!">>),
        ok = settle(Room, [Bob]),
        wakes(Config, Other, Bob, <<"anything">>),
        wakes(Config, Other, Bob, <<"anything else">>)
    end).

bookmark(Client, Room, Settings) ->
    Notify = el(notify, [{xmlns, <<"urn:xmpp:notification-settings:1">>}], Settings),
    Conference = el(conference, [{xmlns, <<"urn:xmpp:bookmarks:1">>}, {autojoin, <<"true">>}],
        [el(nick, [], [<<"alice">>]), el(extensions, [], [Notify])]),
    ok = mmx_bookmarks:publish(Client, Room, Conference),
    mmx_bookmarks:sync(mmx_client:server(Client)).
