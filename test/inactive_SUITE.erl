%% Sessions that say that nobody looks at them are given less, and all that matters in order (XEP-0352).
%% What the server holds back for such a session it holds back for one without the module as well.
-module(inactive_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    messages_arrive_in_order/1,
    presences_precede_what_is_said/1,
    the_last_presence_of_an_occupant_counts/1,
    presences_precede_the_answers_of_the_room/1,
    presences_wait_until_the_session_is_active/1,
    a_session_enters_while_it_is_inactive/1,
    a_second_session_enters_while_it_is_inactive/1,
    a_session_leaves_while_it_is_inactive/1,
    a_second_session_leaves_while_it_is_inactive/1,
    a_session_leaves_and_enters_while_it_is_inactive/1,
    a_rename_arrives_in_order/1,
    a_kick_arrives_in_the_end/1,
    a_session_is_lost_while_it_is_inactive/1
]).

-include("support/mmx.hrl").

-define(NS_CSI, <<"urn:xmpp:csi:0">>).

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    [{server, mmx_server:start(beside_plain(#{}))} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% The same happens to a session without the module, then to one with it.
%% What the fun says that the session was sent tells the same.
same(Config, Fun) ->
    [Native, Ours] = [
        begin
            Me = self(),
            story(Config, ["bob/desk", {Name ++ "/phone", #{sm => true}}, Name ++ "/desk"], fun(Room, Bob, Phone, Desk) ->
                enter(Room, [{Bob, <<"bob">>}]),
                Me ! {sent, [told_by(Stanza) || Stanza <- Fun(Room, Bob, Phone, Desk)]}
            end),
            receive {sent, Stanzas} -> Stanzas end
        end
     || Name <- ["carol", "alice"]
    ],
    ?assertEqual(Native, Ours).

told_by(#xmlel{name = Name} = Stanza) ->
    {Name, from_nick(Stanza), type(Stanza), status_codes(Stanza), cdata(child(Stanza, show)), body(Stanza), is_subject(Stanza)}.

in_and_inactive(Room, Bob, Session) ->
    enter(Room, [{Session, <<"me">>}]),
    settle(Room, [Bob]),
    indicate(Session, inactive).

indicate(Session, State) ->
    send(Session, el(State, [{xmlns, ?NS_CSI}])),
    [] = sync(Session).

activated(Session) ->
    send(Session, el(active, [{xmlns, ?NS_CSI}])),
    sync(Session).

shown(Client, Room, Show) ->
    send(Client, presence(<<Room/binary, "/bob">>, [el(show, [], [Show])])),
    ?assertEqual([Show], [cdata(child(Stanza, show)) || Stanza <- sync(Client, Room)]).

until_body(Session, Text) ->
    recv_until(Session, fun(Stanza) -> body(Stanza) =:= Text end).

%% B8.64, I3 (XEP-0352 §3.2)
messages_arrive_in_order(Config) ->
    same(Config, fun(Room, Bob, Phone, _Desk) ->
        in_and_inactive(Room, Bob, Phone),
        Texts = [integer_to_binary(Number) || Number <- lists:seq(1, 300)],
        [
            begin
                say(Bob, Room, Text),
                send(Bob, presence(<<Room/binary, "/bob">>, [el(status, [], [Text])]))
            end
         || Text <- Texts
        ],
        Heard = until_body(Phone, lists:last(Texts)),
        ?assertEqual(Texts, bodies(Heard)),
        Heard
    end).

%% B8.64 (XEP-0352 §5.1)
presences_precede_what_is_said(Config) ->
    same(Config, fun(Room, Bob, Phone, _Desk) ->
        in_and_inactive(Room, Bob, Phone),
        shown(Bob, Room, <<"away">>),
        say(Bob, Room, <<"hello">>),
        [Presence, _] = Sent = until_body(Phone, <<"hello">>),
        ?assertEqual(<<"bob">>, from_nick(Presence)),
        Sent
    end).

%% B8.64 (XEP-0352 §5.1)
the_last_presence_of_an_occupant_counts(Config) ->
    same(Config, fun(Room, Bob, Phone, _Desk) ->
        in_and_inactive(Room, Bob, Phone),
        [shown(Bob, Room, Show) || Show <- [<<"away">>, <<"xa">>, <<"dnd">>]],
        say(Bob, Room, <<"hello">>),
        [Presence, _] = Sent = until_body(Phone, <<"hello">>),
        ?assertEqual(<<"dnd">>, cdata(child(Presence, show))),
        Sent
    end).

%% B8.64 (XEP-0352 §5.2)
presences_precede_the_answers_of_the_room(Config) ->
    same(Config, fun(Room, Bob, Phone, _Desk) ->
        in_and_inactive(Room, Bob, Phone),
        shown(Bob, Room, <<"away">>),
        [_] = sync(Phone, Room)
    end).

%% B8.64 (XEP-0352 §4)
presences_wait_until_the_session_is_active(Config) ->
    same(Config, fun(Room, Bob, Phone, _Desk) ->
        in_and_inactive(Room, Bob, Phone),
        shown(Bob, Room, <<"away">>),
        ?assertEqual([], sync(Phone)),
        [_] = activated(Phone)
    end).

%% B1.5, B8.64 (XEP-0045 §7.1, XEP-0352 §5.1)
a_session_enters_while_it_is_inactive(Config) ->
    same(Config, fun(Room, Bob, Phone, _Desk) ->
        spoken_in(Room, Bob),
        indicate(Phone, inactive),
        join(Phone, Room, <<"me">>)
    end).

%% B2.18, B2.22, B8.64 (XEP-0045 §7.1, XEP-0352 §5.1)
a_second_session_enters_while_it_is_inactive(Config) ->
    same(Config, fun(Room, Bob, Phone, Desk) ->
        spoken_in(Room, Bob),
        join(Desk, Room, <<"me">>),
        indicate(Phone, inactive),
        join(Phone, Room, <<"me">>)
    end).

spoken_in(Room, Bob) ->
    subject(Bob, Room, <<"tea">>),
    [say(Bob, Room, Text) || Text <- [<<"one">>, <<"two">>]],
    _ = sync(Bob, Room).

%% B7.53, B8.64 (XEP-0045 §7.14)
a_session_leaves_while_it_is_inactive(Config) ->
    same(Config, fun(Room, Bob, Phone, _Desk) ->
        in_and_inactive(Room, Bob, Phone),
        IsGone = fun(Stanza) -> from_nick(Stanza) =:= <<"me">> andalso type(Stanza) =:= <<"unavailable">> end,
        left_inactive(Room, Bob, Phone, fun() -> take(Bob, IsGone) end)
    end).

%% B6.47, B6.49, B8.64 (XEP-0045 §7.14)
a_second_session_leaves_while_it_is_inactive(Config) ->
    same(Config, fun(Room, Bob, Phone, Desk) ->
        join(Desk, Room, <<"me">>),
        in_and_inactive(Room, Bob, Phone),
        left_inactive(Room, Bob, Phone, fun() -> nobody_is_gone end)
    end).

left_inactive(Room, Bob, Session, Seen) ->
    shown(Bob, Room, <<"away">>),
    send(Session, presence(<<Room/binary, "/me">>, unavailable, [])),
    ?assertEqual([], sync(Session)),
    _ = Seen(),
    _ = sync(Bob, Room),
    shown(Bob, Room, <<"dnd">>),
    [_, Own] = Sent = [Presence || Presence <- activated(Session), from_nick(Presence) =/= undefined],
    ?assert(is_self_presence(Own)),
    Sent.

%% B2.18, B6.47, B8.64 (XEP-0045 §7.2, §7.14)
a_session_leaves_and_enters_while_it_is_inactive(Config) ->
    same(Config, fun(Room, Bob, Phone, _Desk) ->
        in_and_inactive(Room, Bob, Phone),
        send(Phone, presence(<<Room/binary, "/me">>, unavailable, [])),
        join(Phone, Room, <<"me">>)
    end).

%% B4.34, B8.64 (XEP-0045 §7.6)
a_rename_arrives_in_order(Config) ->
    same(Config, fun(Room, Bob, Phone, _Desk) ->
        in_and_inactive(Room, Bob, Phone),
        rename(Bob, Room, <<"robert">>),
        [Gone, Come] = Sent = activated(Phone),
        ?assertEqual({[303], <<"robert">>}, {status_codes(Gone), from_nick(Come)}),
        Sent
    end).

%% B8.64, B9.65 (XEP-0045 §8.2)
a_kick_arrives_in_the_end(Config) ->
    same(Config, fun(Room, Bob, Phone, _Desk) ->
        in_and_inactive(Room, Bob, Phone),
        shown(Bob, Room, <<"away">>),
        set_role(Bob, Room, <<"me">>, none),
        Sent = activated(Phone),
        ?assertEqual([110, 307], status_codes(lists:last(Sent))),
        Sent
    end).

%% B8.60, B8.64 (XEP-0198 §5, XEP-0352 §5.1)
a_session_is_lost_while_it_is_inactive(Config) ->
    same(Config, fun(Room, Bob, Phone, _Desk) ->
        in_and_inactive(Room, Bob, Phone),
        shown(Bob, Room, <<"away">>),
        lose(Config, Phone),
        say(Bob, Room, <<"hello">>),
        _ = seen(Bob, Room),
        rename(Bob, Room, <<"robert">>),
        ok = resume(Phone),
        Sent = sync(Phone),
        ?assertMatch([<<"hello">>, <<"marker ", _/binary>>], bodies(Sent)),
        told(Bob, Room, <<"bye">>, [Bob, Phone]),
        [Stanza || Stanza <- Sent, body(Stanza) =:= undefined orelse body(Stanza) =:= <<"hello">>]
    end).
