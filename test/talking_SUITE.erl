%% What sessions and rooms say to each other.
-module(talking_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    what_one_session_says_all_hear_once/1,
    what_others_say_arrives_untouched/1,
    what_a_session_says_arrives_untouched/1,
    a_message_without_an_id_stays_without/1,
    messages_with_the_same_id_come_back_as_they_went/1,
    a_refused_message_is_its_senders_alone/1,
    a_session_that_is_not_in_may_not_talk/1,
    an_error_of_a_session_stops_here/1,
    a_private_message_reaches_all_sessions/1,
    a_private_answer_is_copied_to_the_sessions_in_the_room/1,
    a_private_message_to_nobody_is_refused_to_its_sender/1,
    a_private_message_is_archived_once/1,
    a_subject_is_everybodys/1,
    nobody_listens_and_nothing_bounces/1
]).

-include("support/mmx.hrl").

-define(NS_CARBONS, <<"urn:xmpp:carbons:2">>).
-define(NS_MAM, <<"urn:xmpp:mam:2">>).

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    [{server, mmx_server:start(beside_plain(#{}))} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% B15.95, B15.96, B15.101 (XEP-0045 §7.4)
what_one_session_says_all_hear_once(Config) ->
    story(Config, people(), fun(Room, Bob, Phone, Desk, Pad) ->
        gather(Room, [Bob, Phone, Desk]),
        copies(Pad),
        [
            begin
                Said = message(Room, groupchat, [el(body, [], [<<"hello">>])]),
                send(Session, Said),
                Heard = [hears(Client, <<Room/binary, "/alice">>, <<"hello">>) || Client <- [Bob, Phone, Desk]],
                ?assertEqual([attr(Said, id) || _ <- Heard], [attr(Message, id) || Message <- Heard]),
                ?assertEqual([jid(Client) || Client <- [Bob, Phone, Desk]], [attr(Message, to) || Message <- Heard])
            end
         || Session <- [Phone, Desk, Phone]
        ],
        unnoticed(Config, Room, Bob, [Phone, Desk]),
        ?assertEqual([], sync(Pad, Room))
    end).

%% B15.103, I6 (XEP-0045 §7.4, XEP-0359 §3)
what_others_say_arrives_untouched(Config) ->
    story(Config, ["carol/desk" | people()], fun(Room, Carol, Bob, Phone, Desk, _Pad) ->
        gather(Room, [Bob, Phone, Desk]),
        enter(Room, [{Carol, <<"carol">>}]),
        settle(Room, [Bob, Phone, Desk]),
        Attrs = [{'xml:lang', <<"de-AT">>}, {odd, <<"a 'quoted' & <value>">>}],
        Message = message(Room, groupchat, odd_children()),
        Said = [
            Message#xmlel{attrs = Message#xmlel.attrs ++ (el(x, Attrs))#xmlel.attrs},
            presence(<<Room/binary, "/bob">>, [el(priority, [], [<<"7">>]) | odd_children()]),
            message(Room, groupchat, [el('apply-to', [{xmlns, <<"urn:xmpp:fasten:0">>}, {id, <<"1">>}])])
        ],
        [
            begin
                send(Bob, Stanza),
                [Native | Ours] = [text_without_to(recv(Client)) || Client <- [Carol, Phone, Desk]],
                ?assertEqual([Native, Native], Ours)
            end
         || Stanza <- Said
        ]
    end).

%% B15.95, I2 (XEP-0045 §7.4)
what_a_session_says_arrives_untouched(Config) ->
    story(Config, ["carol/desk" | people()], fun(Room, Carol, Bob, Phone, Desk, _Pad) ->
        gather(Room, [Bob, Phone, Desk]),
        enter(Room, [{Carol, <<"carol">>}]),
        settle(Room, [Bob]),
        Said = message(Room, groupchat, odd_children()),
        [Native, Ours] = [
            begin
                send(Client, Said),
                recv(Bob)
            end
         || Client <- [Carol, Phone]
        ],
        ?assertEqual([<<"carol">>, <<"alice">>], [from_nick(Native), from_nick(Ours)]),
        Own = [from, 'stanza-id', 'occupant-id'],
        ?assertEqual(text_without(Native, Own), text_without(Ours, Own))
    end).

odd_children() ->
    [
        el(body, [{'xml:lang', <<"de">>}], [<<"<grüß> & 'gott'"/utf8>>]),
        el(body, [], [<<" two  spaces ">>]),
        el(odd, [{xmlns, <<"urn:odd">>}, {key, <<"1">>}], [
            el(body, [{xmlns, <<"urn:even">>}], [<<"\t">>]), <<"between">>, el(even, [])
        ]),
        el('origin-id', [{xmlns, <<"urn:xmpp:sid:0">>}, {id, <<"origin">>}]),
        el(reactions, [{xmlns, <<"urn:xmpp:reactions:0">>}, {id, <<"x">>}], [el(reaction, [], [<<"👋"/utf8>>])])
    ].

text_without_to(Stanza) ->
    text_without(Stanza, [to]).

text_without(#xmlel{attrs = Attrs, children = Children} = Stanza, Names) ->
    Unwanted = [atom_to_binary(Name) || Name <- Names],
    to_text(Stanza#xmlel{
        attrs = [Attr || {Key, _} = Attr <- Attrs, not lists:member(Key, Unwanted)],
        children = [Child || #xmlel{name = Name} = Child <- Children, not lists:member(Name, Unwanted)]
    }).

%% B15.100 (XEP-0045 §7.4)
a_message_without_an_id_stays_without(Config) ->
    story(Config, people(), fun(Room, Bob, Phone, Desk, _Pad) ->
        gather(Room, [Bob, Phone, Desk]),
        send(Phone, el(message, [{to, Room}, {type, groupchat}], [el(body, [], [<<"hello">>])])),
        Heard = [hears(Client, <<Room/binary, "/alice">>, <<"hello">>) || Client <- [Phone, Desk]],
        ?assertEqual([undefined, undefined], [attr(Message, id) || Message <- Heard])
    end).

%% B15.99 (XEP-0045 §7.4)
messages_with_the_same_id_come_back_as_they_went(Config) ->
    story(Config, people(), fun(Room, Bob, Phone, Desk, _Pad) ->
        gather(Room, [Bob, Phone, Desk]),
        paused(Config, Room, fun() -> [say_as(S, Room, Text) || {S, Text} <- [{Phone, <<"p">>}, {Desk, <<"d">>}]] end),
        [
            begin
                Heard = hears(Session, <<Room/binary, "/alice">>, Text),
                ?assertEqual(<<"same">>, attr(Heard, id))
            end
         || Session <- [Phone, Desk], Text <- [<<"p">>, <<"d">>]
        ],
        ?assertEqual([<<"p">>, <<"d">>], bodies(seen(Bob, Room))),
        [?assertMatch([<<"marker ", _/binary>>], bodies(sync(Session, Room))) || Session <- [Phone, Desk]]
    end).

%% B15.98, B15.99 (XEP-0045 §7.5)
a_refused_message_is_its_senders_alone(Config) ->
    story(Config, people(), fun(Room, Bob, Phone, Desk, _Pad) ->
        gather(Room, [Bob, Phone, Desk]),
        room_option(Config, Room, <<"moderated">>, <<"true">>),
        set_role(Bob, Room, <<"alice">>, visitor),
        settle(Room, [Bob, Phone, Desk]),
        paused(Config, Room, fun() -> [say_as(S, Room, Text) || {S, Text} <- [{Phone, <<"p">>}, {Desk, <<"d">>}]] end),
        [
            begin
                Refusal = recv(Session),
                ?assertEqual({Room, <<"forbidden">>}, {from(Refusal), error_condition(Refusal)}),
                ?assertEqual({<<"same">>, Text, jid(Session)}, {attr(Refusal, id), body(Refusal), attr(Refusal, to)})
            end
         || {Session, Text} <- [{Phone, <<"p">>}, {Desk, <<"d">>}]
        ],
        unnoticed(Config, Room, Bob, [Phone, Desk])
    end).

say_as(Session, Room, Text) ->
    send(Session, el(message, [{to, Room}, {type, groupchat}, {id, <<"same">>}], [el(body, [], [Text])])),
    drain(Session).

%% B15.97, B17.118 (XEP-0045 §7.4)
a_session_that_is_not_in_may_not_talk(Config) ->
    story(Config, people(), fun(Room, Bob, Phone, Desk, Pad) ->
        gather(Room, [Bob, Phone, Desk]),
        Occupant = <<Room/binary, "/bob">>,
        Tries = [
            message(Room, groupchat, [el(body, [], [<<"hello">>])]),
            message(Occupant, chat, [el(body, [], [<<"psst">>])]),
            iq(Occupant, get, [el(query, [{xmlns, <<"jabber:iq:version">>}])])
        ],
        [
            begin
                send(Pad, Try),
                Refusal = recv(Pad),
                ?assertEqual({attr(Try, to), attr(Try, id)}, {from(Refusal), attr(Refusal, id)}),
                ?assertEqual(<<"not-acceptable">>, error_condition(Refusal))
            end
         || Try <- Tries
        ],
        _ = sync(Pad, Room),
        unnoticed(Config, Room, Bob, [Phone, Desk])
    end).

%% B13.89, I5 (XEP-0045 §18.1.2)
an_error_of_a_session_stops_here(Config) ->
    story(Config, people(), fun(Room, Bob, Phone, Desk, _Pad) ->
        gather(Room, [Bob, Phone, Desk]),
        Error = el(error, [{type, cancel}], [el('service-unavailable', [{xmlns, ?NS_STANZAS}])]),
        Tos = [Room, <<Room/binary, "/bob">>, <<Room/binary, "/alice">>],
        [
            send(Phone, el(Name, [{to, To}, {type, error}, {id, <<"e">>}], [Error]))
         || Name <- [message, presence, iq], To <- Tos
        ],
        _ = sync(Phone, Room),
        unnoticed(Config, Room, Bob, [Phone, Desk])
    end).

%% B16.108, B16.110 (XEP-0045 §7.5, XEP-0280 §6.1)
a_private_message_reaches_all_sessions(Config) ->
    story(Config, people(), fun(Room, Bob, Phone, Desk, Pad) ->
        gather(Room, [Bob, Phone, Desk]),
        [copies(Session) || Session <- [Phone, Desk, Pad]],
        Said = message(<<Room/binary, "/alice">>, chat, odd_children()),
        send(Bob, Said),
        Heard = [recv(Session) || Session <- [Phone, Desk]],
        [
            begin
                ?assertEqual({attr(Said, id), <<Room/binary, "/bob">>}, {attr(Message, id), from(Message)}),
                ?assertMatch(#xmlel{}, child(Message, odd))
            end
         || Message <- Heard
        ],
        ?assertEqual([text_without_to(hd(Heard))], [text_without_to(lists:last(Heard))]),
        [?assertEqual([], sync(Session, Room)) || Session <- [Phone, Desk, Pad]],
        unnoticed(Config, Room, Bob, [Phone, Desk])
    end).

%% B16.111, T2 (XEP-0045 §7.5, XEP-0280 §6.1)
a_private_answer_is_copied_to_the_sessions_in_the_room(Config) ->
    story(Config, people(), fun(Room, Bob, Phone, Desk, Pad) ->
        gather(Room, [Bob, Phone, Desk]),
        [copies(Session) || Session <- [Phone, Desk, Pad]],
        Marked = [el(body, [], [<<"psst">>]), el(x, [{xmlns, ?NS_MUC_USER}])],
        send(Phone, message(<<Room/binary, "/bob">>, chat, Marked)),
        hears(Bob, <<Room/binary, "/alice">>, <<"psst">>),
        Copy = child(recv(Desk), sent, ?NS_CARBONS),
        Original = child(child(Copy, forwarded), message),
        ?assertEqual({<<Room/binary, "/bob">>, <<"psst">>}, {attr(Original, to), body(Original)}),
        [?assertEqual([], sync(Session, Room)) || Session <- [Phone, Desk, Pad]]
    end).

copies(Session) ->
    ?assertEqual(<<"result">>, type(request(Session, iq(none, set, [el(enable, [{xmlns, ?NS_CARBONS}])])))).

%% B16.114 (XEP-0045 §7.5)
a_private_message_to_nobody_is_refused_to_its_sender(Config) ->
    story(Config, people(), fun(Room, Bob, Phone, Desk, _Pad) ->
        gather(Room, [Bob, Phone, Desk]),
        Said = message(<<Room/binary, "/nobody">>, chat, [el(body, [], [<<"psst">>])]),
        send(Desk, Said),
        Refusal = recv(Desk),
        ?assertEqual({<<Room/binary, "/nobody">>, attr(Said, id)}, {from(Refusal), attr(Refusal, id)}),
        ?assertEqual(<<"item-not-found">>, error_condition(Refusal)),
        unnoticed(Config, Room, Bob, [Phone, Desk])
    end).

%% B16.112 (XEP-0313 §6.1.1)
a_private_message_is_archived_once(Config) ->
    story(Config, people(), fun(Room, Bob, Phone, Desk, Pad) ->
        gather(Room, [Bob, Phone, Desk]),
        whisper(Bob, Room, <<"alice">>, <<"psst">>),
        [hears(Session, <<Room/binary, "/bob">>, <<"psst">>) || Session <- [Phone, Desk]],
        whisper(Desk, Room, <<"bob">>, <<"what?">>),
        hears(Bob, <<Room/binary, "/alice">>, <<"what?">>),
        told(Desk, Room, <<"aloud">>, [Bob, Phone, Desk]),
        send(Pad, Query = iq(none, set, [el(query, [{xmlns, ?NS_MAM}, {queryid, <<"q">>}])])),
        Results = recv_until(Pad, fun(Stanza) -> attr(Stanza, id) =:= attr(Query, id) end),
        Archived = [body(child(child(child(S, result), forwarded), message)) || S <- lists:droplast(Results)],
        ?assertEqual([<<"psst">>, <<"what?">>], Archived)
    end).

%% B15.105 (XEP-0045 §8.1)
a_subject_is_everybodys(Config) ->
    story(Config, people(), fun(Room, Bob, Phone, Desk, Pad) ->
        gather(Room, [Bob, Phone, Desk]),
        subject(Desk, Room, <<"tea">>),
        Live = [recv(Client) || Client <- [Bob, Phone, Desk]],
        Subjects = [lists:last(join(Pad, Room, <<"alice">>)) | Live],
        Expected = {<<Room/binary, "/alice">>, <<"tea">>},
        ?assertEqual([Expected || _ <- Subjects], [{from(S), cdata(child(S, subject))} || S <- Subjects])
    end).

%% B15.107, B16.109, I5 (XEP-0045 §18.1)
nobody_listens_and_nothing_bounces(Config) ->
    story(Config, people(), fun(Room, Bob, Phone, Desk, Pad) ->
        gather(Room, [Bob, Phone, Desk]),
        Account = account(Pad),
        [close(Session) || Session <- [Phone, Desk, Pad]],
        told(Bob, Room, <<"hello?">>, [Bob]),
        whisper(Bob, Room, <<"alice">>, <<"psst">>),
        subject(Bob, Room, <<"tea">>),
        ?assertEqual([<<"message">>], [S#xmlel.name || S <- seen(Bob, Room)]),
        ?assertEqual([{<<"alice">>, Account}, {<<"bob">>, jid(Bob)}], in_room(Config, Room)),
        Again = connect(?config(server, Config), [hd(binary:split(Account, <<"@">>)), "/again"]),
        ?assertEqual([<<"psst">>], bodies(sync(Again))),
        ?assertMatch([<<"hello?">>, <<"marker ", _/binary>>], bodies(join(Again, Room, <<"alice">>)))
    end).

people() ->
    ["bob/desk", "alice/phone", "alice/desk", "alice/pad"].

gather(Room, [Bob, Phone, Desk]) ->
    enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]).
