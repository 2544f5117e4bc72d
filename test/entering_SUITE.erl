%% Sessions ask to come in, and the account joins the room once.
-module(entering_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    sessions_that_join_at_once_make_one_occupant/1,
    a_session_that_comes_during_the_answer_waits_for_it/1,
    the_join_says_what_the_first_session_said/1,
    a_refusal_reaches_only_who_asked/1,
    a_refusal_reaches_all_who_asked_the_same/1,
    the_right_password_helps_beside_a_wrong_one/1,
    a_password_is_shown_to_no_other_session/1,
    a_join_without_a_nick_is_refused/1,
    a_presence_with_a_type_is_no_join/1,
    a_presence_without_a_join_does_not_join/1,
    a_nick_that_the_room_rewrites_is_the_accounts/1,
    a_silent_room_is_given_up/1,
    who_comes_while_the_room_still_tells_is_told_once/1,
    a_room_that_marks_no_self_presence_can_be_joined/1
]).

-include("support/mmx.hrl").

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    [{server, mmx_server:start(beside_plain(#{join_timeout => <<"2 s">>}))} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% B1.1, B1.2, B2.25, I1 (XEP-0045 §7.2.1)
sessions_that_join_at_once_make_one_occupant(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk", "alice/pad"], fun(Room, Bob, Phone, Desk, Pad) ->
        enter(Room, [{Bob, <<"bob">>}]),
        paused(Config, Room, fun() ->
            [ask(Session, Room, <<"alice">>) || Session <- [Phone, Desk]],
            [?assertEqual([], sync(Session)) || Session <- [Phone, Desk]]
        end),
        ask(Pad, Room, <<"alice">>),
        Shown = [nicks(entered(Session, Room)) || Session <- [Phone, Desk, Pad]],
        ?assertEqual([[undefined, <<"bob">>, <<"alice">>] || _ <- [Phone, Desk, Pad]], Shown),
        ?assertEqual([{<<"alice">>, account(Phone)}, {<<"bob">>, jid(Bob)}], in_room(Config, Room)),
        ?assertEqual([<<"alice">>], nicks(seen(Bob, Room)))
    end).

%% B2.25, B5.45, T5 (XEP-0045 §7.2.1)
a_session_that_comes_during_the_answer_waits_for_it(Config) ->
    {Puppet, Room} = mmx_puppet:open(?config(server, Config)),
    story(Config, ["alice/phone", "alice/desk"], fun(_, Phone, Desk) ->
        ask(Phone, Room, <<"alice">>),
        ?assertMatch(#xmlel{name = <<"presence">>}, mmx_puppet:takes(Puppet)),
        mmx_puppet:shows(Puppet, Room, <<"bob">>, account(Phone), []),
        ask(Desk, Room, <<"alice">>),
        ?assertEqual([], sync(Desk)),
        mmx_puppet:shows(Puppet, Room, <<"alice">>, account(Phone), [110]),
        mmx_puppet:ends_telling(Puppet, Room, account(Phone)),
        [?assertEqual([<<"bob">>, <<"alice">>], nicks(entered(Session, Room))) || Session <- [Phone, Desk]],
        ?assertEqual([], mmx_puppet:waiting(Puppet))
    end).

%% B1.1, B5.43 (XEP-0045 §7.2.1, §17.3)
the_join_says_what_the_first_session_said(Config) ->
    {Puppet, Room} = mmx_puppet:open(?config(server, Config)),
    story(Config, ["alice/phone"], fun(_, Phone) ->
        Own = [el(show, [], [<<"away">>]), el(odd, [{xmlns, <<"urn:odd">>}, {a, <<"1">>}], [<<"text">>])],
        Foreign = [el(x, [{xmlns, ?NS_MUC_USER}], [el(item, [{role, moderator}])])],
        Options = #{id => <<"one">>, password => <<"open">>, history => [{maxstanzas, 0}], extra => Own ++ Foreign},
        ask(Phone, Room, <<"alice">>, Options),
        Join = mmx_puppet:takes(Puppet),
        ?assertEqual({account(Phone), <<"one">>}, {as_account(from(Join)), attr(Join, id)}),
        X = child(Join, x, ?NS_MUC),
        ?assertEqual({<<"open">>, <<"50">>}, {cdata(child(X, password)), attr(child(X, history), maxstanzas)}),
        ?assertEqual(Own, [child(Join, show), child(Join, odd)]),
        ?assertEqual([X], children(Join, x))
    end).

%% B1.10, B1.11 (XEP-0045 §7.2.17)
a_refusal_reaches_only_who_asked(Config) ->
    Refusals = [
        {<<"not-authorized">>, fun(Room, _, _) -> protect(Config, Room) end},
        {<<"registration-required">>, fun(Room, _, _) -> room_option(Config, Room, <<"members_only">>, <<"true">>) end},
        {<<"forbidden">>, fun(Room, Bob, Phone) -> set_affiliation(Bob, Room, account(Phone), outcast) end},
        {<<"resource-constraint">>, fun(Room, _, _) -> room_option(Config, Room, <<"max_users">>, <<"1">>) end},
        {<<"conflict">>, fun(Room, Bob, _) -> rename(Bob, Room, <<"alice">>) end}
    ],
    [refused(Config, Condition, Forbid) || {Condition, Forbid} <- Refusals].

refused(Config, Condition, Forbid) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}]),
        Forbid(Room, Bob, Phone),
        settle(Room, [Bob]),
        [
            begin
                {error, Refusal} = try_join(Phone, Room, <<"alice">>, #{id => Id}),
                ?assertEqual({<<Room/binary, "/alice">>, jid(Phone)}, {from(Refusal), attr(Refusal, to)}),
                ?assertEqual({Id, Condition}, {attr(Refusal, id), error_condition(Refusal)})
            end
         || Id <- [<<"first">>, <<"second">>]
        ],
        [?assertEqual([], sync(Client, Room)) || Client <- [Phone, Desk]],
        ?assertMatch([_], in_room(Config, Room)),
        marker(Bob, Bob, Room)
    end).

%% B1.10, B2.25 (XEP-0045 §7.2.17)
a_refusal_reaches_all_who_asked_the_same(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"me">>}]),
        Asking = [{Phone, <<"of the phone">>}, {Desk, <<"of the desk">>}],
        paused(Config, Room, fun() ->
            [ask(Session, Room, <<"me">>, #{id => Id}) || {Session, Id} <- Asking],
            [drain(Session) || {Session, _} <- Asking]
        end),
        [
            begin
                {error, Refusal} = answered(Session, Room),
                ?assertEqual({Id, <<"conflict">>}, {attr(Refusal, id), error_condition(Refusal)})
            end
         || {Session, Id} <- Asking
        ],
        [?assertEqual([], sync(Session, Room)) || {Session, _} <- Asking]
    end).

%% B1.10, B1.14, B2.25 (XEP-0045 §7.2.5)
the_right_password_helps_beside_a_wrong_one(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}]),
        protect(Config, Room),
        settle(Room, [Bob]),
        paused(Config, Room, fun() ->
            ask(Phone, Room, <<"alice">>, #{password => <<"wrong">>, id => <<"wrong">>}),
            drain(Phone),
            ask(Desk, Room, <<"alice">>, #{password => <<"open">>, id => <<"right">>}),
            drain(Desk)
        end),
        {error, Refusal} = answered(Phone, Room),
        ?assertEqual({<<"wrong">>, <<"not-authorized">>}, {attr(Refusal, id), error_condition(Refusal)}),
        ?assertEqual(<<"right">>, attr(own(entered(Desk, Room)), id)),
        ?assertEqual([], sync(Phone, Room)),
        ?assertEqual([<<"alice">>], nicks(seen(Bob, Room)))
    end).

%% B1.14, B2.17 (XEP-0045 §7.2.5)
a_password_is_shown_to_no_other_session(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}]),
        protect(Config, Room),
        join(Phone, Room, <<"alice">>, #{password => <<"open">>}),
        Stanzas = join(Desk, Room, <<"alice">>),
        ?assertEqual([], [Stanza || Stanza <- Stanzas, re:run(to_text(Stanza), "password|open") =/= nomatch])
    end).

