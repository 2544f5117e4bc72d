%% What is said in rooms is in the account's own archive, once, in each kind of database.
-module(archiving_SUITE).

-export([all/0, groups/0, init_per_group/2, end_per_group/2, init_per_testcase/2, end_per_testcase/2]).
-export([
    a_message_is_archived_once_for_all_sessions/1,
    without_any_session_it_is_archived_too/1,
    the_own_message_is_archived_when_it_comes_back/1,
    a_refused_message_is_not_archived/1,
    private_messages_are_archived_once_in_each_direction/1,
    what_a_room_repeats_is_not_archived_again/1,
    what_a_room_repeats_under_another_id_is_not_archived_again/1,
    what_was_said_while_the_server_was_down_is_archived/1,
    who_wants_nothing_archived_gets_nothing/1,
    single_rooms_can_be_left_out/1,
    only_contacts_means_that_rooms_are_left_out/1,
    hints_are_obeyed/1,
    what_the_person_has_blocked_is_not_archived/1,
    what_is_said_again_without_an_id_is_archived_again/1,
    addresses_of_occupants_are_not_archived/1,
    a_forged_id_is_taken_off/1,
    the_account_says_what_its_archive_can_do/1
]).

-include("support/mmx.hrl").

-import(mmx_archive, [groupchat/1, query/2, ids/2, own_id/2, room_id/2, prefer/2]).

-define(HINTS, <<"urn:xmpp:hints">>).

all() ->
    [{group, Kind} || {Kind, _, _} <- groups()].

groups() ->
    [{Kind, [], [Case || Case <- cases(?MODULE), not lists:member(Case, [all, groups])]} || Kind <- [sqlite, pgsql]].

