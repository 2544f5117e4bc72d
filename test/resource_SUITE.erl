%% Rooms may know the account by a full JID that no session has. What holds with the bare JID holds then, too:
%% cases of other suites are played again, with the option and beside a service that refuses bare JIDs.
-module(resource_SUITE).

-export([all/0, groups/0, init_per_suite/1, end_per_suite/1, init_per_group/2, end_per_group/2]).
-export(['$handle_undefined_function'/2]).
-export([
    no_session_has_the_address/1,
    the_address_is_the_same_after_a_restart/1,
    who_binds_that_resource_is_a_session_like_others/1,
    a_private_message_to_nobody_there_is_an_ordinary_one/1,
    what_the_account_answers_comes_from_the_address/1,
    a_service_that_refuses_bare_addresses_is_joined_by_another/1,
    a_bad_nick_is_told_to_who_asked/1,
    who_is_in_a_room_stays_as_it_is/1,
    a_bookmark_leads_to_a_service_that_refuses_bare_addresses/1
]).

-include("support/mmx.hrl").

-define(CORE, [
    entering_SUITE, creating_SUITE, attaching_SUITE, talking_SUITE, asking_SUITE, leaving_SUITE, removal_SUITE
]).
-define(REMOTE, [federation_SUITE, governing_SUITE]).
-define(ADDRESS, "^[^/]+/[0-9a-f]{32}$").

all() ->
    [{group, Group} || {Group, _, _} <- groups()].

groups() ->
    [{Suite, [], Suite:all()} || Suite <- ?CORE ++ ?REMOTE] ++ [{wanted, [], wanted()}, {learned, [], learned()}].

wanted() ->
    [
        no_session_has_the_address,
        the_address_is_the_same_after_a_restart,
        who_binds_that_resource_is_a_session_like_others,
        a_private_message_to_nobody_there_is_an_ordinary_one,
        what_the_account_answers_comes_from_the_address
    ].

learned() ->
    [
        a_service_that_refuses_bare_addresses_is_joined_by_another,
        a_bad_nick_is_told_to_who_asked,
        who_is_in_a_room_stays_as_it_is,
        a_bookmark_leads_to_a_service_that_refuses_bare_addresses
    ].