protect(Config, Room) ->
    room_option(Config, Room, <<"password_protected">>, <<"true">>),
    room_option(Config, Room, <<"password">>, <<"open">>).

%% B1.4 (XEP-0045 §7.2.1)
a_join_without_a_nick_is_refused(Config) ->
    story(Config, ["bob/desk", "alice/phone"], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}]),
        send(Phone, el(presence, [{to, Room}, {id, <<"nobody">>}], [el(x, [{xmlns, ?NS_MUC}])])),
        Refusal = recv(Phone),
        ?assertEqual({Room, <<"nobody">>}, {from(Refusal), attr(Refusal, id)}),
        ?assertEqual(<<"jid-malformed">>, error_condition(Refusal)),
        ?assertEqual(<<"modify">>, attr(child(Refusal, error), type)),
        ?assertEqual([], sync(Phone, Room)),
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

%% B1.3, B5.45, B6.50 (XEP-0045 §17.3)
a_presence_with_a_type_is_no_join(Config) ->
    story(Config, ["bob/desk", "alice/phone"], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}]),
        [
            send(Phone, presence(<<Room/binary, "/alice">>, Type, [el(x, [{xmlns, ?NS_MUC}])]))
         || Type <- [unavailable, probe, error]
        ],
        _ = sync(Phone, Room),
        marker(Bob, Bob, Room),
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

