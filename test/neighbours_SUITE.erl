%% The other modules of the server do to our sessions what they do to those without the module.
-module(neighbours_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    rooms_are_no_strangers/1,
    a_private_message_to_nobody_is_no_strangers/1,
    a_private_message_to_nobody_in_the_room_is_no_strangers/1,
    strangers_stay_strangers/1,
    the_avatar_is_shown/1,
    a_new_avatar_is_shown_as_natively/1,
    features_of_others_are_shown/1,
    features_of_others_are_not_asked_for_by_a_stranger/1,
    the_room_itself_goes_with_a_leave/1,
    traffic_of_a_room_is_no_activity/1,
    a_session_that_answers_no_ping_is_out/1,
    contacts_are_told_as_natively/1
]).

-include("support/mmx.hrl").
-import(mmx_twin, [same/3, ours/3, is_marker/1]).

-define(NS_VCARD, <<"vcard-temp">>).

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    [{server, mmx_twin:start(#{mod_avatar => #{}, mod_vcard_xupdate => #{}})} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% B16.108, c1.6 (mod_block_strangers)
rooms_are_no_strangers(Config) ->
    same(Config, ["phone"], fun(Room, Bob, _, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        say(Bob, Room, <<"hello">>),
        whisper(Bob, Room, <<"alice">>, <<"psst">>),
        _ = seen(Bob, Room),
        Sent = [recv(Phone) || _ <- [hello, psst]],
        ?assertEqual([<<"hello">>, <<"psst">>], bodies(Sent)),
        Sent
    end).

%% B16.109, I5 (mod_block_strangers; XEP-0045 §18.1.2)
a_private_message_to_nobody_is_no_strangers(Config) ->
    whispered_to(Config, fun mmx_client:close/1).

%% B16.109, I5 (mod_block_strangers; XEP-0045 §18.1.2)
a_private_message_to_nobody_in_the_room_is_no_strangers(Config) ->
    whispered_to(Config, fun online_anew/1).

whispered_to(Config, Goes) ->
    ours(Config, ["phone"], fun(Room, Bob, _, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        settle(Room, [Bob]),
        Goes(Phone),
        [
            send(Bob, message(<<Room/binary, "/alice">>, Type, [el(body, [], [<<"psst">>])]))
         || Type <- [chat, normal, headline]
        ],
        %% An error would come to the room after the first of them.
        [marker(Bob, Bob, Room) || _ <- [1, 2]],
        ?assertEqual([<<"alice">>, <<"bob">>], [Nick || {Nick, _} <- in_room(Config, Room)]),
        []
    end).

online_anew(Session) ->
    going_offline(Session),
    send(Session, presence(none, [])),
    drain(Session).

%% c1.6 (mod_block_strangers)
strangers_stay_strangers(Config) ->
    same(Config, ["phone"], fun(Room, Bob, _, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        settle(Room, [Bob]),
        send(Bob, message(jid(Phone), chat, [el(body, [], [<<"hello">>])])),
        Refusal = sync(Bob),
        ?assertEqual([], sync(Phone, Room)),
        Refusal
    end).

%% B5.42 (XEP-0153 §3.1, XEP-0398)
the_avatar_is_shown(Config) ->
    same(Config, ["phone"], fun(Room, Bob, _, Phone) ->
        photo(Phone, <<"one">>),
        enter(Room, [{Bob, <<"bob">>}]),
        join(Phone, Room, <<"alice">>),
        Come = recv(Bob),
        ?assertEqual(hash(<<"one">>), shown_hash(Come)),
        send(Phone, presence(<<Room/binary, "/alice">>, [el(show, [], [<<"away">>])])),
        Away = recv(Bob),
        ?assertEqual(hash(<<"one">>), shown_hash(Away)),
        [Come, Away]
    end).

%% B5.40, B5.42 (XEP-0153 §3.1)
a_new_avatar_is_shown_as_natively(Config) ->
    same(Config, ["phone"], fun(Room, Bob, _, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        settle(Room, [Bob]),
        photo(Phone, <<"two">>),
        drain(Phone),
        Unasked = [Stanza || Stanza <- seen(Bob, Room), not is_marker(Stanza)],
        send(Phone, presence(<<Room/binary, "/alice">>, [])),
        Updated = recv(Bob),
        ?assertEqual(hash(<<"two">>), shown_hash(Updated)),
        Unasked ++ [Updated]
    end).

photo(Session, Image) ->
    Photo = el('PHOTO', [], [el('TYPE', [], [<<"image/png">>]), el('BINVAL', [], [base64:encode(png(Image))])]),
    Set = iq(none, set, [el('vCard', [{xmlns, ?NS_VCARD}], [Photo])]),
    ?assertEqual(<<"result">>, type(request(Session, Set))).

%% As much of a picture as the server looks at.
png(Text) ->
    <<137, "PNG\r\n", 26, "\n", Text/binary>>.

hash(Image) ->
    string:lowercase(binary:encode_hex(crypto:hash(sha, png(Image)))).

shown_hash(Presence) ->
    case child(Presence, x, <<"vcard-temp:x:update">>) of
        undefined -> undefined;
        Update -> cdata(child(Update, photo))
    end.

%% B2.18, I6 (XEP-0115 §5)
features_of_others_are_shown(Config) ->
    same(Config, ["phone", "desk"], fun(Room, Bob, _, Phone, Desk) ->
        Caps = el(c, [{xmlns, <<"http://jabber.org/protocol/caps">>}, {node, <<"n">>}, {hash, <<"sha-1">>}, {ver, <<"v=">>}]),
        enter(Room, [{Bob, <<"bob">>}, {Desk, <<"alice">>}]),
        settle(Room, [Bob]),
        send(Bob, presence(<<Room/binary, "/bob">>, [Caps])),
        _ = seen(Bob, Room),
        Live = [Stanza || Stanza <- sync(Desk), not is_marker(Stanza)],
        Entered = join(Phone, Room, <<"alice">>),
        Shown = [Stanza || #xmlel{name = <<"presence">>} = Stanza <- Live ++ Entered, from_nick(Stanza) =:= <<"bob">>],
        ?assertEqual([to_text(Caps), to_text(Caps)], [to_text(child(Stanza, c)) || Stanza <- Shown]),
        Shown
    end).

%% B1.2, B17.117 (XEP-0115 §6.2: the server asks in the name of who was shown the features)
features_of_others_are_not_asked_for_by_a_stranger(Config) ->
    ours(Config, ["phone"], fun(_, _, _, Phone) ->
        {Puppet, Room} = mmx_puppet:joined_by(?config(server, Config), [Phone]),
        Caps = el(c, [{xmlns, <<"http://jabber.org/protocol/caps">>}, {node, <<"n">>}, {hash, <<"sha-1">>}, {ver, <<"w=">>}]),
        X = el(x, [{xmlns, ?NS_MUC_USER}], [el(item, [{affiliation, none}, {role, participant}])]),
        mmx_puppet:says(Puppet, <<Room/binary, "/bob">>, presence(account(Phone), [X, Caps])),
        ?assertMatch([_], sync(Phone)),
        say(Phone, Room, <<"hello">>),
        First = mmx_puppet:takes(Puppet),
        ?assertEqual([account(Phone)], lists:usort([from(Stanza) || Stanza <- [First | mmx_puppet:waiting(Puppet)]])),
        []
    end).

%% B1.15, I2 (XEP-0115, XEP-0486 §5.2)
the_room_itself_goes_with_a_leave(Config) ->
    same(Config, ["phone"], fun(Room, Bob, _, Phone) ->
        enter(Room, [{Bob, <<"bob">>}]),
        Entered = join(Phone, Room, <<"alice">>),
        send(Phone, presence(<<Room/binary, "/alice">>, unavailable, [])),
        Entered ++ recv_until(Phone, fun(Stanza) -> is_self_presence(Stanza) andalso type(Stanza) =:= <<"unavailable">> end)
    end).

%% mod_last (XEP-0012 §3)
traffic_of_a_room_is_no_activity(Config) ->
    ours(Config, ["phone"], fun(Room, Bob, _, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        [User, Host] = binary:split(account(Phone), <<"@">>),
        Last = fun() -> mmx_server:rpc(?config(server, Config), mod_last, get_last_info, [User, Host]) end,
        close(Phone),
        Before = Last(),
        ?assertMatch({ok, _, _}, Before),
        [told(Bob, Room, <<"hello">>, [Bob]) || _ <- lists:seq(1, 20)],
        marker(Bob, Bob, Room),
        ?assertEqual(Before, Last()),
        []
    end).

%% B8.58 (XEP-0199 §4.1, option timeout_action of mod_ping)
a_session_that_answers_no_ping_is_out(_Config) ->
    Ping = #{send_pings => true, ping_interval => <<"1 s">>, ping_ack_timeout => <<"1 s">>, timeout_action => kill},
    Own = #{modules => #{mod_minimix => #{}, mod_ping => Ping}},
    Server = mmx_server:start(#{
        hosts => [<<"mmx.example">>, <<"plain.example">>],
        modules => #{mod_ping => none},
        top => #{append_host_config => #{<<"mmx.example">> => Own}}
    }),
    Config = [{server, Server}],
    try
        story(Config, [{"bob/desk", #{host => <<"plain.example">>}}, "alice/phone"], fun(Room, Bob, Phone) ->
            enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
            settle(Room, [Bob]),
            Account = account(Phone),
            ?assertMatch([_ | _], [Stanza || Stanza <- closed(Phone), child(Stanza, ping) =/= undefined]),
            marker(Bob, Bob, Room),
            ?assertEqual([{<<"alice">>, Account}, {<<"bob">>, jid(Bob)}], in_room(Config, Room))
        end)
    after
        mmx_server:stop(Server)
    end.

%% B6.51, B8.59 (RFC 6121 §4.6.3)
contacts_are_told_as_natively(Config) ->
    same(Config, ["phone"], fun(Room, Bob, Carol, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        settle(Room, [Bob]),
        drain(Carol),
        send(Phone, presence(jid(Carol), [])),
        send(Phone, presence(<<Room/binary, "/alice">>, [el(show, [], [<<"away">>])])),
        close(Phone),
        Told = [recv(Carol) || _ <- [come, gone]],
        ?assertEqual([<<"available">>, <<"unavailable">>], [type(Stanza) || Stanza <- Told]),
        Told
    end).
