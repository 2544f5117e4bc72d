%% Bookmarks are followed, whoever changes them and wherever they are kept.
-module(bookmarks_SUITE).

-export([all/0, groups/0, init_per_suite/1, end_per_suite/1, init_per_group/2, end_per_group/2]).
-export([
    a_bookmark_says_whether_and_how_to_join/1,
    changes_come_in_their_order/1,
    a_retracted_bookmark_is_gone/1,
    another_id_of_the_room_counts_on/1,
    a_purged_node_is_a_retract_of_each/1,
    a_deleted_node_is_a_retract_of_each/1,
    what_names_no_room_is_ignored/1,
    what_is_no_bookmark_is_none/1,
    a_nick_that_cannot_be_is_none/1,
    other_nodes_and_services_are_ignored/1,
    what_an_admin_publishes_is_followed/1,
    private_storage_is_followed/1,
    legacy_pep_bookmarks_are_followed/1,
    the_first_session_brings_all_bookmarks/1,
    bookmarks_that_went_unnoticed_are_gone/1,
    legacy_bookmarks_are_read_before_they_are_converted/1,
    a_removed_account_has_no_bookmarks/1
]).

-include("support/mmx.hrl").

-import(mmx_bookmarks, [
    conference/2, publish/3, publish/4, retract/2, purge/1, delete/1, told/1, knows/2, storage/1, set_private/2, set_legacy/2
]).

-define(NS_PUBSUB, <<"http://jabber.org/protocol/pubsub">>).
-define(NODE, <<"urn:xmpp:bookmarks:1">>).
-define(ROOM, <<"room@rooms.example">>).
-define(OTHER, <<"other@rooms.example">>).

all() ->
    [{group, mnesia}, {group, sqlite}].

groups() ->
    [{Group, cases(?MODULE)} || Group <- [mnesia, sqlite]].

init_per_suite(Config) -> Config.
end_per_suite(_Config) -> ok.

init_per_group(Group, Config) ->
    mmx_bookmarks:start(Group, Config).

end_per_group(_Group, Config) ->
    mmx_server:stop(?config(server, Config)).

