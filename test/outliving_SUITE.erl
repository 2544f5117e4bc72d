%% Sessions that never resume: what was for them goes nowhere else.
%% The server sends what nobody acknowledged again, or answers it with an error, by its configuration.
-module(outliving_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    the_account_stays_and_the_others_hear_once/1,
    the_last_session_leaves_the_account_in/1,
    the_room_hears_nothing_of_the_lost_session/1,
    the_room_hears_nothing_of_a_replaced_session/1,
    a_session_with_too_much_to_read_is_out/1,
    the_room_hears_nothing_of_a_lost_web_session/1,
    the_others_hear_once_what_was_for_a_lost_web_session/1,
    a_private_message_that_others_have_is_not_sent_again/1,
    a_private_message_that_nobody_has_is_sent_again_as_configured/1,
    a_private_message_stays_in_the_archive/1,
    a_question_is_answered_as_the_account/1,
    a_join_is_outlived/1
]).

-include("support/mmx.hrl").

-define(NS_MAM, <<"urn:xmpp:mam:2">>).
-define(NS_VERSION, <<"jabber:iq:version">>).
-define(MANY, 60).

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    Options = beside_plain(#{}),
    Server = fun(Resend) ->
        Stream = #{resend_on_timeout => Resend, max_ack_queue => 50},
        mmx_server:start(Options#{bosh => true, modules => #{mod_stream_mgmt => Stream}})
    end,
    [{servers, [Server(Resend) || Resend <- [false, true]]} | Config].

end_per_suite(Config) ->
    [mmx_server:stop(Server) || Server <- ?config(servers, Config)].

%% The story takes place on both servers.
twice(Config, People, Fun) ->
    [
        begin
            ct:log("resend_on_timeout: ~p", [Resend]),
            Here = [{server, Server}, {resends, Resend} | Config],
            story(Here, People, fun(Room, One, Two, Three) -> Fun(Here, Room, One, Two, Three) end)
        end
     || {Resend, Server} <- lists:zip([false, true], ?config(servers, Config))
    ].

%% B8.61, I3, I5 (XEP-0198 §6)
the_account_stays_and_the_others_hear_once(Config) ->
    twice(Config, ["bob/desk", {"alice/phone", #{sm => 1}}, "alice/desk"], fun(Here, Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        Stream = lose(Here, Phone),
        [told(Bob, Room, Text, [Bob, Desk]) || Text <- [<<"one">>, <<"two">>]],
        subject(Bob, Room, <<"tea">>),
        [?assert(is_subject(recv(Client))) || Client <- [Bob, Desk]],
        gone(Here, Stream),
        unnoticed(Here, Room, Bob, [Desk]),
        leave(Desk, Room),
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Here, Room))
    end).

%% B8.58, B8.61, B15.107 (XEP-0198 §6)
the_last_session_leaves_the_account_in(Config) ->
    twice(Config, ["bob/desk", {"alice/phone", #{sm => 1}}, "alice/desk"], fun(Here, Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        settle(Room, [Bob]),
        Stream = lose(Here, Phone),
        told(Bob, Room, <<"one">>, [Bob]),
        gone(Here, Stream),
        told(Bob, Room, <<"two">>, [Bob]),
        marker(Bob, Bob, Room),
        ?assertEqual([{<<"alice">>, account(Phone)}, {<<"bob">>, jid(Bob)}], in_room(Here, Room)),
        ?assertEqual([], sync(Desk, Room)),
        ?assertMatch([<<"one">>, <<"two">>, <<"marker ", _/binary>>], bodies(join(Desk, Room, <<"alice">>))),
        unnoticed(Here, Room, Bob, [Desk])
    end).

%% B8.59, B8.61, I5 (XEP-0045 §18.1.2, XEP-0198 §6)
the_room_hears_nothing_of_the_lost_session(Config) ->
    twice(Config, people(1), fun(Here, _, _, Phone, Desk) ->
        {Puppet, Room} = mmx_puppet:joined_by(?config(server, Here), [Phone, Desk]),
        Stream = lose(Here, Phone),
        says_all(Puppet, Room, account(Phone)),
        gone(Here, Stream),
        say(Desk, Room, <<"hello">>),
        ?assertEqual([{account(Desk), <<"groupchat">>, <<"hello">>}], said(Puppet))
    end).

%% B8.59, B8.61, B8.62, I5 (XEP-0045 §18.1.2, XEP-0198 §6)
the_room_hears_nothing_of_a_replaced_session(Config) ->
    twice(Config, people(true), fun(Here, _, _, Phone, Desk) ->
        Server = ?config(server, Here),
        {Puppet, Room} = mmx_puppet:joined_by(Server, [Phone, Desk]),
        Stream = lose(Here, Phone),
        says_all(Puppet, Room, account(Phone)),
        Again = connect(Server, [hd(binary:split(account(Phone), <<"@">>)), "/phone"]),
        gone(Here, Stream),
        ?assertEqual([], sync(Again)),
        say(Desk, Room, <<"hello">>),
        ?assertEqual([{account(Desk), <<"groupchat">>, <<"hello">>}], said(Puppet))
    end).

%% All that makes rooms expel who answers it with an error.
says_all(Puppet, Room, Account) ->
    Bob = <<Room/binary, "/bob">>,
    mmx_puppet:shows(Puppet, Room, <<"bob">>, Account, []),
    [
        mmx_puppet:says(Puppet, Bob, message(Account, Type, [el(body, [], [<<"hello">>])]))
     || Type <- [groupchat, chat, normal, headline]
    ],
    mmx_puppet:says(Puppet, Room, message(Account, groupchat, [el(subject, [], [<<"tea">>])])).

%% Up to what is said last; the rest would have come before.
said(Puppet) ->
    First = mmx_puppet:takes(Puppet),
    [{from(Stanza), type(Stanza), body(Stanza)} || Stanza <- [First | mmx_puppet:waiting(Puppet)]].

%% B8.61, I5, I10 (XEP-0198 §6)
a_session_with_too_much_to_read_is_out(Config) ->
    twice(Config, people(true), fun(Here, _, Bob, Phone, Desk) ->
        {Puppet, Room} = mmx_puppet:joined_by(?config(server, Here), [Phone, Desk]),
        Stream = lose(Here, Phone),
        Loud = [message(account(Phone), groupchat, [el(body, [], [<<"hello">>])]) || _ <- lists:seq(1, ?MANY)],
        [mmx_puppet:says(Puppet, <<Room/binary, "/bob">>, Message) || Message <- Loud],
        gone(Here, Stream),
        [?assertEqual(<<"hello">>, body(recv(Desk))) || _ <- Loud],
        ?assertEqual([], sync(Desk)),
        say(Desk, Room, <<"hello">>),
        ?assertEqual([{account(Desk), <<"groupchat">>, <<"hello">>}], said(Puppet)),
        drain(Bob)
    end).

%% B8.61, I5 (XEP-0045 §18.1.2, XEP-0124 §10)
the_room_hears_nothing_of_a_lost_web_session(Config) ->
    lost_web_session(Config, fun(Puppet, Room, Desk) ->
        say(Desk, Room, <<"hello">>),
        ?assertEqual([{account(Desk), <<"groupchat">>, <<"hello">>}], said(Puppet))
    end).

%% B8.61, I3 (XEP-0124 §10)
the_others_hear_once_what_was_for_a_lost_web_session(Config) ->
    lost_web_session(Config, fun(_, _, Desk) ->
        ?assertEqual([<<"hello">> || _ <- lists:seq(1, 8)], bodies(sync(Desk)))
    end).

lost_web_session(Config, Fun) ->
    People = ["bob/desk", {"alice/phone", #{over => mmx_bosh}}, "alice/desk"],
    twice(Config, People, fun(Here, _, _, Phone, Desk) ->
        Server = ?config(server, Here),
        {Puppet, Room} = mmx_puppet:joined_by(Server, [Phone, Desk]),
        Stream = mmx_server:c2s_pid(Server, jid(Phone)),
        kill(Phone),
        [says_all(Puppet, Room, account(Phone)) || _ <- [1, 2]],
        gone(Here, Stream),
        Fun(Puppet, Room, Desk)
    end).

%% B8.61, B16.108 (XEP-0045 §7.5, XEP-0198 §6)
a_private_message_that_others_have_is_not_sent_again(Config) ->
    twice(Config, [{"alice/phone", #{sm => 1}}, "alice/desk", "alice/pad"], fun(Here, _, Phone, Desk, Pad) ->
        {Puppet, Room} = mmx_puppet:joined_by(?config(server, Here), [Phone, Desk]),
        Stream = lose(Here, Phone),
        Whispers = [message(account(Phone), Type, [el(body, [], [<<"psst">>])]) || Type <- [chat, normal]],
        [mmx_puppet:says(Puppet, <<Room/binary, "/bob">>, Message) || Message <- Whispers],
        gone(Here, Stream),
        ?assertEqual([<<"psst">>, <<"psst">>], bodies(sync(Desk))),
        ?assertEqual([], sync(Pad))
    end).

%% B8.61, B16.109 (XEP-0198 §6, option resend_on_timeout of mod_stream_mgmt)
a_private_message_that_nobody_has_is_sent_again_as_configured(Config) ->
    twice(Config, ["bob/desk", {"alice/phone", #{sm => 1}}, "alice/pad"], fun(Here, Room, Bob, Phone, Pad) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        settle(Room, [Bob]),
        Stream = lose(Here, Phone),
        whisper(Bob, Room, <<"alice">>, <<"psst">>),
        marker(Bob, Bob, Room),
        gone(Here, Stream),
        marker(Bob, Bob, Room),
        ?assertEqual([<<"psst">> || ?config(resends, Here)], bodies(sync(Pad, Room))),
        ?assertEqual([{<<"alice">>, account(Pad)}, {<<"bob">>, jid(Bob)}], in_room(Here, Room))
    end).

%% B8.61, B16.112 (XEP-0313 §6.1.1)
a_private_message_stays_in_the_archive(Config) ->
    twice(Config, ["bob/desk", {"alice/phone", #{sm => 1}}, "alice/pad"], fun(Here, Room, Bob, Phone, Pad) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        Stream = lose(Here, Phone),
        whisper(Bob, Room, <<"alice">>, <<"psst">>),
        _ = seen(Bob, Room),
        gone(Here, Stream),
        ?assertEqual([<<"psst">>], archived(Pad))
    end).

archived(Session) ->
    send(Session, Query = iq(none, set, [el(query, [{xmlns, ?NS_MAM}])])),
    Results = recv_until(Session, fun(Stanza) -> attr(Stanza, id) =:= attr(Query, id) end),
    [body(child(child(Result, forwarded), message)) || #xmlel{} = Result <- [child(S, result) || S <- Results]].

%% B17.121, T13 (XEP-0045 §17.4, XEP-0198 §6)
a_question_is_answered_as_the_account(Config) ->
    twice(Config, people(1), fun(Here, _, _, Phone, Desk) ->
        {Puppet, Room} = mmx_puppet:joined_by(?config(server, Here), [Phone]),
        Stream = lose(Here, Phone),
        Question = iq(account(Phone), get, [el(query, [{xmlns, ?NS_VERSION}])]),
        mmx_puppet:says(Puppet, <<Room/binary, "/bob">>, Question),
        gone(Here, Stream),
        Answer = mmx_puppet:takes(Puppet),
        ?assertEqual({account(Desk), attr(Question, id), <<"error">>}, {from(Answer), attr(Answer, id), type(Answer)}),
        ?assertEqual([], mmx_puppet:waiting(Puppet))
    end).

%% B8.58, B8.61, I1 (XEP-0198 §6)
a_join_is_outlived(Config) ->
    twice(Config, people(1), fun(Here, Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}]),
        paused(Here, Room, fun() ->
            ask(Phone, Room, <<"alice">>),
            drain(Phone),
            gone(Here, lose(Here, Phone))
        end),
        settle(Room, [Bob]),
        ?assertMatch([_, <<"bob">>, <<"alice">>], nicks(join(Desk, Room, <<"alice">>))),
        settle(Room, [Bob]),
        unnoticed(Here, Room, Bob, [Desk]),
        leave(Desk, Room),
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Here, Room))
    end).

people(Wait) ->
    ["bob/desk", {"alice/phone", #{sm => Wait}}, "alice/desk"].
