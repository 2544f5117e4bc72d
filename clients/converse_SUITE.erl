%% Converse in two browsers of one account, over WebSockets, with bob in the same rooms.
-module(converse_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    two_browsers_join_and_talk/1,
    two_browsers_are_one_occupant/1,
    a_browser_that_comes_later_shows_the_history/1,
    a_browser_shows_what_the_room_has_archived_once/1,
    another_nick_gives_way_to_the_accounts/1,
    a_nick_is_changed_in_both_browsers/1,
    browsers_leave_one_after_the_other/1,
    a_kick_is_shown_in_both_browsers/1,
    a_ban_is_shown_in_both_browsers/1,
    a_reload_is_seen_by_nobody/1,
    a_reload_without_resumption_is_seen_by_nobody/1,
    a_lost_connection_is_seen_by_nobody/1
]).

-include("../test/support/mmx.hrl").

-import(mmx_converse, [shows/3, shows_own/3, shows_occupants/3, shows_removal/3, received/2, sent_joins/2]).

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    Options = (beside_plain(#{}))#{websocket => true},
    [{server, mmx_server:start(Options)}, {web, mmx_converse:serve()} | Config].

end_per_suite(Config) ->
    ok = mmx_converse:stop_serving(?config(web, Config)),
    mmx_server:stop(?config(server, Config)).

%% B1.1, B2.18, B15.95, B15.96 (XEP-0045 §7.2, §7.4)
two_browsers_join_and_talk(Config) ->
    with_browsers(Config, #{}, fun(Room, Bob, Phone, Laptop) ->
        enter(Room, [{Bob, <<"bob">>}]),
        [mmx_converse:join(Page, Room, <<"alice">>) || Page <- [Phone, Laptop]],
        [shows_occupants(Page, Room, [<<"alice">>, <<"bob">>]) || Page <- [Phone, Laptop]],
        Said = [{<<"alice">>, <<"from the phone">>}, {<<"alice">>, <<"from the laptop">>}, {<<"bob">>, <<"from bob">>}],
        mmx_converse:say(Phone, Room, <<"from the phone">>),
        [shows(Page, Room, lists:sublist(Said, 1)) || Page <- [Phone, Laptop]],
        mmx_converse:say(Laptop, Room, <<"from the laptop">>),
        [shows(Page, Room, lists:sublist(Said, 2)) || Page <- [Phone, Laptop]],
        say(Bob, Room, <<"from bob">>),
        [shows(Page, Room, Said) || Page <- [Phone, Laptop]],
        [shows_own(Page, Room, [<<"from the phone">>, <<"from the laptop">>]) || Page <- [Phone, Laptop]],
        Texts = [Text || {_, Text} <- Said],
        ?assertEqual([[1, 1, 1], [1, 1, 1]], [[received(Page, Text) || Text <- Texts] || Page <- [Phone, Laptop]]),
        Heard = recv_until(Bob, fun(Stanza) -> body(Stanza) =:= <<"from bob">> end),
        ?assertEqual(Texts, [Text || Text <- bodies(Heard), Text =/= undefined])
    end).

%% I1, B2.17, B6.46, B15.95 (XEP-0045 §7.2.1, §7.4)
two_browsers_are_one_occupant(Config) ->
    with_browsers(Config, quiet(), fun(Room, Bob, Phone, Laptop) ->
        Server = ?config(server, Config),
        enter(Room, [{Bob, <<"bob">>}]),
        [Alice, Host] = binary:split(bare(mmx_converse:jid(Phone)), <<"@">>),
        mmx_count:start(Server, Alice, Host),
        mmx_converse:join(Phone, Room, <<"alice">>),
        %% The room's own presence, two occupants and the subject.
        ?assertEqual({1, 4}, mmx_count:read(Server)),
        ?assertMatch({<<"alice">>, <<"presence">>}, heard_from(Bob)),
        mmx_converse:join(Laptop, Room, <<"alice">>),
        ?assertEqual({0, 0}, mmx_count:read(Server)),
        told(Bob, Room, <<"one">>, [Bob]),
        mmx_converse:say(Laptop, Room, <<"two">>),
        hears(Bob, <<Room/binary, "/alice">>, <<"two">>),
        [shows(Page, Room, [{<<"bob">>, <<"one">>}, {<<"alice">>, <<"two">>}]) || Page <- [Phone, Laptop]],
        ?assertEqual({1, 2}, mmx_count:read(Server)),
        mmx_converse:leave(Phone, Room),
        ?assertEqual({0, 0}, mmx_count:read(Server)),
        mmx_converse:leave(Laptop, Room),
        ?assertMatch(#{role := <<"none">>}, item(removed(Bob, Room, <<"alice">>))),
        told(Bob, Room, <<"alone">>, [Bob]),
        %% The room goes too.
        ?assertEqual({1, 2}, mmx_count:read(Server))
    end).

%% B2.20, B2.21, B2.22 (XEP-0045 §7.2.13, §7.2.15)
a_browser_that_comes_later_shows_the_history(Config) ->
    with_browsers(Config, (quiet())#{muc_history_max_stanzas => 20}, fun(Room, Bob, Phone, Laptop) ->
        enter(Room, [{Bob, <<"bob">>}]),
        mmx_converse:join(Phone, Room, <<"alice">>),
        say(Bob, Room, <<"one">>),
        shows(Phone, Room, [{<<"bob">>, <<"one">>}]),
        mmx_converse:say(Phone, Room, <<"two">>),
        shows(Phone, Room, [{<<"bob">>, <<"one">>}, {<<"alice">>, <<"two">>}]),
        mmx_converse:join(Laptop, Room, <<"alice">>),
        say(Bob, Room, <<"three">>),
        All = [{<<"bob">>, <<"one">>}, {<<"alice">>, <<"two">>}, {<<"bob">>, <<"three">>}],
        [shows(Page, Room, All) || Page <- [Phone, Laptop]],
        ?assertEqual([1, 1, 1], [received(Laptop, Text) || {_, Text} <- All])
    end).

%% B2.20, B17.120, B21.157 (XEP-0313 §5, XEP-0359 §3)
a_browser_shows_what_the_room_has_archived_once(Config) ->
    with_browsers(Config, quiet(), fun(Room, Bob, Phone, Laptop) ->
        enter(Room, [{Bob, <<"bob">>}]),
        room_option(Config, Room, <<"mam">>, <<"true">>),
        mmx_converse:join(Phone, Room, <<"alice">>),
        say(Bob, Room, <<"one">>),
        shows(Phone, Room, [{<<"bob">>, <<"one">>}]),
        mmx_converse:join(Laptop, Room, <<"alice">>),
        [shows(Page, Room, [{<<"bob">>, <<"one">>}]) || Page <- [Phone, Laptop]],
        mmx_converse:say(Laptop, Room, <<"two">>),
        All = [{<<"bob">>, <<"one">>}, {<<"alice">>, <<"two">>}],
        [shows(Page, Room, All) || Page <- [Phone, Laptop]],
        mmx_converse:reload(Phone),
        say(Bob, Room, <<"three">>),
        [shows(Page, Room, All ++ [{<<"bob">>, <<"three">>}]) || Page <- [Phone, Laptop]]
    end).

%% B3.29 (XEP-0045 §7.2.2)
another_nick_gives_way_to_the_accounts(Config) ->
    with_browsers(Config, quiet(), fun(Room, Bob, Phone, Laptop) ->
        enter(Room, [{Bob, <<"bob">>}]),
        mmx_converse:join(Phone, Room, <<"alice">>),
        ?assertMatch({<<"alice">>, <<"presence">>}, heard_from(Bob)),
        mmx_converse:join(Laptop, Room, <<"lissy">>),
        [shows_occupants(Page, Room, [<<"alice">>, <<"bob">>]) || Page <- [Phone, Laptop]],
        mmx_converse:say(Laptop, Room, <<"who am I?">>),
        hears(Bob, <<Room/binary, "/alice">>, <<"who am I?">>),
        [shows(Page, Room, [{<<"alice">>, <<"who am I?">>}]) || Page <- [Phone, Laptop]],
        [shows_own(Page, Room, [<<"who am I?">>]) || Page <- [Phone, Laptop]]
    end).

%% B4.34 (XEP-0045 §7.6)
a_nick_is_changed_in_both_browsers(Config) ->
    with_both_in(Config, fun(Room, Bob, Phone, Laptop) ->
        mmx_converse:say(Phone, Room, <<"/nick lissy">>),
        [shows_occupants(Page, Room, [<<"bob">>, <<"lissy">>]) || Page <- [Phone, Laptop]],
        ?assertMatch([{<<"bob">>, _}, {<<"lissy">>, _}], in_room(Config, Room)),
        ?assertEqual([<<"alice">>, <<"lissy">>], [from_nick(recv(Bob)) || _ <- [1, 2]]),
        mmx_converse:say(Laptop, Room, <<"it is me">>),
        hears(Bob, <<Room/binary, "/lissy">>, <<"it is me">>),
        [shows(Page, Room, [{<<"lissy">>, <<"it is me">>}]) || Page <- [Phone, Laptop]],
        [shows_own(Page, Room, [<<"it is me">>]) || Page <- [Phone, Laptop]]
    end).

%% B6.46, B6.47, B7.53 (XEP-0045 §7.14)
browsers_leave_one_after_the_other(Config) ->
    with_both_in(Config, fun(Room, Bob, Phone, Laptop) ->
        mmx_converse:leave(Phone, Room),
        told(Bob, Room, <<"still here?">>, [Bob]),
        mmx_converse:say(Laptop, Room, <<"of course">>),
        hears(Bob, <<Room/binary, "/alice">>, <<"of course">>),
        shows(Laptop, Room, [{<<"bob">>, <<"still here?">>}, {<<"alice">>, <<"of course">>}]),
        shows_occupants(Laptop, Room, [<<"alice">>, <<"bob">>]),
        mmx_converse:sync(Phone),
        mmx_converse:is_closed(Phone, Room),
        ?assertEqual(0, received(Phone, <<"still here?">>)),
        mmx_converse:leave(Laptop, Room),
        ?assertMatch(#{role := <<"none">>}, item(removed(Bob, Room, <<"alice">>))),
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room)),
        mmx_converse:join(Phone, Room, <<"alice">>),
        shows_occupants(Phone, Room, [<<"alice">>, <<"bob">>]),
        ?assertMatch({<<"alice">>, <<"presence">>}, heard_from(Bob))
    end).

%% B9.65 (XEP-0045 §8.2)
a_kick_is_shown_in_both_browsers(Config) ->
    with_both_in(Config, fun(Room, Bob, Phone, Laptop) ->
        ?assertEqual(<<"result">>, type(set_role(Bob, Room, <<"alice">>, none))),
        Texts = [<<"You have been kicked from this groupchat">>, <<"This action was done by bob.">>, <<"The reason given is: \"a test\".">>],
        [shows_removal(Page, Room, Texts) || Page <- [Phone, Laptop]],
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room)),
        ?assertEqual([1, 1], [sent_joins(Page, Room) || Page <- [Phone, Laptop]])
    end).

