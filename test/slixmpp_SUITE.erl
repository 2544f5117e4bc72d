%% Clients that no one here wrote: two devices of alice and bob, all with slixmpp.
-module(slixmpp_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    two_devices_join_and_talk/1,
    a_device_that_comes_later_is_given_history/1,
    a_refused_device_is_told/1,
    a_nick_is_changed_for_both_devices/1,
    a_kick_reaches_both_devices/1,
    devices_leave_one_after_the_other/1,
    a_private_message_reaches_both_devices/1,
    a_device_pings_itself/1,
    the_rooms_archive_is_open_to_each_device/1
]).

-include("support/mmx.hrl").

-import(mmx_slix, [expect/3]).

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    [{server, mmx_server:start(beside_plain(#{}))} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% B1.1, B1.5, B2.18, B15.96 (XEP-0045 §7.2, §7.4)
two_devices_join_and_talk(Config) ->
    with_slix(Config, fun(Room, Account, Bob, Phone, Desk) ->
        join_all(Room, Bob, Phone, Desk),
        ?assertMatch([{<<"alice">>, Account}, {<<"bob">>, _}], in_room(Config, Room)),
        mmx_slix:say(Phone, Room, <<"hello">>),
        [mmx_slix:hears(Slix, <<"alice">>, <<"hello">>) || Slix <- [Bob, Phone, Desk]],
        mmx_slix:say(Bob, Room, <<"hello yourself">>),
        [mmx_slix:hears(Slix, <<"bob">>, <<"hello yourself">>) || Slix <- [Bob, Phone, Desk]],
        [?assertEqual([<<"alice">>, <<"bob">>], mmx_slix:occupants(Slix, Room)) || Slix <- [Bob, Phone, Desk]],
        [?assertEqual(null, mmx_slix:ping(Slix, <<Room/binary, "/alice">>)) || Slix <- [Phone, Desk]]
    end).

%% B2.20, B2.21, B2.22 (XEP-0045 §7.2.13, §7.2.15)
a_device_that_comes_later_is_given_history(Config) ->
    with_slix(Config, fun(Room, _Account, Bob, Phone, Desk) ->
        [mmx_slix:join(Slix, Room, Nick) || {Slix, Nick} <- [{Bob, <<"bob">>}, {Phone, <<"alice">>}]],
        [mmx_slix:say(Slix, Room, Text) || {Slix, Text} <- [{Bob, <<"one">>}, {Bob, <<"two">>}]],
        [mmx_slix:hears(Phone, <<"bob">>, Text) || Text <- [<<"one">>, <<"two">>]],
        #{<<"history">> := History} = mmx_slix:join(Desk, Room, <<"alice">>),
        ?assertEqual([[<<"bob">>, <<"one">>], [<<"bob">>, <<"two">>]], History)
    end).

%% B1.10 (XEP-0045 §7.2.17)
a_refused_device_is_told(Config) ->
    with_slix(Config, fun(Room, _Account, Bob, Phone, _Desk) ->
        mmx_slix:join(Bob, Room, <<"bob">>),
        ?assertMatch(#{<<"condition">> := <<"conflict">>}, mmx_slix:refused(Phone, Room, <<"bob">>)),
        mmx_slix:join(Phone, Room, <<"alice">>)
    end).

%% B4.34 (XEP-0045 §7.6)
a_nick_is_changed_for_both_devices(Config) ->
    with_slix(Config, fun(Room, _Account, Bob, Phone, Desk) ->
        join_all(Room, Bob, Phone, Desk),
        mmx_slix:rename(Phone, Room, <<"lissy">>),
        [
            expect(Slix, presence, #{room => Room, nick => <<"lissy">>, type => <<"available">>})
         || Slix <- [Bob, Desk]
        ],
        [?assertEqual([<<"bob">>, <<"lissy">>], mmx_slix:occupants(Slix, Room)) || Slix <- [Bob, Phone, Desk]],
        mmx_slix:say(Desk, Room, <<"it is me">>),
        [mmx_slix:hears(Slix, <<"lissy">>, <<"it is me">>) || Slix <- [Bob, Phone, Desk]]
    end).

%% B9.65, B9.68 (XEP-0045 §8.2)
a_kick_reaches_both_devices(Config) ->
    with_slix(Config, fun(Room, _Account, Bob, Phone, Desk) ->
        Owner = connect(?config(server, Config), [mmx_server:fresh(?config(server, Config), "carol"), "/raw"]),
        join(Owner, Room, <<"carol">>),
        join_all(Room, Bob, Phone, Desk),
        ?assertEqual(<<"result">>, type(set_role(Owner, Room, <<"alice">>, none))),
        Gone = #{room => Room, nick => <<"alice">>, type => <<"unavailable">>},
        [expect(Slix, presence, Gone#{codes => [110, 307]}) || Slix <- [Phone, Desk]],
        expect(Bob, presence, Gone#{codes => [307]}),
        [?assertEqual(<<"not-acceptable">>, mmx_slix:ping(Slix, <<Room/binary, "/alice">>)) || Slix <- [Phone, Desk]],
        mmx_slix:join(Desk, Room, <<"alice">>)
    end).

%% B6.46, B6.47, B7.53 (XEP-0045 §7.14)
devices_leave_one_after_the_other(Config) ->
    with_slix(Config, fun(Room, Account, Bob, Phone, Desk) ->
        join_all(Room, Bob, Phone, Desk),
        mmx_slix:leave(Phone, Room, <<"alice">>),
        ?assertMatch([{<<"alice">>, Account}, {<<"bob">>, _}], in_room(Config, Room)),
        mmx_slix:leave(Desk, Room, <<"alice">>),
        ?assertMatch([{<<"bob">>, _}], in_room(Config, Room)),
        mmx_slix:join(Phone, Room, <<"alice">>),
        ?assertMatch([{<<"alice">>, Account}, {<<"bob">>, _}], in_room(Config, Room))
    end).

%% B16.108, B16.111 (XEP-0045 §7.5)
a_private_message_reaches_both_devices(Config) ->
    with_slix(Config, fun(Room, _Account, Bob, Phone, Desk) ->
        join_all(Room, Bob, Phone, Desk),
        mmx_slix:whisper(Bob, <<Room/binary, "/alice">>, <<"psst">>),
        Whispered = fun(Nick, Text) -> #{sender => <<Room/binary, "/", Nick/binary>>, body => Text} end,
        [expect(Slix, whispered, Whispered(<<"bob">>, <<"psst">>)) || Slix <- [Phone, Desk]],
        mmx_slix:whisper(Desk, <<Room/binary, "/bob">>, <<"what?">>),
        expect(Bob, whispered, Whispered(<<"alice">>, <<"what?">>))
    end).

%% B19.132, B19.133, B19.136 (XEP-0410 §3.2)
a_device_pings_itself(Config) ->
    with_slix(Config, fun(Room, _Account, Bob, Phone, Desk) ->
        Alice = <<Room/binary, "/alice">>,
        [mmx_slix:join(Slix, Room, Nick) || {Slix, Nick} <- [{Bob, <<"bob">>}, {Phone, <<"alice">>}]],
        ?assertEqual([<<"JOINED">>, <<"DISCONNECTED">>], [mmx_slix:self_ping(Slix, Alice) || Slix <- [Phone, Desk]]),
        mmx_slix:join(Desk, Room, <<"alice">>),
        ?assertEqual([<<"JOINED">>, <<"JOINED">>], [mmx_slix:self_ping(Slix, Alice) || Slix <- [Phone, Desk]]),
        mmx_slix:rename(Phone, Room, <<"lissy">>),
        %% The other device may not have seen the change when it pings.
        ?assertEqual(<<"JOINED">>, mmx_slix:self_ping(Desk, Alice)),
        mmx_slix:leave(Phone, Room, <<"lissy">>),
        Lissy = <<Room/binary, "/lissy">>,
        ?assertEqual([<<"DISCONNECTED">>, <<"JOINED">>], [mmx_slix:self_ping(Slix, Lissy) || Slix <- [Phone, Desk]]),
        mmx_slix:leave(Desk, Room, <<"lissy">>),
        ?assertEqual(<<"DISCONNECTED">>, mmx_slix:self_ping(Desk, Lissy))
    end).

%% B17.120, B21.157 (XEP-0313 §4, §5)
the_rooms_archive_is_open_to_each_device(Config) ->
    with_slix(Config, fun(Room, Account, Bob, Phone, Desk) ->
        mmx_slix:join(Bob, Room, <<"bob">>),
        room_option(Config, Room, <<"mam">>, <<"true">>),
        [mmx_slix:join(Slix, Room, <<"alice">>) || Slix <- [Phone, Desk]],
        Said = [{Bob, <<"bob">>, <<"one">>}, {Phone, <<"alice">>, <<"two">>}, {Desk, <<"alice">>, <<"three">>}],
        [
            begin
                mmx_slix:say(Slix, Room, Text),
                [mmx_slix:hears(Listener, Nick, Text) || Listener <- [Bob, Phone, Desk]]
            end
         || {Slix, Nick, Text} <- Said
        ],
        Archive = fun(Resource) -> [[Nick, Text, <<Account/binary, Resource/binary>>] || {_, Nick, Text} <- Said] end,
        ?assertEqual(Archive(<<"/phone">>), mmx_slix:archive(Phone, Room, 2)),
        ?assertEqual(Archive(<<"/desk">>), mmx_slix:archive(Desk, Room, 10)),
        Strangers = [Event || Slix <- [Bob, Phone, Desk], #{<<"event">> := <<"heard">>} = Event <- mmx_slix:events(Slix)],
        ?assertEqual([], Strangers)
    end).

join_all(Room, Bob, Phone, Desk) ->
    [mmx_slix:join(Slix, Room, Nick) || {Slix, Nick} <- [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]].

with_slix(Config, Fun) ->
    Server = ?config(server, Config),
    [Alice, Bob] = [mmx_server:fresh(Server, Name) || Name <- ["alice", "bob"]],
    Slixes = [mmx_slix:connect(Server, Who) || Who <- [[Bob, "/desk"], [Alice, "/phone"], [Alice, "/desk"]]],
    apply(Fun, [mmx_server:fresh_room(Server), <<Alice/binary, "@", (mmx_server:host(Server))/binary>> | Slixes]),
    [ok = mmx_slix:close(Slix) || Slix <- Slixes].