init_per_suite(Config) ->
    Options = beside_plain(#{occupant_address => resource, join_timeout => <<"2 s">>}),
    Wanted = mmx_server:start(Options#{modules => #{mod_muc_log => #{}}}),
    [{wanted, Wanted}, {learned, mmx_server:start(beside_plain(#{}))} | Config].

end_per_suite(Config) ->
    [ok = mmx_server:stop(?config(Server, Config)) || Server <- [wanted, learned]],
    ok.

init_per_group(Suite, Config) ->
    case lists:member(Suite, ?REMOTE) of
        true -> mmx_far:start(<<"strict.far.example">>, [{suite, Suite} | Config]);
        false when Suite =:= learned -> [{server, ?config(learned, Config)} | Config];
        false -> [{server, ?config(wanted, Config)}, {suite, Suite} | Config]
    end.

end_per_group(Suite, Config) ->
    case lists:member(Suite, ?REMOTE) of
        true -> mmx_far:stop(Config);
        false -> ok
    end.

'$handle_undefined_function'(Name, [Config]) when is_list(Config) ->
    (?config(suite, Config)):Name(Config);
'$handle_undefined_function'(Name, Args) ->
    error_handler:raise_undef_exception(?MODULE, Name, Args).

%% T18, I1 (XEP-0045 §7.2.1)
no_session_has_the_address(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Address = address(Config, Room, Phone),
        ?assertNot(lists:member(Address, [jid(Phone), jid(Desk)])),
        set_affiliation(Bob, Room, account(Phone), member),
        Shown = fun(#xmlel{name = Name} = Stanza) -> Name =:= <<"presence">> andalso from_nick(Stanza) =:= <<"alice">> end,
        Seen = [{Session, maps:get(jid, item(take(Session, Shown)))} || Session <- [Bob, Phone, Desk]],
        ?assertEqual([{Bob, Address}, {Phone, jid(Phone)}, {Desk, jid(Desk)}], Seen),
        [?assertEqual(jid(Session), maps:get(jid, item(own(join(Session, Room, <<"alice">>))))) || Session <- [Phone, Desk]]
    end).

%% By which address the room knows the account.
address(Config, Room, Session) ->
    [Address] = [Jid || {Jid, _, _} <- occupants(Config, Room), bare(Jid) =:= account(Session)],
    ?assertMatch({match, _}, re:run(Address, ?ADDRESS)),
    Address.

occupants(Config, Room) ->
    [Name, Service] = binary:split(Room, <<"@">>),
    mmx_server:rpc(?config(server, Config), mod_muc_admin, get_room_occupants, [Name, Service]).

%% T18, B23.163, I11 (XEP-0045 §7.2)
the_address_is_the_same_after_a_restart(Config) ->
    Server = mmx_server:start(beside_plain(#{occupant_address => resource})),
    Before = lists:keystore(server, 1, Config, {server, Server}),
    [Alice, Bob] = [mmx_server:fresh(Server, Name) || Name <- ["alice", "bob"]],
    Room = mmx_server:fresh_room(Server),
    Desk = connect(Server, <<Bob/binary, "/desk">>),
    _ = join(Desk, Room, <<"bob">>),
    ?assertEqual(<<"result">>, type(configure(Desk, Room, #{<<"muc#roomconfig_persistentroom">> => <<"1">>}))),
    Phone = connect(Server, <<Alice/binary, "/phone">>),
    _ = join(Phone, Room, <<"alice">>),
    Address = address(Before, Room, Phone),
    Again = mmx_server:restart(Server),
    try
        After = lists:keystore(server, 1, Config, {server, Again}),
        IsBack = fun() -> [Jid || {Jid, <<"alice">>, _} <- occupants(After, Room)] =:= [Address] end,
        mmx_server:wait_until("the account is back", IsBack)
    after
        mmx_server:stop(Again)
    end.

%% T18, I2 (RFC 6120 §7.7)
who_binds_that_resource_is_a_session_like_others(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Address = address(Config, Room, Phone),
        Server = ?config(server, Config),
        [User, _] = binary:split(Address, <<"@">>),
        Same = connect(Server, [User, "/", resource(Address)]),
        ?assertEqual(Address, jid(Same)),
        told(Bob, Room, <<"one">>, [Bob, Phone, Desk]),
        ?assertEqual([], sync(Same, Room)),
        ?assertEqual(jid(Same), maps:get(jid, item(own(join(Same, Room, <<"alice">>))))),
        told(Bob, Room, <<"two">>, [Bob, Phone, Desk, Same]),
        close(Same),
        told(Bob, Room, <<"three">>, [Bob, Phone, Desk]),
        ?assertEqual(Address, address(Config, Room, Phone)),
        ?assertEqual([], seen(Bob, Room))
    end).

%% T18, B16.112 (XEP-0045 §7.5)
a_private_message_to_nobody_there_is_an_ordinary_one(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        close(Phone),
        whisper(Bob, Room, <<"alice">>, <<"psst">>),
        ?assertEqual(<<"psst">>, body(take(Desk, fun(Stanza) -> body(Stanza) =/= undefined end)))
    end).

%% T18, B17.125 (XEP-0045 §17.4)
what_the_account_answers_comes_from_the_address(Config) ->
    story(Config, ["alice/phone"], fun(_, Phone) ->
        {Puppet, Room} = mmx_puppet:joined_by(?config(server, Config), [Phone]),
        Vcard = el('vCard', [{xmlns, <<"vcard-temp">>}]),
        mmx_puppet:says(Puppet, <<Room/binary, "/bob">>, iq(account(Phone), get, [Vcard])),
        Answer = mmx_puppet:takes(Puppet),
        ?assertMatch({match, _}, re:run(from(Answer), ?ADDRESS)),
        ?assertEqual([], sync(Phone))
    end).

%% T18, B1.2, I1 (XEP-0045 §7.2.1)
a_service_that_refuses_bare_addresses_is_joined_by_another(Config) ->
    story(Config, ["alice/phone", "alice/desk", "dora/phone"], fun(_, Phone, Desk, Other) ->
        {Puppet, Room} = mmx_puppet:open(?config(server, Config)),
        [ask(Session, Room, <<"alice">>) || Session <- [Phone, Desk]],
        ?assertEqual(account(Phone), refused(Puppet, Room)),
        {match, _} = re:run(from(mmx_puppet:takes(Puppet)), ?ADDRESS),
        mmx_puppet:shows(Puppet, Room, <<"alice">>, account(Phone), [110]),
        mmx_puppet:ends_telling(Puppet, Room, account(Phone)),
        [?assertEqual([<<"alice">>], nicks(entered(Session, Room))) || Session <- [Phone, Desk]],
        ask(Other, Room, <<"dora">>),
        {match, _} = re:run(from(mmx_puppet:takes(Puppet)), ?ADDRESS)
    end).

%% As services do that know only full JIDs; who it was.
refused(Puppet, Room) ->
    Join = mmx_puppet:takes(Puppet),
    Malformed = el('jid-malformed', [{xmlns, ?NS_STANZAS}]),
    Error = presence(from(Join), error, [el(error, [{type, modify}], [Malformed])]),
    Refusal = Error#xmlel{attrs = [{<<"id">>, attr(Join, id)} | Error#xmlel.attrs]},
    mmx_puppet:says(Puppet, <<Room/binary, "/alice">>, Refusal),
    from(Join).

%% T18, B1.10 (XEP-0045 §7.2.1)
a_bad_nick_is_told_to_who_asked(Config) ->
    story(Config, ["alice/phone"], fun(_, Phone) ->
        {Puppet, Room} = mmx_puppet:open(?config(server, Config)),
        ask(Phone, Room, <<"alice">>, #{id => <<"mine">>}),
        [refused(Puppet, Room) || _ <- [bare, full]],
        {error, Error} = answered(Phone, Room),
        ?assertEqual({<<"mine">>, <<"jid-malformed">>}, {attr(Error, id), error_condition(Error)}),
        ask(Phone, Room, <<"ally">>),
        ?assertEqual(account(Phone), from(mmx_puppet:takes(Puppet)))
    end).

%% T18, B23.168, I1 (XEP-0045 §7.7)
who_is_in_a_room_stays_as_it_is(Config) ->
    Server = ?config(server, Config),
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Changed = mmx_server:with_options(Server, beside_plain(#{occupant_address => resource})),
        ok = mmx_server:reload(Changed),
        told(Phone, Room, <<"still here">>, [Bob, Phone, Desk]),
        ?assertEqual([account(Phone)], [Jid || {Jid, <<"alice">>, _} <- occupants(Config, Room)]),
        [leave(Session, Room) || Session <- [Phone, Desk]],
        _ = join(Phone, Room, <<"alice">>),
        _ = address(Config, Room, Phone),
        ok = mmx_server:reload(Server)
    end).

%% T18, B20.139 (XEP-0402 §4)
a_bookmark_leads_to_a_service_that_refuses_bare_addresses(Config) ->
    story(Config, ["alice/phone"], fun(_, Phone) ->
        {Puppet, Room} = mmx_puppet:open(?config(server, Config)),
        mmx_bookmarks:knows(Phone, [Room]),
        ?assertEqual(account(Phone), refused(Puppet, Room)),
        {match, _} = re:run(from(mmx_puppet:takes(Puppet)), ?ADDRESS)
    end).