%% B10.71 (XEP-0045 §9.1)
a_ban_is_shown_in_both_browsers(Config) ->
    with_both_in(Config, fun(Room, Bob, Phone, Laptop) ->
        Account = bare(mmx_converse:jid(Phone)),
        ?assertEqual(<<"result">>, type(set_affiliation(Bob, Room, Account, outcast))),
        Texts = [<<"You have been banned from this groupchat">>, <<"This action was done by bob.">>, <<"The reason given is: \"a test\".">>],
        [shows_removal(Page, Room, Texts) || Page <- [Phone, Laptop]],
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room)),
        ?assertEqual([1, 1], [sent_joins(Page, Room) || Page <- [Phone, Laptop]])
    end).

%% B2.24, B8.60, B19.132 (XEP-0045 §7.2, XEP-0198 §5)
a_reload_is_seen_by_nobody(Config) ->
    reloaded(Config, quiet()).

%% B2.24, B8.58 (XEP-0045 §7.2, §7.14)
a_reload_without_resumption_is_seen_by_nobody(Config) ->
    reloaded(Config, (quiet())#{enable_smacks => false}).

reloaded(Config, Settings) ->
    with_both_in(Config, Settings, fun(Room, Bob, Phone, Laptop) ->
        comes_back(Config, Room, Bob, Phone, Laptop, fun() -> mmx_converse:reload(Phone) end)
    end).

%% B2.24, B8.60 (XEP-0045 §7.2, XEP-0198 §5)
a_lost_connection_is_seen_by_nobody(Config) ->
    with_both_in(Config, fun(Room, Bob, Phone, Laptop) ->
        comes_back(Config, Room, Bob, Phone, Laptop, fun() -> mmx_converse:lose_connection(Phone) end)
    end).

comes_back(Config, Room, Bob, Phone, Laptop, Goes) ->
    told(Bob, Room, <<"before">>, [Bob]),
    [shows(Page, Room, [{<<"bob">>, <<"before">>}]) || Page <- [Phone, Laptop]],
    Goes(),
    shows_occupants(Phone, Room, [<<"alice">>, <<"bob">>]),
    mmx_converse:say(Phone, Room, <<"back">>),
    hears(Bob, <<Room/binary, "/alice">>, <<"back">>),
    told(Bob, Room, <<"after">>, [Bob]),
    All = [{<<"bob">>, <<"before">>}, {<<"alice">>, <<"back">>}, {<<"bob">>, <<"after">>}],
    [shows(Page, Room, All) || Page <- [Laptop, Phone]],
    [shows_occupants(Page, Room, [<<"alice">>, <<"bob">>]) || Page <- [Phone, Laptop]],
    ?assertEqual([1, 1], [received(Page, <<"after">>) || Page <- [Phone, Laptop]]),
    ?assertMatch([{<<"alice">>, _}, {<<"bob">>, _}], in_room(Config, Room)).

%% Who somebody hears from next, and what kind of stanza it is.
heard_from(Client) ->
    Stanza = recv(Client),
    {from_nick(Stanza), Stanza#xmlel.name}.

%% Converse tells by itself who writes and who reads.
quiet() ->
    #{send_chat_state_notifications => false, send_chat_markers => []}.

with_both_in(Config, Fun) ->
    with_both_in(Config, quiet(), Fun).

with_both_in(Config, Settings, Fun) ->
    with_browsers(Config, Settings, fun(Room, Bob, Phone, Laptop) ->
        enter(Room, [{Bob, <<"bob">>}]),
        [mmx_converse:join(Page, Room, <<"alice">>) || Page <- [Phone, Laptop]],
        ?assertMatch({<<"alice">>, <<"presence">>}, heard_from(Bob)),
        Fun(Room, Bob, Phone, Laptop)
    end).

with_browsers(Config, Settings, Fun) ->
    story(Config, ["bob/desk"], fun(Room, Bob) ->
        Server = ?config(server, Config),
        Alice = mmx_server:fresh(Server, "alice"),
        Browser = mmx_browser:start(),
        [Phone, Laptop] = [
            mmx_converse:connect({Browser, ?config(web, Config)}, Server, [Alice, Resource], Settings)
         || Resource <- ["/phone", "/laptop"]
        ],
        try
            Fun(Room, Bob, Phone, Laptop)
        catch
            Class:Reason:Stack ->
                [ct:pal("~ts", [mmx_converse:transcript(Page)]) || Page <- [Phone, Laptop]],
                erlang:raise(Class, Reason, Stack)
        end,
        mmx_browser:stop(Browser)
    end).
