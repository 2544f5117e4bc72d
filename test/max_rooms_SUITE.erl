%% An account is in as many rooms as it may be in.
-module(max_rooms_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    a_room_without_sessions_makes_place/1,
    a_bookmarked_room_is_not_left_for_another/1,
    a_bookmark_finds_no_place/1,
    a_bookmark_that_is_said_again_needs_no_place/1,
    a_room_that_is_being_left_makes_one_place/1
]).

-include("support/mmx.hrl").

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    Options = beside_plain(#{max_rooms => 2, join_timeout => <<"2 s">>}),
    [{server, mmx_server:start(mmx_admin:api(Options))} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% I10 (option max_rooms)
a_room_without_sessions_makes_place(Config) ->
    with_rooms(Config, fun([First, Second, Third], Bob, Phone, Desk) ->
        [join(Desk, Room, <<"alice">>) || Room <- [First, Second]],
        going_offline(Desk),
        ?assertMatch({_, <<"available">>}, changed(Bob, First)),
        join(Phone, Third, <<"alice">>),
        ?assertMatch({_, <<"unavailable">>}, changed(Bob, First)),
        ?assertEqual(lists:sort([Second, Third]), rooms(Config, Phone))
    end).

%% I10, B7.54 (XEP-0402 §4)
a_bookmarked_room_is_not_left_for_another(Config) ->
    with_rooms(Config, fun([First, Second, Third], Bob, Phone, _Desk) ->
        ok = mmx_bookmarks:knows(Phone, [First, Second]),
        [?assertMatch({_, <<"available">>}, changed(Bob, Room)) || Room <- [First, Second]],
        {error, Refusal} = try_join(Phone, Third, <<"alice">>),
        ?assertEqual(<<"resource-constraint">>, error_condition(Refusal)),
        ?assertEqual(lists:sort([First, Second]), rooms(Config, Phone))
    end).

%% I10, B20.139 (XEP-0402 §4)
a_bookmark_finds_no_place(Config) ->
    with_rooms(Config, fun([First, Second, Third], Bob, Phone, _Desk) ->
        ok = mmx_bookmarks:knows(Phone, [First, Second, Third]),
        [?assertMatch({_, <<"available">>}, changed(Bob, Room)) || Room <- [First, Second]],
        ?assertEqual([], sync(Bob, Third)),
        ?assertEqual(lists:sort([First, Second]), rooms(Config, Phone))
    end).

%% I10, B20.142 (XEP-0402 §5.3.2)
a_bookmark_that_is_said_again_needs_no_place(Config) ->
    with_rooms(Config, fun([First, Second, Third], Bob, Phone, Desk) ->
        ok = mmx_bookmarks:knows(Phone, [First]),
        ?assertMatch({_, <<"available">>}, changed(Bob, First)),
        set_role(Bob, First, nick_of(Phone), none),
        ?assertMatch({_, <<"unavailable">>}, changed(Bob, First)),
        [join(Desk, Room, <<"alice">>) || Room <- [Second, Third]],
        going_offline(Desk),
        ok = mmx_bookmarks:knows(Phone, [First]),
        [?assertNot(lists:member(<<"unavailable">>, [type(Seen) || Seen <- sync(Bob, Room)])) || Room <- [Second, Third]],
        ?assertEqual([Second, Third], [Room || Room <- rooms(Config, Phone), Room =/= First])
    end).

%% I10, B7.57 (XEP-0045 §7.14)
a_room_that_is_being_left_makes_one_place(Config) ->
    with_rooms(Config, fun([First, Second, Third], _Bob, Phone, Desk) ->
        {Puppet, Silent} = mmx_puppet:joined_by(?config(server, Config), [Desk]),
        going_offline(Desk),
        [join(Phone, Room, <<"alice">>) || Room <- [First, Second]],
        ?assertEqual(<<"unavailable">>, type(left(Puppet))),
        {error, Refusal} = try_join(Phone, Third, <<"alice">>),
        ?assertEqual(<<"resource-constraint">>, error_condition(Refusal)),
        ?assertEqual(lists:sort([First, Second]), [Room || Room <- rooms(Config, Phone), Room =/= Silent])
    end).

%% Perhaps after a presence that says that nobody is there.
left(Puppet) ->
    case mmx_puppet:takes(Puppet) of
        #xmlel{} = Stanza ->
            case type(Stanza) of
                <<"available">> -> left(Puppet);
                _ -> Stanza
            end
    end.

%% Three rooms with bob in them.
with_rooms(Config, Fun) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(_, Bob, Phone, Desk) ->
        Rooms = lists:sort([mmx_server:fresh_room(?config(server, Config)) || _ <- [1, 2, 3]]),
        [enter(Room, [{Bob, <<"bob">>}]) || Room <- Rooms],
        Fun(Rooms, Bob, Phone, Desk)
    end).

%% What bob sees of alice there next.
changed(Bob, Room) ->
    Presence = fun(#xmlel{name = Name} = Stanza) -> Name =:= <<"presence">> andalso bare(from(Stanza)) =:= Room end,
    Stanza = take(Bob, Presence),
    {from_nick(Stanza), type(Stanza)}.

%% A bookmark without a nick means the account's name.
nick_of(Session) ->
    hd(binary:split(account(Session), <<"@">>)).

rooms(Config, Session) ->
    {ok, Rows} = mmx_admin:execute(?config(server, Config), minimix_rooms, binary:split(account(Session), <<"@">>)),
    lists:sort([element(1, Row) || Row <- Rows, element(3, Row) =/= leaving]).