%% B20.139 (XEP-0402 §2, §3.2)
a_bookmark_says_whether_and_how_to_join(Config) ->
    Alice = alice(Config),
    Full = [el(nick, [], [<<"Alice">>]), el(password, [], [<<"open sesame">>])],
    ok = publish(Alice, ?ROOM, conference([{name, <<"A room">>}, {autojoin, <<"true">>}], Full)),
    ok = publish(Alice, ?ROOM, conference([{autojoin, <<"1">>}], [])),
    ok = publish(Alice, ?ROOM, conference([{autojoin, <<"false">>}], [])),
    ok = publish(Alice, ?ROOM, conference([], [])),
    ?assertEqual(
        [
            {?ROOM, #{autojoin => true, nick => <<"Alice">>, password => <<"open sesame">>, notify => none}},
            {?ROOM, autojoin(true)},
            {?ROOM, autojoin(false)},
            {?ROOM, autojoin(false)}
        ],
        told(Alice)
    ).

%% B20.139, B20.140 (XEP-0402 §4)
changes_come_in_their_order(Config) ->
    Alice = alice(Config),
    Switches = [N rem 3 =:= 0 || N <- lists:seq(1, 30)],
    [ok = publish(Alice, ?ROOM, conference([{autojoin, atom_to_binary(Switch)}], [])) || Switch <- Switches],
    ?assertEqual([{?ROOM, autojoin(Switch)} || Switch <- Switches], told(Alice)).

%% B20.140, B20.144 (XEP-0402 §3.4: an id is a JID, which may be written in capitals)
another_id_of_the_room_counts_on(Config) ->
    Alice = alice(Config),
    Capitals = string:uppercase(?ROOM),
    [ok = publish(Alice, Id, conference([{autojoin, <<"true">>}], [])) || Id <- [?ROOM, Capitals]],
    ok = retract(Alice, Capitals),
    ok = retract(Alice, ?ROOM),
    ?assertMatch([{?ROOM, none}, {?ROOM, #{autojoin := true}} | _], lists:reverse(told(Alice))).

%% B20.140 (XEP-0402 §3.4, §4)
a_retracted_bookmark_is_gone(Config) ->
    Alice = alice(Config),
    ok = publish(Alice, ?ROOM, autojoining([])),
    ok = publish(Alice, ?OTHER, autojoining([])),
    ok = retract(Alice, ?ROOM),
    ?assertEqual([{?ROOM, autojoin(true)}, {?OTHER, autojoin(true)}, {?ROOM, none}], told(Alice)).

%% B20.146 (XEP-0060 §8.5)
a_purged_node_is_a_retract_of_each(Config) ->
    Alice = alice(Config),
    [ok = publish(Alice, Room, autojoining([])) || Room <- [?ROOM, ?OTHER]],
    ok = knows(Alice, [?ROOM, ?OTHER]),
    _ = told(Alice),
    ok = purge(Alice),
    ?assertEqual([{?OTHER, none}, {?ROOM, none}], lists:sort(told(Alice))).

%% B20.146 (XEP-0060 §8.4)
a_deleted_node_is_a_retract_of_each(Config) ->
    Alice = alice(Config),
    [ok = publish(Alice, Room, autojoining([])) || Room <- [?ROOM, ?OTHER]],
    ok = knows(Alice, [?ROOM, ?OTHER]),
    _ = told(Alice),
    ok = delete(Alice),
    ?assertEqual([{?OTHER, none}, {?ROOM, none}], lists:sort(told(Alice))).

%% B20.144 (XEP-0402 §2)
what_names_no_room_is_ignored(Config) ->
    Alice = alice(Config),
    Ids = [
        <<"room@rooms.example/nick">>, <<"rooms.example">>, <<"@rooms.example">>, <<"not/a@jid@x">>, <<" ">>, <<"current">>,
        account(Alice), <<"bob@", (mmx_server:host(?config(server, Config)))/binary>>, binary:copy(<<"x">>, 3000)
    ],
    [ok = publish(Alice, Id, autojoining([])) || Id <- Ids],
    [ok = retract(Alice, Id) || Id <- Ids],
    ok = publish(Alice, <<"Room@Rooms.Example">>, autojoining([])),
    ?assertEqual([{?ROOM, autojoin(true)}], told(Alice)),
    is_content(Config).

%% B20.144 (XEP-0402 §2)
what_is_no_bookmark_is_none(Config) ->
    Alice = alice(Config),
    Foreign = [el(conference, [{xmlns, <<"storage:bookmarks">>}, {autojoin, <<"true">>}]), el(note, [{xmlns, <<"urn:x">>}])],
    [ok = publish(Alice, ?ROOM, Payload) || Payload <- Foreign],
    ?assertEqual([{?ROOM, none}, {?ROOM, none}], told(Alice)),
    is_content(Config).

%% B20.139 (XEP-0402 §2, RFC 7622 §3.4)
a_nick_that_cannot_be_is_none(Config) ->
    Alice = alice(Config),
    Foreign = el(nick, [{xmlns, <<"http://jabber.org/protocol/nick">>}], [<<"else">>]),
    Children = [
        [el(nick, [], [binary:copy(<<"x">>, 2000)])], [el(nick, [], [<<16#E000/utf8>>])], [el(nick, [])], [Foreign],
        [el(extensions, [], [el(nick, [], [<<"inner">>])])]
    ],
    [ok = publish(Alice, ?ROOM, autojoining(Some)) || Some <- Children],
    ok = publish(Alice, ?ROOM, autojoining([el(nick, [], [<<"ﬀ"/utf8>>])])),
    None = {?ROOM, autojoin(true)},
    ?assertEqual([None, None, None, None, None, {?ROOM, (autojoin(true))#{nick => <<"ff">>}}], told(Alice)),
    is_content(Config).

%% B20.142
other_nodes_and_services_are_ignored(Config) ->
    Server = ?config(server, Config),
    Alice = alice(Config),
    Service = <<"pubsub.", (mmx_server:host(Server))/binary>>,
    Item = el(item, [{id, ?ROOM}], [autojoining([])]),
    [
        ?assertEqual(<<"result">>, type(request(Alice, iq(Service, set, [el(pubsub, [{xmlns, ?NS_PUBSUB}], [Request])]))))
     || Request <- [el(create, [{node, ?NODE}]), el(publish, [{node, ?NODE}], [Item])]
    ],
    ok = publish(Alice, <<"urn:xmpp:other">>, ?ROOM, autojoining([])),
    ?assertEqual([], told(Alice)).

%% B20.139 (no client of the account is there)
what_an_admin_publishes_is_followed(Config) ->
    Server = ?config(server, Config),
    Account = <<(mmx_server:fresh(Server, "alice"))/binary, "@", (mmx_server:host(Server))/binary>>,
    ok = mmx_bookmarks:publish_within(Server, Account, ?ROOM, autojoining([])),
    ?assertEqual([{?ROOM, autojoin(true)}], mmx_bookmarks:told_of(Server, Account)).

%% B20.142, B20.143 (XEP-0049, XEP-0048, XEP-0411)
private_storage_is_followed(Config) ->
    legacy(Config, fun mmx_bookmarks:set_private/2).

%% B20.142, B20.143 (XEP-0048 §3, XEP-0411)
legacy_pep_bookmarks_are_followed(Config) ->
    legacy(Config, fun mmx_bookmarks:set_legacy/2).

legacy(Config, Set) ->
    Alice = alice(Config),
    ok = Set(Alice, storage([{?ROOM, [{autojoin, <<"true">>}], [el(nick, [], [<<"Alice">>])]}, {?OTHER, [], []}])),
    ?assertEqual(
        [{?OTHER, autojoin(false)}, {?ROOM, (autojoin(true))#{nick => <<"Alice">>}}], lists:sort(told(Alice))
    ),
    ok = Set(Alice, storage([{?ROOM, [{autojoin, <<"false">>}], [el(nick, [], [<<"Alice">>])]}, {?OTHER, [], []}])),
    ?assertEqual([{?ROOM, (autojoin(false))#{nick => <<"Alice">>}}], told(Alice)),
    ok = Set(Alice, storage([{?OTHER, [], []}])),
    ?assertEqual([{?ROOM, none}], told(Alice)),
    ok = publish(Alice, ?ROOM, autojoining([])),
    ?assertEqual([{?ROOM, autojoin(true)}], told(Alice)).

%% B20.139, B20.145 (XEP-0402 §3.2)
the_first_session_brings_all_bookmarks(Config) ->
    Alice = alice(Config),
    [ok = publish(Alice, Room, autojoining([])) || Room <- [?ROOM, ?OTHER]],
    ok = publish(Alice, <<"no room">>, autojoining([])),
    _ = told(Alice),

    Second = another(Config, Alice, "second", true),
    ?assertEqual([], told(Second)),
    send(Alice, presence(none, [el(show, [], [<<"away">>])])),
    ?assertEqual([], told(Alice)),

    [going_offline(Session) || Session <- [Alice, Second]],
    Third = another(Config, Alice, "third", false),
    ?assertEqual([], told(Third)),
    send(Third, presence(none, [])),
    ?assertEqual([{?OTHER, autojoin(true)}, {?ROOM, autojoin(true)}], told(Third)).

%% B20.140, B20.146
bookmarks_that_went_unnoticed_are_gone(Config) ->
    Alice = alice(Config),
    ok = publish(Alice, ?ROOM, autojoining([])),
    ok = knows(Alice, [?ROOM, ?OTHER]),
    _ = told(Alice),
    going_offline(Alice),
    send(Alice, presence(none, [])),
    ?assertEqual([{?OTHER, none}, {?ROOM, autojoin(true)}], told(Alice)).

%% B20.139, B20.143 (XEP-0411)
legacy_bookmarks_are_read_before_they_are_converted(Config) ->
    Server = ?config(server, Config),
    Alice = connect(Server, [mmx_server:fresh(Server, "alice"), "/desk"], #{presence => false}),
    Joined = {?ROOM, autojoin(true)},
    ok = mmx_bookmarks:keep_private(Server, account(Alice), storage([{?ROOM, [{autojoin, <<"true">>}], []}])),
    send(Alice, presence(none, [])),
    ?assertEqual([Joined], lists:usort(told(Alice))),
    ?assertMatch([{?ROOM, _}], mmx_bookmarks:items(Alice)),
    ?assertEqual({ok, [Joined]}, mmx_bookmarks:read_all(Server, account(Alice))).

%% B20.146, B23.173
a_removed_account_has_no_bookmarks(Config) ->
    Server = ?config(server, Config),
    Alice = alice(Config),
    ok = publish(Alice, ?ROOM, autojoining([])),
    ok = knows(Alice, [?ROOM]),
    _ = told(Alice),
    Account = account(Alice),
    [User, Host] = binary:split(Account, <<"@">>),
    ok = mmx_server:rpc(Server, ejabberd_auth, remove_user, [User, Host]),
    _ = closed(Alice),
    ?assertEqual([], mmx_bookmarks:told_of(Server, Account)),
    is_content(Config).

autojoin(Switch) ->
    #{autojoin => Switch, nick => none, password => none, notify => none}.

autojoining(Children) ->
    conference([{autojoin, <<"true">>}], Children).

alice(Config) ->
    Server = ?config(server, Config),
    connect(Server, [mmx_server:fresh(Server, "alice"), "/desk"]).

another(Config, Client, Resource, Presence) ->
    [User, _] = binary:split(account(Client), <<"@">>),
    connect(?config(server, Config), [User, "/", Resource], #{presence => Presence}).

%% The module has nothing to complain of.
is_content(Config) ->
    Lines = mmx_server:complaints(?config(server, Config)),
    ?assertEqual([], [Line || Line <- Lines, binary:match(Line, <<"minimix">>) =/= nomatch]).
