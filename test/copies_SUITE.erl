%% Private messages in carbons, archives, the offline store and pushes; and messages of rooms in none of them.
-module(copies_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    what_is_said_aloud_is_copied_to_nobody/1,
    what_is_said_in_private_is_copied_as_wished/1,
    what_is_not_to_be_copied_is_not/1,
    what_is_heard_in_private_is_heard_once/1,
    a_copy_has_the_id_of_the_archive/1,
    both_directions_are_archived_as_natively/1,
    the_archive_is_the_same_for_all_sessions/1,
    preferences_of_the_archive_are_kept/1,
    a_private_message_waits_for_the_next_session/1,
    a_private_message_to_nobody_in_the_room_is_a_chat/1,
    what_is_not_worth_waiting_does_not/1,
    what_is_said_in_private_wakes_a_lost_session/1,
    a_private_message_wakes_a_device_once/1
]).

-include("support/mmx.hrl").
-import(mmx_twin, [same/3, ours/3, is_marker/1]).

-define(NS_CARBONS, <<"urn:xmpp:carbons:2">>).
-define(NS_MAM, <<"urn:xmpp:mam:2">>).
-define(NS_HINTS, <<"urn:xmpp:hints">>).
-define(NS_CHATSTATES, <<"http://jabber.org/protocol/chatstates">>).
-define(NS_PUSH, <<"urn:xmpp:push:0">>).
-define(NS_SID, <<"urn:xmpp:sid:0">>).

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    [{server, mmx_twin:start(#{mod_push_keepalive => #{}, mod_block_strangers => none})} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

copies(Session) ->
    ?assertEqual(<<"result">>, type(request(Session, iq(none, set, [el(enable, [{xmlns, ?NS_CARBONS}])])))).

said(Text) ->
    [el(body, [], [Text]), el(x, [{xmlns, ?NS_MUC_USER}])].

%% B15.101 (XEP-0280 §6.1)
what_is_said_aloud_is_copied_to_nobody(Config) ->
    same(Config, ["phone", "pad"], fun(Room, Bob, _, Phone, Pad) ->
        [copies(Session) || Session <- [Phone, Pad]],
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        settle(Room, [Bob]),
        [told(Client, Room, <<"hello">>, [Bob, Phone]) || Client <- [Bob, Phone]],
        sync(Phone, Room) ++ sync(Pad, Room)
    end).

%% B16.111 (XEP-0045 §7.5, XEP-0280 §6.1): to the sessions in the room that want it.
what_is_said_in_private_is_copied_as_wished(Config) ->
    ours(Config, ["phone", "desk", "pad"], fun(Room, Bob, _, Phone, Desk, Pad) ->
        [copies(Session) || Session <- [Phone, Pad]],
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        settle(Room, [Bob, Phone]),
        send(Phone, message(<<Room/binary, "/bob">>, chat, said(<<"one">>))),
        hears(Bob, <<Room/binary, "/alice">>, <<"one">>),
        send(Desk, message(<<Room/binary, "/bob">>, chat, said(<<"two">>))),
        hears(Bob, <<Room/binary, "/alice">>, <<"two">>),
        [Copy] = sync(Phone, Room),
        ?assertEqual(<<"two">>, body(child(child(child(Copy, sent, ?NS_CARBONS), forwarded), message))),
        [?assertEqual([], sync(Session, Room)) || Session <- [Desk, Pad]],
        join(Pad, Room, <<"alice">>),
        send(Desk, message(<<Room/binary, "/bob">>, chat, said(<<"three">>))),
        hears(Bob, <<Room/binary, "/alice">>, <<"three">>),
        [?assertMatch([_], sync(Session, Room)) || Session <- [Phone, Pad]],
        []
    end).

%% B16.115 (XEP-0280 §9, XEP-0334 §4.3)
what_is_not_to_be_copied_is_not(Config) ->
    ours(Config, ["phone", "desk"], fun(Room, Bob, _, Phone, Desk) ->
        [copies(Session) || Session <- [Phone, Desk]],
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        settle(Room, [Bob, Phone]),
        [
            begin
                send(Phone, message(<<Room/binary, "/bob">>, chat, [Secret | said(<<"psst">>)])),
                hears(Bob, <<Room/binary, "/alice">>, <<"psst">>)
            end
         || Secret <- [el(private, [{xmlns, ?NS_CARBONS}]), el('no-copy', [{xmlns, ?NS_HINTS}])]
        ],
        ?assertEqual([], sync(Desk, Room)),
        []
    end).

%% B16.108, B16.110, B16.116 (XEP-0045 §7.5, XEP-0280 §6.1)
what_is_heard_in_private_is_heard_once(Config) ->
    ours(Config, ["phone", "desk", "pad"], fun(Room, Bob, _, Phone, Desk, Pad) ->
        [copies(Session) || Session <- [Phone, Desk, Pad]],
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        settle(Room, [Bob, Phone]),
        Kinds = [
            {chat, said(<<"psst">>)},
            {normal, said(<<"psst">>)},
            {headline, said(<<"news">>)},
            {chat, [el(composing, [{xmlns, ?NS_CHATSTATES}])]},
            {chat, [el(received, [{xmlns, <<"urn:xmpp:receipts">>}, {id, <<"1">>}])]},
            {normal, [el(displayed, [{xmlns, <<"urn:xmpp:chat-markers:0">>}, {id, <<"1">>}])]}
        ],
        Sent = [message(<<Room/binary, "/alice">>, Type, Children) || {Type, Children} <- Kinds],
        [send(Bob, Message) || Message <- Sent],
        marker(Bob, Bob, Room),
        [
            begin
                Heard = [Stanza || Stanza <- sync(Session, Room), not is_marker(Stanza)],
                ?assertEqual([attr(Message, id) || Message <- Sent], [attr(Stanza, id) || Stanza <- Heard])
            end
         || Session <- [Phone, Desk]
        ],
        ?assertEqual([], sync(Pad, Room)),
        []
    end).

%% B16.112 (XEP-0359 §3, XEP-0313 §6.1.1)
a_copy_has_the_id_of_the_archive(Config) ->
    ours(Config, ["phone", "desk"], fun(Room, Bob, _, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        settle(Room, [Bob, Phone]),
        [
            send(Bob, message(<<Room/binary, "/alice">>, Type, said(<<"psst">>)))
         || Type <- [chat, normal]
        ],
        Heard = [[stanza_id(recv(Session), account(Session)) || _ <- [chat, normal]] || Session <- [Phone, Desk]],
        Archived = [attr(Result, id) || Result <- archive(Phone)],
        ?assertEqual([Archived, Archived], Heard),
        []
    end).

stanza_id(Message, By) ->
    [Id] = [attr(Child, id) || Child <- children(Message, 'stanza-id'), attr(Child, xmlns) =:= ?NS_SID, attr(Child, by) =:= By],
    Id.

archive(Session) ->
    send(Session, Query = iq(none, set, [el(query, [{xmlns, ?NS_MAM}])])),
    Answers = recv_until(Session, fun(Stanza) -> attr(Stanza, id) =:= attr(Query, id) end),
    [Result || #xmlel{} = Result <- [child(Stanza, result, ?NS_MAM) || Stanza <- Answers]].

archived(Session) ->
    [child(child(Result, forwarded), message) || Result <- archive(Session)].

%% B16.112 (XEP-0313 §6.1)
both_directions_are_archived_as_natively(Config) ->
    same(Config, ["phone"], fun(Room, Bob, _, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        settle(Room, [Bob]),
        send(Phone, message(<<Room/binary, "/bob">>, chat, said(<<"one">>))),
        hears(Bob, <<Room/binary, "/alice">>, <<"one">>),
        send(Bob, message(<<Room/binary, "/alice">>, chat, said(<<"two">>))),
        hears(Phone, <<Room/binary, "/bob">>, <<"two">>),
        send(Phone, message(<<Room/binary, "/bob">>, normal, said(<<"three">>))),
        send(Phone, message(<<Room/binary, "/nobody">>, chat, said(<<"four">>))),
        say(Phone, Room, <<"aloud">>),
        _ = sync(Phone, Room),
        Archived = archived(Phone),
        [{attr(M, type), from_nick(M) =:= <<"bob">>, resource(attr(M, to)), body(M)} || M <- Archived]
    end).

%% B16.112 (XEP-0313 §6.1.1)
the_archive_is_the_same_for_all_sessions(Config) ->
    ours(Config, ["phone", "desk", "pad"], fun(Room, Bob, _, Phone, Desk, Pad) ->
        [copies(Session) || Session <- [Phone, Desk, Pad]],
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        settle(Room, [Bob, Phone]),
        whisper(Bob, Room, <<"alice">>, <<"one">>),
        [hears(Session, <<Room/binary, "/bob">>, <<"one">>) || Session <- [Phone, Desk]],
        whisper(Desk, Room, <<"bob">>, <<"two">>),
        hears(Bob, <<Room/binary, "/alice">>, <<"two">>),
        leave(Desk, Room),
        leave(Phone, Room),
        [
            begin
                drain(Session),
                ?assertEqual([<<"one">>, <<"two">>], bodies(archived(Session)))
            end
         || Session <- [Phone, Desk, Pad]
        ],
        []
    end).

%% (XEP-0441 §2, XEP-0334 §4.2)
preferences_of_the_archive_are_kept(Config) ->
    same(Config, ["phone"], fun(Room, Bob, _, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        settle(Room, [Bob]),
        send(Bob, message(<<Room/binary, "/alice">>, chat, [el('no-store', [{xmlns, ?NS_HINTS}]) | said(<<"one">>)])),
        hears(Phone, <<Room/binary, "/bob">>, <<"one">>),
        Never = el(never, [], [el(jid, [], [Room])]),
        Prefs = el(prefs, [{xmlns, ?NS_MAM}, {default, always}], [el(always, []), Never]),
        ?assertEqual(<<"result">>, type(request(Phone, iq(none, set, [Prefs])))),
        whisper(Bob, Room, <<"alice">>, <<"two">>),
        hears(Phone, <<Room/binary, "/bob">>, <<"two">>),
        whisper(Phone, Room, <<"bob">>, <<"three">>),
        hears(Bob, <<Room/binary, "/alice">>, <<"three">>),
        Archived = archived(Phone),
        ?assertEqual([], Archived),
        Archived
    end).

%% B16.109, B16.112 (XEP-0160 §3, XEP-0313 §6.1)
a_private_message_waits_for_the_next_session(Config) ->
    ours(Config, ["phone"], fun(Room, Bob, _, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        settle(Room, [Bob]),
        [User, Host] = binary:split(account(Phone), <<"@">>),
        close(Phone),
        Kinds = [{chat, <<"one">>}, {normal, <<"two">>}],
        [send(Bob, message(<<Room/binary, "/alice">>, Type, said(Text))) || {Type, Text} <- Kinds],
        say(Bob, Room, <<"aloud">>),
        ?assertMatch([_], seen(Bob, Room)),
        Again = connect(?config(server, Config), [User, "/again"], #{host => Host}),
        Waited = sync(Again),
        Expected = [{<<"chat">>, <<"one">>}, {<<"normal">>, <<"two">>}],
        ?assertEqual(Expected, lists:sort([{type(Stanza), body(Stanza)} || Stanza <- Waited])),
        ?assertEqual([<<"one">>, <<"two">>], lists:sort(bodies(archived(Again)))),
        Other = connect(?config(server, Config), [User, "/other"], #{host => Host}),
        ?assertEqual([], sync(Other)),
        []
    end).

%% B16.109 (RFC 6121 §8.5.2)
a_private_message_to_nobody_in_the_room_is_a_chat(Config) ->
    ours(Config, ["phone", "pad"], fun(Room, Bob, _, Phone, Pad) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        settle(Room, [Bob]),
        close(Phone),
        whisper(Bob, Room, <<"alice">>, <<"psst">>),
        marker(Bob, Bob, Room),
        Heard = hears(Pad, <<Room/binary, "/bob">>, <<"psst">>),
        ?assertEqual([], sync(Pad, Room)),
        ?assertEqual([stanza_id(Heard, account(Pad))], [attr(Result, id) || Result <- archive(Pad)]),
        []
    end).

%% B15.107, B16.109 (XEP-0160 §3)
what_is_not_worth_waiting_does_not(Config) ->
    ours(Config, ["phone"], fun(Room, Bob, _, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        settle(Room, [Bob]),
        [User, Host] = binary:split(account(Phone), <<"@">>),
        close(Phone),
        To = <<Room/binary, "/alice">>,
        send(Bob, message(To, headline, said(<<"news">>))),
        subject(Bob, Room, <<"tea">>),
        ?assertMatch([_], seen(Bob, Room)),
        Again = connect(?config(server, Config), [User, "/again"], #{host => Host}),
        ?assertEqual([], sync(Again)),
        []
    end).

%% B8.60 (XEP-0357 §7)
what_is_said_in_private_wakes_a_lost_session(Config) ->
    ours(Config, [{"phone", #{sm => true}}], fun(Room, Bob, _, Phone) ->
        {Puppet, _} = push_enabled(Config, Phone),
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        settle(Room, [Bob]),
        acknowledge(Phone),
        drain(Phone),
        acknowledge(Phone),
        lose(Config, Phone),
        Before = pushes(Puppet),
        say(Bob, Room, <<"hello">>),
        whisper(Bob, Room, <<"alice">>, <<"psst">>),
        send(Bob, presence(<<Room/binary, "/bob">>, [el(show, [], [<<"away">>])])),
        _ = seen(Bob, Room),
        mmx_server:rpc(?config(server, Config), sys, get_state, [mmx_server:c2s_pid(?config(server, Config), jid(Phone))]),
        After = pushes(Puppet) -- Before,
        ok = resume(Phone),
        %% Neither the presence nor what names nobody.
        ?assertEqual([[<<"FORM_TYPE">>, <<"last-message-body">>]], [summary(Push) || Push <- After]),
        []
    end).

push_enabled(Config, Session) ->
    {Puppet, Jid} = mmx_puppet:open(?config(server, Config)),
    [_, Service] = binary:split(Jid, <<"@">>),
    Enable = el(enable, [{xmlns, ?NS_PUSH}, {jid, Service}, {node, <<"node">>}]),
    ?assertEqual(<<"result">>, type(request(Session, iq(none, set, [Enable])))),
    {Puppet, Service}.

pushes(Puppet) ->
    mmx_puppet:waiting(Puppet).

%% What of the message is told to the push service.
summary(Push) ->
    Item = child(child(child(Push, pubsub), publish), item),
    Form = child(child(Item, notification), x),
    Form =/= undefined andalso lists:sort([attr(Field, var) || Field <- children(Form, field)]).

%% B16.109 (XEP-0357 §7)
a_private_message_wakes_a_device_once(Config) ->
    ours(Config, [{"phone", #{sm => 1}}], fun(Room, Bob, _, Phone) ->
        {Puppet, _} = push_enabled(Config, Phone),
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        settle(Room, [Bob]),
        close(Phone),
        say(Bob, Room, <<"hello">>),
        _ = seen(Bob, Room),
        ?assertEqual([], pushes(Puppet)),
        whisper(Bob, Room, <<"alice">>, <<"psst">>),
        _ = seen(Bob, Room),
        ?assertMatch(#xmlel{name = <<"iq">>}, mmx_puppet:takes(Puppet)),
        _ = seen(Bob, Room),
        ?assertEqual([], pushes(Puppet)),
        []
    end).