%% B5.41 (XEP-0045 §7.2.18)
a_presence_without_a_join_does_not_join(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        send(Desk, presence(<<Room/binary, "/alice">>, [el(show, [], [<<"dnd">>])])),
        Out = recv(Desk),
        ?assertEqual({<<Room/binary, "/alice">>, <<"unavailable">>}, {from(Out), type(Out)}),
        ?assertEqual([110, 307, 333], status_codes(Out)),
        [?assertEqual([], sync(Session, Room)) || Session <- [Desk, Phone]],
        marker(Bob, Bob, Room),
        ?assertEqual([{<<"alice">>, account(Desk)}, {<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

%% B1.8, T7 (XEP-0045 §7.2.2)
a_nick_that_the_room_rewrites_is_the_accounts(Config) ->
    {Puppet, Room} = mmx_puppet:open(?config(server, Config)),
    story(Config, ["alice/phone", "alice/desk"], fun(_, Phone, Desk) ->
        ask(Phone, Room, <<"alice">>),
        _ = mmx_puppet:takes(Puppet),
        %% Another alice is here already.
        mmx_puppet:shows(Puppet, Room, <<"alice">>, account(Phone), []),
        mmx_puppet:shows(Puppet, Room, <<"alice-2">>, account(Phone), [110, 210]),
        mmx_puppet:ends_telling(Puppet, Room, account(Phone)),
        First = entered(Phone, Room),
        ?assertEqual([<<"alice">>, <<"alice-2">>], nicks(First)),
        ?assertEqual([110, 210], status_codes(own(First))),
        ?assertEqual([110], status_codes(own(join(Desk, Room, <<"alice-2">>)))),
        say(Desk, Room, <<"hello">>),
        ?assertEqual(account(Desk), as_account(from(mmx_puppet:takes(Puppet))))
    end).

%% B1.13, B1.11 (XEP-0410 §3.2)
a_silent_room_is_given_up(Config) ->
    {Puppet, Room} = mmx_puppet:open(?config(server, Config)),
    story(Config, ["alice/phone"], fun(_, Phone) ->
        {error, Refusal} = try_join(Phone, Room, <<"alice">>, #{id => <<"one">>}),
        ?assertEqual({<<"one">>, <<"remote-server-timeout">>}, {attr(Refusal, id), error_condition(Refusal)}),
        [Join, Leave] = [mmx_puppet:takes(Puppet) || _ <- [join, leave]],
        ?assertEqual([<<"available">>, <<"unavailable">>], [type(Join), type(Leave)]),
        ask(Phone, Room, <<"alice">>),
        ?assertEqual(<<"available">>, type(mmx_puppet:takes(Puppet)))
    end).

%% B2.23, I3, T3 (XEP-0045 §7.2.13, §7.2.16)
who_comes_while_the_room_still_tells_is_told_once(Config) ->
    {Puppet, Room} = mmx_puppet:open(?config(server, Config)),
    story(Config, ["alice/phone", "alice/desk"], fun(_, Phone, Desk) ->
        Account = account(Phone),
        ask(Phone, Room, <<"alice">>),
        _ = mmx_puppet:takes(Puppet),
        mmx_puppet:shows(Puppet, Room, <<"alice">>, Account, [110]),
        mmx_puppet:recalls(Puppet, Room, Account, <<"one">>),
        ask(Desk, Room, <<"alice">>),
        drain(Desk),
        mmx_puppet:recalls(Puppet, Room, Account, <<"two">>),
        mmx_puppet:shows(Puppet, Room, <<"bob">>, Account, []),
        mmx_puppet:ends_telling(Puppet, Room, Account),
        [?assertEqual([<<"one">>, <<"two">>], bodies(entered(Session, Room))) || Session <- [Phone, Desk]],
        [?assertEqual([], sync(Session)) || Session <- [Phone, Desk]]
    end).

%% B1.9, T7 (XEP-0045 §7.2.2)
a_room_that_marks_no_self_presence_can_be_joined(Config) ->
    {Puppet, Room} = mmx_puppet:open(?config(server, Config)),
    story(Config, ["alice/phone"], fun(_, Phone) ->
        ask(Phone, Room, <<"alice">>),
        _ = mmx_puppet:takes(Puppet),
        [mmx_puppet:shows(Puppet, Room, Nick, account(Phone), []) || Nick <- [<<"bob">>, <<"alice">>]],
        mmx_puppet:ends_telling(Puppet, Room, account(Phone)),
        ?assertEqual([<<"bob">>, <<"alice">>], nicks(entered(Phone, Room)))
    end).
