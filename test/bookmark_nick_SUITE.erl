%% A new nick is written into the bookmark, and nothing else is changed.
-module(bookmark_nick_SUITE).

-export([all/0, groups/0, init_per_suite/1, end_per_suite/1, init_per_group/2, end_per_group/2]).
-export([
    a_new_nick_changes_nothing_else/1,
    a_nick_is_added/1,
    an_empty_nick_is_filled/1,
    other_bookmarks_stay_as_they_are/1,
    legacy_storages_get_the_new_nick/1,
    nothing_is_written_without_a_reason/1,
    the_node_keeps_its_configuration/1,
    an_id_stays_as_the_client_wrote_it/1,
    a_deleted_node_stays_deleted/1,
    a_change_at_the_same_time_is_kept/1,
    a_nick_chosen_at_the_same_time_counts/1,
    a_retract_at_the_same_time_counts/1,
    a_later_change_counts/1
]).

-include("support/mmx.hrl").

-import(mmx_bookmarks, [conference/2, publish/3, retract/2, items/1, told/1, set_nick/3]).

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

%% B20.141, B20.142 (XEP-0402 §3.4)
a_new_nick_changes_nothing_else(Config) ->
    Alice = alice(Config),
    ok = publish(Alice, ?ROOM, full(<<"Alice">>)),
    [{?ROOM, Before}] = items(Alice),
    _ = told(Alice),
    ok = set_nick(Alice, ?ROOM, <<"Älice & co"/utf8>>),
    [{?ROOM, After}] = items(Alice),
    ?assertEqual(binary:replace(Before, <<"Alice">>, <<"Älice &amp; co"/utf8>>), After),
    ?assertEqual([], told(Alice)),
    is_content(Config).

full(Nick) ->
    Unknown = el(state, [{xmlns, <<"http://myclient.example/bookmark/state">>}, {minimized, <<"true">>}], [
        <<" some ">>, el(deep, [{<<"xml:lang">>, <<"de">>}], [<<"<&>\"'">>]), <<" text\n">>
    ]),
    conference([{<<"new-attribute">>, <<"x">>}, {name, <<"The Play's <the> Thing">>}, {autojoin, <<"1">>}], [
        <<"\n  ">>, el(password, [], [<<" open  sesame ">>]), <<"\n  ">>, el(nick, [], [Nick]),
        el(extensions, [], [Unknown, el(nick, [], [<<"inner">>]), el(pinned, [{xmlns, <<"urn:xmpp:bookmarks-pinning:0">>}])]),
        el(unknown, [{xmlns, <<"urn:x">>}])
    ]).

%% B20.141 (XEP-0402 §2, §3.4)
a_nick_is_added(Config) ->
    Alice = alice(Config),
    Extensions = el(extensions, [], [el(nick, [], [<<"inner">>])]),
    ok = publish(Alice, ?ROOM, conference([], [Extensions])),
    ok = set_nick(Alice, ?ROOM, <<"Alice">>),
    Expected = conference([], [el(nick, [], [<<"Alice">>]), Extensions]),
    ?assertEqual([{?ROOM, to_text(Expected)}], items(Alice)).

%% B20.141 (XEP-0402 §3.4)
other_bookmarks_stay_as_they_are(Config) ->
    Alice = alice(Config),
    Extensions = el(extensions, [], [el(pinned, [{xmlns, <<"urn:xmpp:bookmarks-pinning:0">>}])]),
    Odd = [
        {[], []}, {[{autojoin, <<"0">>}], []}, {[{name, <<>>}], []},
        {[{name, <<" a  b ">>}], [el(nick, [], [<<" Alice ">>]), el(password, [], [<<" p ">>])]},
        {[{autojoin, <<"1">>}], [el(unknown, [{xmlns, <<"urn:x">>}])]}
    ],
    Rooms = [<<"room", (integer_to_binary(N))/binary, "@rooms.example">> || N <- lists:seq(1, length(Odd))],
    [
        ok = publish(Alice, Room, conference(Attrs, Children ++ [Extensions]))
     || {Room, {Attrs, Children}} <- lists:zip(Rooms, Odd)
    ],
    ok = publish(Alice, ?ROOM, full(<<"Alice">>)),
    Before = items(Alice),
    ok = set_nick(Alice, ?ROOM, <<"Bob">>),
    ?assertEqual(lists:keydelete(?ROOM, 1, Before), lists:keydelete(?ROOM, 1, items(Alice))),
    is_content(Config).

