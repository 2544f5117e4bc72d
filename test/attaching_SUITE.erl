%% Sessions come into rooms that their account has joined already.
-module(attaching_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    a_later_session_costs_nobody_a_stanza/1,
    a_later_session_is_told_in_order/1,
    a_later_session_is_given_what_a_native_one_is/1,
    the_self_presence_is_addressed_to_the_session/1,
    history_is_as_much_as_was_asked_for/1,
    history_is_the_accounts/1,
    the_accounts_own_words_are_in_the_history/1,
    the_subject_comes_last/1,
    a_session_is_told_what_kind_of_room_it_is/1,
    who_left_or_came_is_in_the_next_replay/1,
    a_session_that_joins_again_is_told_everything_again/1,
    a_session_that_joins_again_and_again_is_told_as_often/1,
    nothing_is_missed_or_doubled_while_others_talk/1,
    a_better_presence_is_shown_once/1,
    a_session_without_a_presence_hears_the_room/1,
    strangers_are_blocked_but_not_the_room/1
]).

-include("support/mmx.hrl").

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    Options = beside_plain(#{}),
    [{server, mmx_server:start(Options#{block_strangers => true, modules => #{mod_muc_log => #{}}})} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% B2.17, B2.24 (XEP-0045 §7.2.2)
a_later_session_costs_nobody_a_stanza(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        enter(Room, [{Desk, <<"alice">>}]),
        ?assertEqual([], sync(Desk, Room)),
        marker(Bob, Bob, Room),
        _ = take(Phone, fun(Stanza) -> body(Stanza) =/= undefined end),
        ?assertEqual([], sync(Phone, Room)),
        ?assertEqual([{<<"alice">>, account(Phone)}, {<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

%% B1.5, B1.6, B1.15, B2.18, B2.21, B2.22 (XEP-0045 §7.1)
a_later_session_is_told_in_order(Config) ->
    story(Config, ["bob/desk", "carol/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Carol, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Carol, <<"carol">>}, {Phone, <<"alice">>}]),
        [told(Bob, Room, Text, [Phone]) || Text <- [<<"one">>, <<"two">>]],
        [RoomItself, One, Two, Self | Messages] = join(Desk, Room, <<"alice">>),
        ?assertEqual({Room, undefined}, {from(RoomItself), item(RoomItself)}),
        ?assertEqual([<<"bob">>, <<"carol">>], lists:sort(nicks([One, Two]))),
        [Owner] = [Presence || Presence <- [One, Two], from_nick(Presence) =:= <<"bob">>],
        ?assertMatch(#{role := <<"moderator">>, affiliation := <<"owner">>}, item(Owner)),
        ?assert(is_self_presence(Self)),
        ?assertEqual([<<"one">>, <<"two">>], bodies(Messages)),
        {History, [Subject]} = lists:split(2, Messages),
        [?assertEqual(Room, attr(child(Message, delay), from)) || Message <- History],
        ?assert(is_subject(Subject))
    end).

%% I2, I6, B2.18, B2.21 (XEP-0045 §7.2)
a_later_session_is_given_what_a_native_one_is(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk", "carol/desk"], fun(Room, Bob, Phone, Desk, Carol) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        subject(Bob, Room, <<"tea">>),
        Odd = el(odd, [{xmlns, <<"urn:odd">>}, {a, <<"1 & 2">>}], [el(even, [], [<<"< 3">>])]),
        send(Bob, message(Room, groupchat, [el(body, [{'xml:lang', <<"de">>}], [<<"hallo">>]), Odd])),
        send(Bob, presence(<<Room/binary, "/bob">>, [el(show, [], [<<"dnd">>]), Odd])),
        _ = until_marker(Phone, Bob, Room),
        Ours = join(Desk, Room, <<"alice">>),
        Native = join(Carol, Room, <<"carol">>),
        Common = fun(Stanzas) ->
            Known = [Stanza || Stanza <- lists:droplast(Stanzas), not is_newcomer(from_nick(Stanza))],
            lists:map(fun comparable/1, Known)
        end,
        ?assertEqual(to_text(Common(Native)), to_text(Common(Ours)))
    end).

is_newcomer(Nick) ->
    Nick =:= <<"alice">> orelse Nick =:= <<"carol">>.

%% This room recalls messages without what it gave them on their way: all of it for the subject, stanza-id in
%% newer versions. The times at which room and account heard of something differ by moments. The order of
%% attributes says nothing, and the room's own presence has a new id each time.
comparable(#xmlel{name = Name, attrs = Attrs, children = Children} = El) ->
    Volatile = [<<"to">>, <<"stamp">>] ++ [<<"id">> || Name =:= <<"presence">>],
    El#xmlel{
        attrs = lists:sort([Attr || {Key, _} = Attr <- Attrs, not lists:member(Key, Volatile)]),
        children = lists:sort([comparable(Child) || Child <- Children, not is_given(Child)])
    };
comparable(Text) ->
    Text.

is_given(#xmlel{name = Name}) -> Name =:= <<"stanza-id">>;
is_given(_) -> false.

%% B1.7, B2.18 (XEP-0045 §7.2.2)
the_self_presence_is_addressed_to_the_session(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}]),
        ?assertEqual(<<"result">>, type(set_affiliation(Bob, Room, account(Phone), owner))),
        [
            begin
                Self = own(join(Session, Room, <<"alice">>, #{id => Id})),
                ?assertEqual({Id, jid(Session)}, {attr(Self, id), attr(Self, to)}),
                Jid = jid(Session),
                ?assertMatch(#{jid := Jid, role := <<"moderator">>, affiliation := <<"owner">>}, item(Self))
            end
         || {Session, Id} <- [{Phone, <<"of the phone">>}, {Desk, <<"of the desk">>}]
        ]
    end).

%% B2.20 (XEP-0045 §7.2.14)
history_is_as_much_as_was_asked_for(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        All = [<<"one">>, <<"two">>, <<"three">>],
        [the_next_millisecond() || Text <- All, _ <- [told(Bob, Room, Text, [Phone])]],
        Messages = [Stanza || Stanza <- join(Desk, Room, <<"alice">>), body(Stanza) =/= undefined],
        ?assertEqual(All, bodies(Messages)),
        Stamp = attr(child(lists:nth(2, Messages), delay), stamp),
        Size = byte_size(to_text(lists:last(Messages))),
        Asked = fun(History) -> bodies(join(Desk, Room, <<"alice">>, #{history => History})) end,
        ?assertEqual([<<"two">>, <<"three">>], Asked([{maxstanzas, 2}])),
        ?assertEqual([], Asked([{maxstanzas, 0}])),
        ?assertEqual([], Asked([{maxchars, 0}])),
        ?assertEqual([<<"three">>], Asked([{maxchars, Size}])),
        ?assertEqual(All, Asked([{maxchars, 3 * Size}, {seconds, 3600}])),
        ?assertEqual([<<"two">>, <<"three">>], Asked([{since, Stamp}])),
        ?assertEqual([<<"three">>], Asked([{since, Stamp}, {maxstanzas, 1}])),
        ?assertEqual([], Asked([{since, <<"2999-01-01T00:00:00Z">>}])),
        ?assertEqual([], Asked([{seconds, 0}]))
    end).

the_next_millisecond() ->
    the_next_millisecond(erlang:system_time(millisecond)).

the_next_millisecond(Now) ->
    erlang:system_time(millisecond) > Now orelse the_next_millisecond(Now).

%% B2.20, T4 (XEP-0045 §7.2.14)
history_is_the_accounts(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}]),
        told(Bob, Room, <<"before">>, [Bob]),
        ?assertEqual([], bodies(join(Phone, Room, <<"alice">>, #{history => [{maxstanzas, 0}]}))),
        settle(Room, [Bob]),
        told(Bob, Room, <<"after">>, [Bob, Phone]),
        ?assertEqual([<<"before">>, <<"after">>], bodies(join(Desk, Room, <<"alice">>)))
    end).

%% B2.21, B15.96 (XEP-0045 §7.2.13)
the_accounts_own_words_are_in_the_history(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        Said = message(Room, groupchat, [el(body, [], [<<"hello">>])]),
        send(Phone, Said),
        hears(Phone, <<Room/binary, "/alice">>, <<"hello">>),
        [Old] = [Stanza || Stanza <- join(Desk, Room, <<"alice">>), body(Stanza) =/= undefined],
        ?assertEqual({<<Room/binary, "/alice">>, attr(Said, id)}, {from(Old), attr(Old, id)})
    end).

%% B2.22, B15.105 (XEP-0045 §7.2.15, §8.1)
the_subject_comes_last(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        Subject = fun(Stanza) -> cdata(child(Stanza, subject)) end,
        ?assertEqual(<<>>, Subject(lists:last(join(Desk, Room, <<"alice">>)))),
        subject(Bob, Room, <<"tea">>),
        [?assertEqual(<<"tea">>, Subject(take(Session, fun mmx_stanza:is_subject/1))) || Session <- [Phone, Desk]],
        send(Bob, message(Room, groupchat, [el(subject, [], [<<"no subject">>]), el(body, [], [<<"hello">>])])),
        [hears(Session, <<Room/binary, "/bob">>, <<"hello">>) || Session <- [Phone, Desk]],
        Last = lists:last(join(Desk, Room, <<"alice">>)),
        ?assertEqual({<<Room/binary, "/bob">>, <<"tea">>}, {from(Last), Subject(Last)})
    end).

%% B1.7, B2.18, B10.75 (XEP-0045 §7.2.3, §7.2.12, §10.2.1)
a_session_is_told_what_kind_of_room_it_is(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        Codes = fun(Session) -> status_codes(own(join(Session, Room, <<"alice">>))) end,
        Shown = fun(To) ->
            ?assertEqual(<<"result">>, type(configure(Bob, Room, #{<<"muc#roomconfig_whois">> => To}))),
            _ = until_marker(Phone, Bob, Room)
        end,
        enter(Room, [{Bob, <<"bob">>}]),
        ?assertEqual([110], Codes(Phone)),
        Shown(<<"anyone">>),
        room_option(Config, Room, <<"logging">>, <<"true">>),
        _ = until_marker(Phone, Bob, Room),
        ?assertEqual([100, 110, 170], Codes(Desk)),
        Shown(<<"moderators">>),
        ?assertEqual([110, 170], Codes(Desk)),
        [leave(Session, Room) || Session <- [Desk, Phone]],
        ?assertEqual([110, 170], Codes(Phone))
    end).

%% B2.18, B9.67, B10.73 (XEP-0045 §7.2.2, §17.3)
who_left_or_came_is_in_the_next_replay(Config) ->
    story(Config, ["bob/desk", "carol/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Carol, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        Shown = fun() -> nicks(join(Desk, Room, <<"alice">>)) end,
        ?assertEqual([undefined, <<"bob">>, <<"alice">>], Shown()),
        join(Carol, Room, <<"carol">>),
        set_role(Bob, Room, <<"carol">>, visitor),
        _ = until_marker(Desk, Bob, Room),
        Items = [item(Stanza) || Stanza <- join(Desk, Room, <<"alice">>), from_nick(Stanza) =:= <<"carol">>],
        ?assertMatch([#{role := <<"visitor">>}], Items),
        leave(Carol, Room),
        removed(Desk, Room, <<"carol">>),
        ?assertEqual([undefined, <<"bob">>, <<"alice">>], Shown())
    end).

%% B2.26 (XEP-0045 §7.2.1)
a_session_that_joins_again_is_told_everything_again(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        told(Bob, Room, <<"hello">>, [Bob, Phone, Desk]),
        Stanzas = join(Phone, Room, <<"alice">>, #{id => <<"again">>}),
        ?assertEqual([undefined, <<"bob">>, <<"alice">>], nicks(Stanzas)),
        ?assertEqual([<<"hello">>], bodies(Stanzas)),
        ?assertEqual(<<"again">>, attr(own(Stanzas), id)),
        ?assertEqual([], sync(Desk, Room)),
        marker(Bob, Bob, Room)
    end).

%% B2.26, I3, T2 (XEP-0045 §7.2.1)
a_session_that_joins_again_and_again_is_told_as_often(Config) ->
    story(Config, ["bob/desk", "alice/phone"], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        [ask(Phone, Room, <<"alice">>) || _ <- [1, 2, 3]],
        [?assertEqual([undefined, <<"bob">>, <<"alice">>], nicks(entered(Phone, Room))) || _ <- [1, 2, 3]],
        marker(Phone, Bob, Room)
    end).

%% B2.23, I3, T2 (XEP-0045 §7.2.16)
nothing_is_missed_or_doubled_while_others_talk(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        Texts = [integer_to_binary(Number) || Number <- lists:seq(1, 45)],
        [
            begin
                say(Bob, Room, Text),
                Number rem 9 =:= 0 andalso ask(Desk, Room, <<"alice">>)
            end
         || {Number, Text} <- lists:enumerate(Texts)
        ],
        Heard = bodies(recv_until(Phone, fun(Stanza) -> body(Stanza) =:= <<"45">> end)),
        ?assertEqual(Texts, Heard),
        Replays = [entered(Desk, Room) || _ <- lists:seq(1, 5)],
        Live = until_marker(Desk, Bob, Room),
        Missing = fun(Stanzas) -> Texts -- bodies([S || S <- Stanzas, child(S, delay) =/= undefined]) end,
        ?assertEqual(Missing(lists:last(Replays)), bodies(Live))
    end).

%% B2.27, B5.40 (XEP-0045 §7.7)
a_better_presence_is_shown_once(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        Show = fun(Text) -> [el(show, [], [Text])] end,
        enter(Room, [{Bob, <<"bob">>}]),
        join(Phone, Room, <<"alice">>, #{extra => Show(<<"away">>)}),
        settle(Room, [Bob]),
        join(Desk, Room, <<"alice">>, #{extra => Show(<<"chat">>)}),
        Update = take(Phone, fun mmx_stanza:is_self_presence/1),
        ?assertEqual({[110], <<"chat">>}, {status_codes(Update), cdata(child(Update, show))}),
        ?assertMatch([#xmlel{name = <<"presence">>}], seen(Bob, Room)),
        leave(Desk, Room),
        ?assertEqual(<<"away">>, cdata(child(take(Phone, fun mmx_stanza:is_self_presence/1), show))),
        ?assertMatch([#xmlel{name = <<"presence">>}], seen(Bob, Room))
    end).

%% B15.104 (XEP-0045 §7.2)
a_session_without_a_presence_hears_the_room(Config) ->
    People = ["bob/desk", {"alice/phone", #{presence => false}}],
    story(Config, People, fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        marker(Phone, Bob, Room)
    end).

%% I5 (XEP-0045 §18.1)
strangers_are_blocked_but_not_the_room(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        told(Bob, Room, <<"hello">>, [Bob, Phone, Desk]),
        whisper(Bob, Room, <<"alice">>, <<"psst">>),
        [hears(Session, <<Room/binary, "/bob">>, <<"psst">>) || Session <- [Phone, Desk]],
        marker(Bob, Bob, Room)
    end).