%% With an archive of its own a room tells in its history what it called a message when it was live.
init_per_group(Kind, Config) ->
    Options = (beside_plain(#{}))#{room => #{mam => true}, modules => #{mod_muc_occupantid => #{}}},
    Keeper = mmx_keeper:start(Kind, fun(Database) -> mmx_archive:options(Database, Options) end),
    [{keeper, Keeper} | Config].

end_per_group(_Kind, Config) ->
    mmx_keeper:stop(?config(keeper, Config)).

init_per_testcase(_Case, Config) ->
    [{server, mmx_keeper:server(?config(keeper, Config))} | Config].

end_per_testcase(_Case, _Config) ->
    ok.

texts(Client) ->
    bodies(groupchat(Client)).

%% B21.147, B21.148, B21.149 (XEP-0313 §6.1.1, §6.1.2, XEP-0359 §3)
a_message_is_archived_once_for_all_sessions(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ok = say(Bob, Room, <<"hello">>),
        [OnPhone, OnDesk] = [hears(Session, <<Room/binary, "/bob">>, <<"hello">>) || Session <- [Phone, Desk]],
        [Archived] = groupchat(Phone),
        ?assertEqual(<<Room/binary, "/bob">>, from(Archived)),
        ?assertEqual(<<"hello">>, body(Archived)),
        ?assertEqual([own_id(OnPhone, Phone)], ids(Archived, account(Phone))),
        ?assertEqual(own_id(OnPhone, Phone), own_id(OnDesk, Phone)),
        ?assertEqual(room_id(OnPhone, Room), room_id(Archived, Room)),
        OccupantId = attr(child(OnPhone, 'occupant-id'), id),
        ?assertEqual(OccupantId, attr(child(Archived, 'occupant-id'), id)),
        {[{Id, _}], _} = query(Desk, [{<<"include-groupchat">>, <<"true">>}]),
        ?assertEqual(own_id(OnPhone, Phone), Id)
    end).

%% B21.147, B21.158, B15.107 (XEP-0313 §6.1.1, XEP-0160 §3)
without_any_session_it_is_archived_too(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        [Pid, _] = [mmx_server:c2s_pid(?config(server, Config), jid(Session)) || Session <- [Phone, Desk]],
        ok = close(Phone),
        ok = close(Desk),
        ok = gone(Config, Pid),
        told(Bob, Room, <<"anybody?">>, [Bob]),
        Again = connect(?config(server, Config), <<(alice_of(Config, Room))/binary, "/tablet">>),
        ?assertEqual([], [Stanza || Stanza <- sync(Again), type(Stanza) =:= <<"groupchat">>]),
        ?assertEqual([<<"anybody?">>], texts(Again)),
        mmx_client:abandon(Again)
    end).

alice_of(Config, Room) ->
    [Account] = [Jid || {<<"alice">>, Jid} <- in_room(Config, Room)],
    hd(binary:split(Account, <<"@">>)).

%% B21.153, B15.96 (XEP-0313 §6.1)
the_own_message_is_archived_when_it_comes_back(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Said = message(Room, groupchat, [el(body, [], [<<"mine">>])]),
        paused(Config, Room, fun() ->
            ok = send(Phone, Said),
            _ = sync(Phone),
            ?assertEqual([], texts(Desk))
        end),
        [hears(Session, <<Room/binary, "/alice">>, <<"mine">>) || Session <- [Phone, Desk, Bob]],
        [Archived] = groupchat(Desk),
        ?assertEqual(attr(Said, id), attr(Archived, id)),
        ?assertEqual(<<Room/binary, "/alice">>, from(Archived))
    end).

%% B21.153, B15.98 (XEP-0313 §6.1)
a_refused_message_is_not_archived(Config) ->
    with_two(Config, fun(Room, Bob, Phone, _Desk) ->
        ok = room_option(Config, Room, <<"moderated">>, <<"true">>),
        _ = set_role(Bob, Room, <<"alice">>, visitor),
        ok = settle(Room, [Bob, Phone]),
        _ = queued(Phone),
        ok = say(Phone, Room, <<"may I?">>),
        ?assertEqual(<<"forbidden">>, error_condition(take(Phone, fun(Stanza) -> type(Stanza) =:= <<"error">> end))),
        ?assertEqual([], texts(Phone))
    end).

%% B21.147, B16.112 (XEP-0313 §6.1, XEP-0045 §7.5)
private_messages_are_archived_once_in_each_direction(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ok = whisper(Bob, Room, <<"alice">>, <<"psst">>),
        [hears(Session, <<Room/binary, "/bob">>, <<"psst">>) || Session <- [Phone, Desk]],
        ok = whisper(Phone, Room, <<"bob">>, <<"what?">>),
        _ = hears(Bob, <<Room/binary, "/alice">>, <<"what?">>),
        {Plain, #{count := 2}} = query(Desk, []),
        ?assertEqual([<<"psst">>, <<"what?">>], bodies([Message || {_, Message} <- Plain])),
        ?assertEqual([], texts(Phone))
    end).

%% B21.154 (XEP-0313 §6.1)
what_a_room_repeats_is_not_archived_again(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        told(Bob, Room, <<"one">>, [Bob, Phone, Desk]),
        told(Phone, Room, <<"two">>, [Bob, Phone, Desk]),
        _ = leave(Desk, Room),
        _ = leave(Phone, Room),
        _ = join(Phone, Room, <<"alice">>),
        _ = join(Desk, Room, <<"alice">>),
        told(Bob, Room, <<"three">>, [Phone, Desk]),
        ?assertEqual([<<"one">>, <<"two">>, <<"three">>], texts(Phone))
    end).

%% B21.154 (XEP-0313 §6.1; rooms of ejabberd without an archive have no lasting ids)
what_a_room_repeats_under_another_id_is_not_archived_again(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ok = room_option(Config, Room, <<"mam">>, <<"false">>),
        ok = settle(Room, [Bob, Phone, Desk]),
        _ = [queued(Client) || Client <- [Bob, Phone, Desk]],
        told(Bob, Room, <<"one">>, [Bob, Phone, Desk]),
        told(Bob, Room, <<"one">>, [Bob, Phone, Desk]),
        _ = leave(Desk, Room),
        _ = leave(Phone, Room),
        _ = join(Phone, Room, <<"alice">>),
        ?assertEqual([<<"one">>, <<"one">>], texts(Phone))
    end).

%% B21.154, B23.165 (XEP-0313 §6.1)
what_was_said_while_the_server_was_down_is_archived(Config) ->
    Server = ?config(server, Config),
    Room = mmx_server:fresh_room(Server),
    [Alice, Bob] = [mmx_server:fresh(Server, Name) || Name <- ["alice", "bob"]],
    [OfBob, Phone] = [connect(Server, <<Who/binary, "/phone">>) || Who <- [Bob, Alice]],
    _ = join(OfBob, Room, <<"bob">>),
    <<"result">> = type(configure(OfBob, Room, #{<<"muc#roomconfig_persistentroom">> => <<"1">>, <<"mam">> => <<"1">>})),
    _ = join(Phone, Room, <<"alice">>),
    told(OfBob, Room, <<"before">>, [Phone]),
    ok = mmx_archive:flush(Server),
    ok = mmx_server:rpc(Server, mnesia, sync_log, []),
    Again = mmx_keeper:again(?config(keeper, Config), crash),
    Account = account_of(Again, Alice),
    mmx_server:wait_until("alice is back", fun() -> [Jid || {_, Jid} <- mmx_server:room_occupants(Again, Room), Jid =:= Account] =/= [] end),
    Tablet = connect(Again, <<Alice/binary, "/tablet">>),
    _ = join(Tablet, Room, <<"alice">>),
    ok = say(Tablet, Room, <<"after">>),
    _ = take(Tablet, fun(Stanza) -> body(Stanza) =:= <<"after">> end),
    ?assertEqual([<<"before">>, <<"after">>], texts(Tablet)),
    mmx_client:abandon(Tablet).

account_of(Server, User) ->
    <<User/binary, "@", (mmx_server:host(Server))/binary>>.

%% B21.155 (XEP-0441 §3)
who_wants_nothing_archived_gets_nothing(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        told(Bob, Room, <<"one">>, [Phone, Desk]),
        ok = mmx_archive:flush(?config(server, Config)),
        ok = prefer(Phone, {never, [], []}),
        %% What is wanted is asked with the first message.
        told(Bob, Room, <<"two">>, [Phone, Desk]),
        ok = mmx_archive:flush(?config(server, Config)),
        ok = say(Bob, Room, <<"three">>),
        Third = hears(Phone, <<Room/binary, "/bob">>, <<"three">>),
        ?assertEqual([], ids(Third, account(Phone))),
        ok = prefer(Phone, {always, [], []}),
        told(Bob, Room, <<"four">>, [Phone]),
        ?assertEqual([<<"one">>, <<"four">>], texts(Phone))
    end).

%% B21.155 (XEP-0441 §3)
single_rooms_can_be_left_out(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ok = prefer(Phone, {always, [], [Room]}),
        told(Bob, Room, <<"one">>, [Phone, Desk]),
        ?assertEqual([], texts(Phone)),
        ok = prefer(Phone, {never, [Room], []}),
        told(Bob, Room, <<"two">>, [Phone, Desk]),
        ?assertEqual([<<"two">>], texts(Phone))
    end).

%% B21.155 (XEP-0441 §3)
only_contacts_means_that_rooms_are_left_out(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ok = prefer(Phone, {roster, [], []}),
        told(Bob, Room, <<"one">>, [Phone, Desk]),
        ?assertEqual([], texts(Phone))
    end).

%% B21.156 (XEP-0334 §4)
hints_are_obeyed(Config) ->
    with_two(Config, fun(Room, Bob, Phone, _Desk) ->
        Hinted = fun(Text, Hint) -> message(Room, groupchat, [el(body, [], [Text]), el(Hint, [{xmlns, ?HINTS}])]) end,
        ok = send(Bob, Hinted(<<"one">>, 'no-store')),
        ok = send(Bob, Hinted(<<"two">>, 'no-permanent-store')),
        ok = send(Bob, message(Room, groupchat, [el(composing, [{xmlns, <<"http://jabber.org/protocol/chatstates">>}])])),
        ok = send(Bob, message(Room, groupchat, [el(note, [{xmlns, <<"urn:example:note">>}]), el(store, [{xmlns, ?HINTS}])])),
        _ = take(Phone, fun(Stanza) -> child(Stanza, note) =/= undefined end),
        [Noted] = groupchat(Phone),
        ?assertNotEqual(undefined, child(Noted, note))
    end).

%% B21.150 (XEP-0191 §5)
what_the_person_has_blocked_is_not_archived(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Carol = connect(?config(server, Config), <<(mmx_server:fresh(?config(server, Config), "carol"))/binary, "/desk">>),
        _ = join(Carol, Room, <<"carol">>),
        ok = settle(Room, [Bob, Phone, Desk, Carol]),
        Item = el(item, [{jid, <<Room/binary, "/bob">>}]),
        <<"result">> = type(request(Phone, iq(none, set, [el(block, [{xmlns, <<"urn:xmpp:blocking">>}], [Item])]))),
        told(Bob, Room, <<"blocked">>, [Bob, Carol]),
        told(Carol, Room, <<"wanted">>, [Bob, Carol]),
        _ = take(Phone, fun(Stanza) -> body(Stanza) =:= <<"wanted">> end),
        ?assertEqual([<<"wanted">>], texts(Phone)),
        mmx_client:abandon(Carol)
    end).

%% B21.147, B21.148 (XEP-0313 §6.1)
what_is_said_again_without_an_id_is_archived_again(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Message = message(Room, groupchat, [el(body, [], [<<"+1">>])]),
        WithoutId = Message#xmlel{attrs = lists:keydelete(<<"id">>, 1, Message#xmlel.attrs)},
        ok = send(Bob, WithoutId),
        _ = take(Phone, fun(Stanza) -> body(Stanza) =:= <<"+1">> end),
        ok = mmx_archive:flush(?config(server, Config)),
        [_ = leave(Session, Room) || Session <- [Desk, Phone]],
        [ok = send(Bob, WithoutId) || _ <- [1, 2]],
        _ = sync(Bob, Room),
        _ = join(Phone, Room, <<"alice">>),
        ?assertEqual([<<"+1">>, <<"+1">>, <<"+1">>], texts(Phone))
    end).

%% B21.149 (XEP-0313 §8.4)
addresses_of_occupants_are_not_archived(Config) ->
    with_two(Config, fun(Room, Bob, Phone, _Desk) ->
        Item = el(x, [{xmlns, ?NS_MUC_USER}], [el(item, [{jid, jid(Bob)}, {role, moderator}])]),
        Known = el(note, [{xmlns, <<"urn:example:note">>}]),
        Element = message(account(Phone), groupchat, [el(body, [], [<<"spy">>]), Item, Known]),
        Stanza = Element#xmlel{attrs = [{<<"from">>, <<Room/binary, "/bob">>} | Element#xmlel.attrs]},
        ok = route(Config, Stanza),
        _ = take(Phone, fun(Heard) -> body(Heard) =:= <<"spy">> end),
        [Archived] = groupchat(Phone),
        ?assertEqual(undefined, item(Archived)),
        ?assertNotEqual(undefined, child(Archived, note))
    end).

%% B21.148 (XEP-0359 §6)
a_forged_id_is_taken_off(Config) ->
    with_two(Config, fun(Room, _Bob, Phone, _Desk) ->
        Forged = el('stanza-id', [{xmlns, <<"urn:xmpp:sid:0">>}, {by, account(Phone)}, {id, <<"forged">>}]),
        Element = message(account(Phone), groupchat, [el(body, [], [<<"odd">>]), Forged]),
        ok = route(Config, Element#xmlel{attrs = [{<<"from">>, <<Room/binary, "/bob">>} | Element#xmlel.attrs]}),
        Heard = take(Phone, fun(Stanza) -> body(Stanza) =:= <<"odd">> end),
        [Archived] = groupchat(Phone),
        ?assertNotEqual(<<"forged">>, own_id(Heard, Phone)),
        ?assertEqual(own_id(Heard, Phone), own_id(Archived, Phone))
    end).

%% As if it came from a room on another server.
route(Config, Element) ->
    Server = ?config(server, Config),
    Stanza = mmx_server:rpc(Server, xmpp, decode, [Element, <<"jabber:client">>, [ignore_els]]),
    mmx_server:rpc(Server, ejabberd_router, route, [Stanza]).

%% B21.150, B21.152 (XEP-0313 §4.1.5, §7)
the_account_says_what_its_archive_can_do(Config) ->
    story(Config, ["alice/phone", "dora/phone"], fun(_Room, Phone, Dora) ->
        Info = fun(Client) ->
            Answer = request(Client, iq(account(Phone), get, [el(query, [{xmlns, ?NS_DISCO_INFO}])])),
            [attr(Feature, var) || Query <- children(Answer, 'query'), Feature <- children(Query, feature)]
        end,
        Ours = [<<"urn:xmpp:mam:2#groupchat-field">>, <<"urn:xmpp:mam:2#groupchat-available">>],
        ?assertEqual(Ours, [Feature || Feature <- Ours, lists:member(Feature, Info(Phone))]),
        ?assertEqual([], [Feature || Feature <- Ours, lists:member(Feature, Info(Dora))]),
        Form = request(Phone, iq(none, get, [el(query, [{xmlns, <<"urn:xmpp:mam:2">>}])])),
        Fields = [attr(Field, var) || Field <- children(child(child(Form, 'query'), x), field)],
        ?assert(lists:member(<<"include-groupchat">>, Fields)),
        ?assert(lists:member(<<"with">>, Fields))
    end).