%% B20.141 (ejabberd 24.12 cannot convert what has an empty element)
an_empty_nick_is_filled(Config) ->
    Alice = alice(Config),
    Password = el(password, []),
    ok = publish(Alice, ?ROOM, conference([], [Password, el(nick, [])])),
    ok = publish(Alice, ?OTHER, full(<<"Alice">>)),
    [{?OTHER, Other}, _] = items(Alice),
    ok = set_nick(Alice, ?ROOM, <<"Alice">>),
    Filled = conference([], [Password, el(nick, [], [<<"Alice">>])]),
    ?assertEqual([{?OTHER, Other}, {?ROOM, to_text(Filled)}], items(Alice)),
    is_content(Config).

%% B20.143 (XEP-0411)
legacy_storages_get_the_new_nick(Config) ->
    Alice = alice(Config),
    ok = publish(Alice, ?ROOM, full(<<"Alice">>)),
    ok = set_nick(Alice, ?ROOM, <<"Bob">>),
    [{<<"current">>, Legacy}] = mmx_bookmarks:legacy(Alice),
    [?assertMatch({_, _}, binary:match(Text, <<"<nick>Bob</nick>">>)) || Text <- [Legacy, to_text(mmx_bookmarks:private(Alice))]],
    ?assertMatch([{_, #{nick := <<"Alice">>}}], told(Alice)).

%% B20.142
nothing_is_written_without_a_reason(Config) ->
    Alice = alice(Config),
    ok = set_nick(Alice, ?ROOM, <<"Alice">>),
    ?assertEqual([], nodes_of(Alice)),
    ok = publish(Alice, ?OTHER, full(<<"ﬀ"/utf8>>)),
    ok = publish(Alice, <<"no room">>, full(<<"Alice">>)),
    ok = publish(Alice, ?ROOM, el(note, [{xmlns, <<"urn:x">>}])),
    Before = written(Config, Alice),
    ok = set_nick(Alice, ?ROOM, <<"Alice">>),
    ok = set_nick(Alice, ?OTHER, <<"ff">>),
    ok = set_nick(Alice, <<"third@rooms.example">>, <<"Alice">>),
    ?assertEqual(Before, written(Config, Alice)),
    is_content(Config).

%% When and by whom each item was written.
written(Config, Client) ->
    [User, Host] = binary:split(account(Client), <<"@">>),
    Items = mmx_server:rpc(?config(server, Config), mod_pubsub, get_items, [{User, Host, <<>>}, ?NODE]),
    lists:sort([{element(2, Item), element(5, Item)} || Item <- Items]).

nodes_of(Client) ->
    Query = el(query, [{xmlns, <<"http://jabber.org/protocol/disco#items">>}]),
    Answer = child(request(Client, iq(account(Client), get, [Query])), query),
    [Node || Item <- children(Answer, item), Node <- [attr(Item, node)], Node =:= ?NODE].

%% B20.141 (XEP-0402 §3.3, XEP-0060 §7.1.5)
the_node_keeps_its_configuration(Config) ->
    Alice = alice(Config),
    ok = publish(Alice, ?ROOM, full(<<"Alice">>)),
    Before = mmx_bookmarks:node_config(Alice),
    ?assertEqual({<<"pubsub#access_model">>, [<<"whitelist">>]}, lists:keyfind(<<"pubsub#access_model">>, 1, Before)),
    ok = set_nick(Alice, ?ROOM, <<"Bob">>),
    ?assertEqual(Before, mmx_bookmarks:node_config(Alice)).

%% B20.141, B20.144
an_id_stays_as_the_client_wrote_it(Config) ->
    Alice = alice(Config),
    Id = <<"Room@Rooms.Example">>,
    ok = publish(Alice, Id, full(<<"Alice">>)),
    ok = set_nick(Alice, ?ROOM, <<"Bob">>),
    ?assertEqual([{Id, to_text(sorted(full(<<"Bob">>)))}], items(Alice)).

%% B20.146
a_deleted_node_stays_deleted(Config) ->
    Alice = alice(Config),
    ok = publish(Alice, ?ROOM, full(<<"Alice">>)),
    ok = mmx_bookmarks:delete(Alice),
    ok = set_nick(Alice, ?ROOM, <<"Bob">>),
    ?assertEqual([], nodes_of(Alice)).

%% B20.141, B20.142 (XEP-0402 §3.4)
a_change_at_the_same_time_is_kept(Config) ->
    Alice = alice(Config),
    Theirs = conference([{name, <<"Renamed">>}], [el(nick, [], [<<"Alice">>])]),
    disturbed(Alice, publishing(Config, Alice, Theirs)),
    Merged = conference([{name, <<"Renamed">>}], [el(nick, [], [<<"Bob">>])]),
    ?assertEqual([{?ROOM, to_text(sorted(Merged))}], items(Alice)),
    ?assertEqual([{?ROOM, #{autojoin => false, nick => <<"Bob">>, password => none, notify => none}}], told(Alice)).

%% B20.141 (XEP-0402 §3.4)
a_nick_chosen_at_the_same_time_counts(Config) ->
    Alice = alice(Config),
    Theirs = conference([{autojoin, <<"true">>}], [el(nick, [], [<<"Carol">>])]),
    disturbed(Alice, publishing(Config, Alice, Theirs)),
    ?assertEqual([{?ROOM, to_text(sorted(Theirs))}], items(Alice)),
    ?assertEqual([{?ROOM, #{autojoin => true, nick => <<"Carol">>, password => none, notify => none}}], told(Alice)).

%% B20.140, B20.141
a_retract_at_the_same_time_counts(Config) ->
    Alice = alice(Config),
    {Owner, _, Publisher} = names(Config, Alice),
    disturbed(Alice, {mod_pubsub, delete_item, [Owner, ?NODE, Publisher, ?ROOM]}),
    ?assertEqual([], items(Alice)),
    ?assertEqual([{?ROOM, none}], told(Alice)).

%% Her bookmark gets the nick Bob, and this is changed meanwhile.
disturbed(Alice, Change) ->
    ok = publish(Alice, ?ROOM, full(<<"Alice">>)),
    _ = told(Alice),
    mmx_intruder:between(Alice, Change, fun() ->
        ok = set_nick(Alice, ?ROOM, <<"Bob">>),
        mmx_bookmarks:sync(mmx_client:server(Alice))
    end).

publishing(Config, Client, Payload) ->
    {Owner, Host, Publisher} = names(Config, Client),
    {mod_pubsub, publish_item, [Owner, Host, ?NODE, Publisher, ?ROOM, [Payload], [], all]}.

names(Config, Client) ->
    [User, Host] = binary:split(account(Client), <<"@">>),
    {{User, Host, <<>>}, Host, mmx_server:rpc(?config(server, Config), jid, decode, [account(Client)])}.

%% B20.139, B20.141
a_later_change_counts(Config) ->
    Alice = alice(Config),
    ok = publish(Alice, ?ROOM, full(<<"Alice">>)),
    _ = told(Alice),
    ok = set_nick(Alice, ?ROOM, <<"Bob">>),
    Later = conference([], [el(nick, [], [<<"Alice">>])]),
    ok = publish(Alice, ?ROOM, Later),
    ?assertEqual([{?ROOM, #{autojoin => false, nick => <<"Alice">>, password => none, notify => none}}], told(Alice)),
    ?assertEqual([{?ROOM, to_text(sorted(Later))}], items(Alice)),
    ok = retract(Alice, ?ROOM),
    ?assertEqual([{?ROOM, none}], told(Alice)),
    ?assertEqual([], items(Alice)).

sorted(#xmlel{attrs = Attrs, children = Children} = El) ->
    El#xmlel{attrs = lists:sort(Attrs), children = [sorted(Child) || Child <- Children]};
sorted(Text) ->
    Text.

alice(Config) ->
    Server = ?config(server, Config),
    connect(Server, [mmx_server:fresh(Server, "alice"), "/desk"]).

%% The module has nothing to complain of.
is_content(Config) ->
    Lines = mmx_server:complaints(?config(server, Config)),
    ?assertEqual([], [Line || Line <- Lines, binary:match(Line, <<"minimix">>) =/= nomatch]).
