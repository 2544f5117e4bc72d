%% Requests and invitations between sessions, rooms and occupants.
-module(asking_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    an_answer_reaches_who_asked/1,
    requests_of_the_same_id_are_told_apart/1,
    a_request_of_an_occupant_is_answered_by_one_session/1,
    a_request_without_any_session_is_answered/1,
    the_vcard_of_the_occupant_is_the_accounts/1,
    the_room_tells_about_itself_to_everybody/1,
    the_room_shows_its_archive_to_who_asked/1,
    an_owner_configures_from_any_session/1,
    a_moderator_acts_from_any_session/1,
    a_ping_between_occupants_passes/1,
    an_invitation_goes_out_and_is_declined/1,
    a_change_of_the_room_is_told_to_all_sessions/1
]).

-include("support/mmx.hrl").

-define(NS_VERSION, <<"jabber:iq:version">>).
-define(NS_VCARD, <<"vcard-temp">>).
-define(NS_MAM, <<"urn:xmpp:mam:2">>).

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    [{server, mmx_server:start(beside_plain(#{}))} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% B17.117, B17.124 (XEP-0045 §17.4)
an_answer_reaches_who_asked(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        [
            begin
                Asked = ask_version(Session, Room, <<"bob">>, <<"id">>),
                answer_version(Bob, <<Room/binary, "/alice">>),
                Answer = recv(Session),
                ?assertEqual({<<"result">>, <<"id">>, attr(Asked, to)}, {type(Answer), attr(Answer, id), from(Answer)}),
                ?assertEqual(<<"test">>, cdata(child(child(Answer, query), name)))
            end
         || Session <- [Phone, Desk]
        ],
        [?assertEqual([], sync(Session, Room)) || Session <- [Phone, Desk]]
    end).

%% B17.117, B17.123, B17.124 (XEP-0045 §17.4)
requests_of_the_same_id_are_told_apart(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        [ask_version(Session, Room, <<"bob">>, <<"same">>) || Session <- [Phone, Desk]],
        [answer_version(Bob, <<Room/binary, "/alice">>) || _ <- [Phone, Desk]],
        Answers = [recv(Session) || Session <- [Phone, Desk]],
        [?assertEqual({<<"result">>, <<"same">>}, {type(Answer), attr(Answer, id)}) || Answer <- Answers],
        [?assertEqual([], sync(Session, Room)) || Session <- [Phone, Desk]]
    end).

ask_version(Session, Room, Nick, Id) ->
    Query = el(query, [{xmlns, ?NS_VERSION}]),
    Request = el(iq, [{to, <<Room/binary, "/", Nick/binary>>}, {type, get}, {id, Id}], [Query]),
    send(Session, Request),
    Request.

answer_version(Client, From) ->
    Asked = recv(Client),
    ?assertEqual({<<"get">>, From}, {type(Asked), from(Asked)}),
    Name = el(query, [{xmlns, ?NS_VERSION}], [el(name, [], [<<"test">>])]),
    send(Client, el(iq, [{to, From}, {type, result}, {id, attr(Asked, id)}], [Name])).

%% B17.121 (XEP-0045 §17.4)
a_request_of_an_occupant_is_answered_by_one_session(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        [
            begin
                Asked = ask_version(Bob, Room, <<"alice">>, <<"id">>),
                answer_version(Phone, <<Room/binary, "/bob">>),
                Answer = recv(Bob),
                ?assertEqual({<<"result">>, <<"id">>, attr(Asked, to)}, {type(Answer), attr(Answer, id), from(Answer)}),
                ?assertEqual([], sync(Desk, Room))
            end
         || _ <- [1, 2]
        ],
        leave(Phone, Room),
        _ = ask_version(Bob, Room, <<"alice">>, <<"id">>),
        answer_version(Desk, <<Room/binary, "/bob">>),
        ?assertEqual(<<"result">>, type(recv(Bob)))
    end).

%% B17.121, T13 (XEP-0045 §17.4)
a_request_without_any_session_is_answered(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        [going_offline(Session) || Session <- [Phone, Desk]],
        _ = ask_version(Bob, Room, <<"alice">>, <<"id">>),
        ?assertEqual(<<"service-unavailable">>, error_condition(recv(Bob))),
        ?assertEqual(<<"result">>, type(ping(Bob, Room, <<"alice">>))),
        marker(Bob, Bob, Room),
        ?assertEqual([{<<"alice">>, account(Phone)}, {<<"bob">>, jid(Bob)}], in_room(Config, Room)),
        [?assertEqual([<<"unavailable">>], [type(Out) || Out <- sync(Session, Room)]) || Session <- [Phone, Desk]]
    end).

%% B17.122 (XEP-0054 §3.3)
the_vcard_of_the_occupant_is_the_accounts(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Card = el('vCard', [{xmlns, ?NS_VCARD}], [el('FN', [], [<<"Alice">>])]),
        ?assertEqual(<<"result">>, type(request(Phone, iq(none, set, [Card])))),
        Request = iq(<<Room/binary, "/alice">>, get, [el('vCard', [{xmlns, ?NS_VCARD}])]),
        [
            begin
                Answer = take_name(request(Client, Request)),
                ?assertEqual(<<"Alice">>, Answer)
            end
         || Client <- [Bob, Desk]
        ],
        [?assertEqual([], sync(Session, Room)) || Session <- [Phone, Desk]]
    end).

take_name(Answer) ->
    cdata(child(child(Answer, 'vCard'), 'FN')).

%% B17.120 (XEP-0045 §6.4)
the_room_tells_about_itself_to_everybody(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        leave(Desk, Room),
        Info = fun(Client) -> children(child(request(Client, disco(Room)), query), feature) end,
        ?assertEqual(Info(Bob), Info(Phone)),
        ?assertEqual(Info(Bob), Info(Desk)),
        marker(Bob, Bob, Room)
    end).

disco(Room) ->
    iq(Room, get, [el(query, [{xmlns, ?NS_DISCO_INFO}])]).

%% B17.120, B21.157 (XEP-0313 §4)
the_room_shows_its_archive_to_who_asked(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        room_option(Config, Room, <<"mam">>, <<"true">>),
        settle(Room, [Bob, Phone, Desk]),
        told(Bob, Room, <<"hello">>, [Bob, Phone, Desk]),
        leave(Desk, Room),
        [
            begin
                Query = iq(Room, set, [el(query, [{xmlns, ?NS_MAM}, {queryid, <<"q">>}])]),
                send(Session, Query),
                Results = recv_until(Session, fun(Stanza) -> attr(Stanza, id) =:= attr(Query, id) end),
                ?assertEqual(<<"result">>, type(lists:last(Results))),
                Found = [body(child(child(child(S, result), forwarded), message)) || S <- lists:droplast(Results)],
                ?assertEqual([<<"hello">>], Found)
            end
         || Session <- [Phone, Desk]
        ],
        [?assertEqual([], sync(Session, Room)) || Session <- [Phone, Desk]]
    end).

%% B17.119 (XEP-0045 §10.2)
an_owner_configures_from_any_session(Config) ->
    story(Config, ["alice/phone", "bob/desk", "alice/desk"], fun(Room, Phone, Bob, Desk) ->
        enter(Room, [{Phone, <<"alice">>}, {Bob, <<"bob">>}, {Desk, <<"alice">>}]),
        Form = request(Desk, iq(Room, get, [el(query, [{xmlns, ?NS_MUC_OWNER}])])),
        ?assertMatch(#xmlel{}, child(child(Form, query), x, <<"jabber:x:data">>)),
        ?assertEqual(<<"result">>, type(configure(Desk, Room, #{<<"muc#roomconfig_roomname">> => <<"tea room">>}))),
        ?assertEqual(<<"tea room">>, attr(child(child(request(Phone, disco(Room)), query), identity), name))
    end).

%% B17.119, c1.25 (XEP-0045 §8.2, §9)
a_moderator_acts_from_any_session(Config) ->
    story(Config, ["alice/phone", "bob/desk", "carol/desk", "alice/desk"], fun(Room, Phone, Bob, Carol, Desk) ->
        enter(Room, [{Phone, <<"alice">>}, {Bob, <<"bob">>}, {Carol, <<"carol">>}, {Desk, <<"alice">>}]),
        ?assertEqual(<<"result">>, type(set_role(Desk, Room, <<"bob">>, none))),
        ?assertEqual(<<"result">>, type(set_affiliation(Phone, Room, account(Carol), outcast))),
        removed(Bob, Room, <<"bob">>),
        [removed(Client, Room, <<"carol">>) || Client <- [Carol, Phone, Desk]],
        Item = el(item, [{affiliation, outcast}]),
        List = request(Desk, iq(Room, get, [el(query, [{xmlns, ?NS_MUC_ADMIN}], [Item])])),
        ?assertEqual(account(Carol), attr(child(child(List, query), item), jid)),
        ?assertEqual([{<<"alice">>, account(Phone)}], in_room(Config, Room))
    end).

%% B19.135 (XEP-0410 §3.2)
a_ping_between_occupants_passes(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        send(Phone, Ping = iq(<<Room/binary, "/bob">>, get, [el(ping, [{xmlns, ?NS_PING}])])),
        Asked = recv(Bob),
        send(Bob, el(iq, [{to, from(Asked)}, {type, result}, {id, attr(Asked, id)}])),
        Answer = recv(Phone),
        ?assertEqual({<<"result">>, attr(Ping, id)}, {type(Answer), attr(Answer, id)}),
        ?assertEqual([], sync(Desk, Room))
    end).

%% B18.126, B15.102 (XEP-0045 §7.8.2)
an_invitation_goes_out_and_is_declined(Config) ->
    story(Config, ["carol/desk", "bob/desk", "alice/phone", "alice/desk"], fun(Room, Carol, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        set_affiliation(Bob, Room, account(Phone), admin),
        settle(Room, [Bob, Phone, Desk]),
        Invite = el(invite, [{to, account(Carol)}], [el(reason, [], [<<"tea">>])]),
        send(Phone, message(Room, normal, [el(x, [{xmlns, ?NS_MUC_USER}], [Invite])])),
        Invitation = child(child(recv(Carol), x, ?NS_MUC_USER), invite),
        ?assertEqual({account(Phone), <<"tea">>}, {bare(attr(Invitation, from)), cdata(child(Invitation, reason))}),
        Decline = el(decline, [{to, attr(Invitation, from)}], [el(reason, [], [<<"coffee">>])]),
        send(Carol, message(Room, normal, [el(x, [{xmlns, ?NS_MUC_USER}], [Decline])])),
        [?assertMatch(#xmlel{}, child(child(recv(Session), x, ?NS_MUC_USER), decline)) || Session <- [Phone, Desk]],
        unnoticed(Config, Room, Bob, [Phone, Desk])
    end).

%% B10.75 (XEP-0045 §10.2.1)
a_change_of_the_room_is_told_to_all_sessions(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        configure(Bob, Room, #{<<"muc#roomconfig_roomname">> => <<"tea room">>}),
        Changes = [take(Session, fun(S) -> status_codes(S) =/= [] end) || Session <- [Phone, Desk]],
        ?assertEqual([{Room, [104]}, {Room, [104]}], [{from(Change), status_codes(Change)} || Change <- Changes]),
        ?assertEqual([], bodies(join(Desk, Room, <<"alice">>)))
    end).

ping(Client, Room, Nick) ->
    request(Client, iq(<<Room/binary, "/", Nick/binary>>, get, [el(ping, [{xmlns, ?NS_PING}])])).
