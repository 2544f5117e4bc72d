%% An account is in the rooms that its bookmarks say it is to join.
-module(autojoining_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    a_bookmark_brings_an_account_in_that_is_not_online/1,
    a_password_in_the_bookmark_opens_the_room/1,
    a_session_that_joins_is_attached/1,
    legacy_bookmarks_bring_it_in_once/1,
    a_retract_takes_it_out/1,
    so_does_an_end_of_autojoin/1,
    a_retract_takes_no_session_out/1,
    the_last_session_leaves_alone_while_the_bookmark_stands/1,
    a_retract_before_the_leave_comes_to_the_same/1,
    a_nick_in_the_bookmark_is_taken/1,
    a_nick_that_a_session_takes_is_written_back/1,
    a_refused_nick_is_not_written/1,
    who_was_kicked_stays_out_until_autojoin_comes_anew/1,
    a_purge_takes_it_out_of_all_rooms/1,
    a_room_that_is_excluded_is_not_joined/1,
    who_is_not_served_is_not_brought_in/1,
    what_was_bookmarked_before_comes_with_the_first_session/1
]).

-include("support/mmx.hrl").

-import(mmx_bookmarks, [conference/2, publish/3, retract/2, purge/1, items/1]).

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    #{minimix := Minimix} = beside_plain(#{exclude => [<<"closed-*@*">>], offline_delay => <<"1 hour">>}),
    [{server, mmx_server:start(#{minimix => Minimix, pubsub => true})} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% B20.139, I1 (XEP-0402 §3.2)
a_bookmark_brings_an_account_in_that_is_not_online(Config) ->
    Server = ?config(server, Config),
    story(Config, ["bob/desk"], fun(Room, Bob) ->
        enter(Room, [{Bob, <<"bob">>}]),
        Account = <<(mmx_server:fresh(Server, "alice"))/binary, "@", (mmx_server:host(Server))/binary>>,
        ok = mmx_bookmarks:publish_within(Server, Account, Room, autojoin([nick(<<"Alice">>)])),
        _ = comes(Bob, <<"Alice">>),
        ?assertEqual([{<<"Alice">>, Account}, {<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

%% B20.139, B1.6 (XEP-0402 §2)
a_password_in_the_bookmark_opens_the_room(Config) ->
    with_one(Config, fun(Room, Bob, Phone) ->
        ?assertEqual(<<"result">>, type(configure(Bob, Room, #{
            <<"muc#roomconfig_passwordprotectedroom">> => <<"1">>, <<"muc#roomconfig_roomsecret">> => <<"open sesame">>
        }))),
        ok = publish(Phone, Room, autojoin([nick(<<"alice">>), el(password, [], [<<"open sesame">>])])),
        _ = comes(Bob, <<"alice">>)
    end).

%% B20.145, I1, I2 (XEP-0402 §4)
a_session_that_joins_is_attached(Config) ->
    with_bookmark(Config, fun(Room, Bob, Phone) ->
        ?assertMatch([_Room, <<"bob">>, <<"alice">>], nicks(attach(Room, Bob, Phone))),
        sees_nothing(Config, Room, Bob),
        told(Bob, Room, <<"hello">>, [Bob, Phone])
    end).

%% B20.143, I1 (XEP-0048, XEP-0411)
legacy_bookmarks_bring_it_in_once(Config) ->
    with_one(Config, fun(Room, Bob, Phone) ->
        Bookmark = {Room, [{autojoin, <<"true">>}], [nick(<<"alice">>)]},
        ok = mmx_bookmarks:set_private(Phone, mmx_bookmarks:storage([Bookmark])),
        _ = comes(Bob, <<"alice">>),
        ok = mmx_bookmarks:set_legacy(Phone, mmx_bookmarks:storage([Bookmark])),
        sees_nothing(Config, Room, Bob)
    end).

%% B20.140 (XEP-0402 §4)
a_retract_takes_it_out(Config) ->
    with_bookmark(Config, fun(Room, Bob, Phone) ->
        ok = retract(Phone, Room),
        _ = goes(Bob, <<"alice">>)
    end).

%% B20.140 (XEP-0402 §4)
so_does_an_end_of_autojoin(Config) ->
    with_bookmark(Config, fun(Room, Bob, Phone) ->
        ok = publish(Phone, Room, conference([{autojoin, <<"false">>}], [nick(<<"alice">>)])),
        _ = goes(Bob, <<"alice">>)
    end).

%% B20.140, B7.54 (XEP-0402 §4)
a_retract_takes_no_session_out(Config) ->
    with_bookmark(Config, fun(Room, Bob, Phone) ->
        _ = attach(Room, Bob, Phone),
        ok = retract(Phone, Room),
        sees_nothing(Config, Room, Bob),
        told(Bob, Room, <<"still there?">>, [Bob, Phone]),
        _ = leave(Phone, Room),
        _ = goes(Bob, <<"alice">>)
    end).

%% B7.54, B20.140 (XEP-0402 §4)
the_last_session_leaves_alone_while_the_bookmark_stands(Config) ->
    with_bookmark(Config, fun(Room, Bob, Phone) ->
        _ = attach(Room, Bob, Phone),
        ?assertEqual([110], status_codes(leave(Phone, Room))),
        %% Nobody of it is there any more, but it stays.
        _ = comes(Bob, <<"alice">>),
        sees_nothing(Config, Room, Bob),
        ok = retract(Phone, Room),
        _ = goes(Bob, <<"alice">>)
    end).

%% B7.53, B20.140 (XEP-0402 §4)
a_retract_before_the_leave_comes_to_the_same(Config) ->
    with_bookmark(Config, fun(Room, Bob, Phone) ->
        _ = attach(Room, Bob, Phone),
        ok = publish(Phone, Room, conference([{autojoin, <<"0">>}], [])),
        ?assertEqual([110], status_codes(leave(Phone, Room))),
        _ = goes(Bob, <<"alice">>),
        ok = publish(Phone, Room, conference([{autojoin, <<"0">>}, {name, <<"left">>}], [])),
        sees_nothing(Config, Room, Bob)
    end).

%% B20.139, B4.34 (XEP-0402 §3.2, XEP-0045 §7.6)
a_nick_in_the_bookmark_is_taken(Config) ->
    with_bookmark(Config, fun(Room, Bob, Phone) ->
        ok = publish(Phone, Room, autojoin([nick(<<"ally">>)])),
        _ = comes(Bob, <<"ally">>),
        ?assertEqual([{<<"ally">>, account(Phone)}, {<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

%% B4.39, B20.141, B20.142 (XEP-0402 §3.4)
a_nick_that_a_session_takes_is_written_back(Config) ->
    with_bookmark(Config, fun(Room, Bob, Phone) ->
        Extensions = el(extensions, [], [el(pinned, [{xmlns, <<"urn:xmpp:bookmarks-pinning:0">>}])]),
        ok = publish(Phone, Room, conference([{autojoin, <<"true">>}, {name, <<"A room">>}], [nick(<<"alice">>), Extensions])),
        _ = attach(Room, Bob, Phone),
        [{Room, Before}] = items(Phone),
        _ = rename(Phone, Room, <<"ally">>),
        _ = comes(Bob, <<"ally">>),
        drain(Bob),
        quiet(Config, Room),
        ?assertEqual([{Room, binary:replace(Before, <<"alice">>, <<"ally">>)}], items(Phone)),
        sees_nothing(Config, Room, Bob)
    end).

%% B20.142, B4.36 (XEP-0045 §7.6)
a_refused_nick_is_not_written(Config) ->
    with_bookmark(Config, fun(Room, Bob, Phone) ->
        _ = attach(Room, Bob, Phone),
        Before = items(Phone),
        send(Phone, presence([Room, "/bob"], [])),
        ?assertEqual(<<"conflict">>, error_condition(take(Phone, fun(Stanza) -> type(Stanza) =:= <<"error">> end))),
        quiet(Config, Room),
        ?assertEqual(Before, items(Phone))
    end).

%% B9.65, B20.142, T11 (XEP-0402 §4)
who_was_kicked_stays_out_until_autojoin_comes_anew(Config) ->
    with_bookmark(Config, fun(Room, Bob, Phone) ->
        ?assertEqual(<<"result">>, type(set_role(Bob, Room, <<"alice">>, none))),
        _ = goes(Bob, <<"alice">>),
        ok = publish(Phone, Room, conference([{autojoin, <<"true">>}, {name, <<"again">>}], [nick(<<"alice">>)])),
        sees_nothing(Config, Room, Bob),
        ok = publish(Phone, Room, conference([{autojoin, <<"false">>}], [nick(<<"alice">>)])),
        ok = publish(Phone, Room, autojoin([nick(<<"alice">>)])),
        _ = comes(Bob, <<"alice">>)
    end).

%% B20.146 (XEP-0060 §8.5)
a_purge_takes_it_out_of_all_rooms(Config) ->
    Other = mmx_server:fresh_room(?config(server, Config)),
    with_bookmark(Config, fun(_Room, Bob, Phone) ->
        _ = join(Bob, Other, <<"bob">>),
        ok = publish(Phone, Other, autojoin([nick(<<"alice">>)])),
        _ = comes(Bob, <<"alice">>),
        ok = purge(Phone),
        _ = goes(Bob, <<"alice">>),
        _ = goes(Bob, <<"alice">>)
    end).

%% B20.144 (option exclude)
a_room_that_is_excluded_is_not_joined(Config) ->
    with_one(Config, fun(Room, Bob, Phone) ->
        Closed = <<"closed-", Room/binary>>,
        _ = join(Bob, Closed, <<"bob">>),
        ok = publish(Phone, Closed, autojoin([])),
        sees_nothing(Config, Closed, Bob)
    end).

%% B20.144 (option access)
who_is_not_served_is_not_brought_in(Config) ->
    story(Config, ["bob/desk", "carol/phone"], fun(Room, Bob, Carol) ->
        enter(Room, [{Bob, <<"bob">>}]),
        ok = publish(Carol, Room, autojoin([])),
        sees_nothing(Config, Room, Bob)
    end).

%% B20.139 (XEP-0402 §3.2)
what_was_bookmarked_before_comes_with_the_first_session(Config) ->
    Server = ?config(server, Config),
    story(Config, ["bob/desk", {"alice/phone", #{presence => false}}], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}]),
        Bookmarks = mmx_bookmarks:storage([{Room, [{autojoin, <<"true">>}], [nick(<<"alice">>)]}]),
        ok = mmx_bookmarks:keep_private(Server, account(Phone), Bookmarks),
        sees_nothing(Config, Room, Bob),
        send(Phone, presence(none, [])),
        _ = comes(Bob, <<"alice">>)
    end).

with_one(Config, Fun) ->
    story(Config, ["bob/desk", "alice/phone"], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}]),
        Fun(Room, Bob, Phone)
    end).

%% A bookmark has brought alice in, and nothing is left to read.
with_bookmark(Config, Fun) ->
    with_one(Config, fun(Room, Bob, Phone) ->
        ok = publish(Phone, Room, autojoin([nick(<<"alice">>)])),
        _ = comes(Bob, <<"alice">>),
        [drain(Client) || Client <- [Bob, Phone]],
        Fun(Room, Bob, Phone)
    end).

%% Others see that the account has a session now, and nothing else.
attach(Room, Bob, Session) ->
    Given = join(Session, Room, <<"alice">>),
    _ = comes(Bob, <<"alice">>),
    [drain(Client) || Client <- [Bob, Session]],
    Given.

autojoin(Children) ->
    conference([{autojoin, <<"true">>}], Children).

nick(Nick) ->
    el(nick, [], [Nick]).

comes(Client, Nick) ->
    take(Client, fun(Stanza) -> is_presence_of(Nick, <<"available">>, Stanza) end).

goes(Client, Nick) ->
    take(Client, fun(Stanza) -> is_presence_of(Nick, <<"unavailable">>, Stanza) end).

is_presence_of(Nick, Type, #xmlel{name = <<"presence">>} = Stanza) ->
    from_nick(Stanza) =:= Nick andalso type(Stanza) =:= Type;
is_presence_of(_, _, _) ->
    false.

sees_nothing(Config, Room, Client) ->
    quiet(Config, Room),
    ?assertEqual([], sync(Client, Room)).

quiet(Config, Room) ->
    Server = ?config(server, Config),
    ok = mmx_bookmarks:sync(Server),
    mmx_quiet:settle(Server, mmx_server:host(Server), [Room]).
