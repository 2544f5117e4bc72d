%% The link to another server breaks, or that server does, or ours: what sessions in its rooms see of it.
%% bob has his account there.
-module(linking_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1, init_per_testcase/2, end_per_testcase/2]).
-export([
    a_link_that_is_closed_is_noticed_by_nobody/1,
    a_cut_in_silence_is_noticed_by_nobody/1,
    a_cut_that_costs_the_account_its_place_is_found_by_pings/1,
    a_cut_that_costs_the_account_its_place_is_found_by_talking/1,
    a_ping_that_is_lost_delays_nothing/1,
    what_a_cut_has_swallowed_is_given_once/1,
    a_message_into_a_cut_arrives_once_or_is_refused/1,
    a_nick_that_is_taken_meanwhile_comes_back/1,
    a_long_absence_is_told_and_ends/1
]).
-export([
    a_pause_of_the_service_is_noticed_by_nobody/1,
    an_orderly_restart_of_the_service_costs_nothing/1,
    a_crash_of_a_service_with_storage_is_repaired/1,
    a_crash_of_a_service_with_an_archive_leaves_no_gap/1,
    a_crash_of_a_service_that_forgets_is_repaired/1,
    a_message_to_a_service_that_forgot_arrives_once/1,
    a_service_that_is_down_for_long_is_found_again/1
]).
-export([
    a_restart_of_ours_in_silence_is_noticed_by_nobody/1,
    what_is_said_during_a_restart_of_ours_is_there/1,
    what_is_said_during_a_crash_of_ours_is_there_once/1
]).

-include("support/mmx.hrl").

%% How long servers may take to notice and to mend, in milliseconds.
-define(PATIENCE, 40_000).

all() ->
    cases(?MODULE) -- [init_per_testcase, end_per_testcase].

init_per_suite(Config) ->
    Prosody = mmx_prosody:start(),
    Minimix = beside_plain(#{ping_interval => <<"1 s">>, offline_delay => <<"1 s">>, join_timeout => <<"20 s">>}),
    Server = mmx_server:start(maps:merge(mmx_prosody:options(Prosody), Minimix)),
    [{holder, mmx_holder:start(Server)}, {prosody, Prosody}, {bob, mmx_prosody:person(Prosody)} | Config].

end_per_suite(Config) ->
    ok = mmx_holder:stop(?config(holder, Config)),
    mmx_prosody:stop(?config(prosody, Config)).

init_per_testcase(_Case, Config) ->
    [{server, mmx_holder:server(?config(holder, Config))} | Config].

%% Whatever a case left behind, the next begins with both servers and the link, and streams that work.
end_per_testcase(_Case, Config) ->
    ok = mmx_link:mend(mmx_prosody:link(?config(prosody, Config))),
    ok = mmx_prosody:launch(?config(prosody, Config)),
    Server = mmx_holder:server(?config(holder, Config)),
    [ok = mmx_server:kill_process(Server, Pid) || Pid <- streams([{server, Server}])],
    ok.

%% B13.83, B13.87 (XEP-0410 §3.2)
a_link_that_is_closed_is_noticed_by_nobody(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        [ok = mmx_server:kill_process(?config(server, Config), Pid) || Pid <- streams(Config)],
        told(Phone, Room, <<"one">>, [Phone, Desk, Bob]),
        told(Bob, Room, <<"two">>, [Bob, Phone, Desk]),
        [?assertEqual([], presences(stanzas_until_end(Room, Bob, Session))) || Session <- [Phone, Desk]],
        is_there(Room, Bob, Phone)
    end).

%% B13.86, B13.87, I3 (XEP-0410 §3.2)
a_cut_in_silence_is_noticed_by_nobody(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        say(Bob, Room, <<"1">>),
        _ = recv(Bob),
        cut_and_given_up(Config),
        mend(Config),
        say(Bob, Room, <<"2">>),
        _ = recv(Bob),
        nothing_at_all_but(Room, Bob, [Phone, Desk], [<<"1">>, <<"2">>]),
        is_there(Room, Bob, Phone)
    end).

%% B13.86, B12.81, B12.82, I3 (XEP-0410 §3.2, XEP-0045 §7.2.14)
a_cut_that_costs_the_account_its_place_is_found_by_pings(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Missed = thrown_out(Config, Room, Bob),
        mend(Config),
        comes_back(Bob, <<"alice">>),
        nothing_at_all_but(Room, Bob, [Phone, Desk], Missed),
        is_there(Room, Bob, Phone)
    end).

%% B13.88, B12.81, B12.82, I3 (XEP-0410 §3.2, XEP-0045 §7.2.14)
a_cut_that_costs_the_account_its_place_is_found_by_talking(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Missed = thrown_out(Config, Room, Bob),
        mend(Config),
        Said = gets_through_or_not(Phone, Room, Bob, <<"where are you?">>),
        nothing_at_all_but(Room, Bob, [Phone, Desk], Missed ++ Said),
        is_there(Room, Bob, Phone)
    end).

%% B13.86, B13.87 (XEP-0410 §3.2)
a_ping_that_is_lost_delays_nothing(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        cut_and_given_up(Config),
        Missed = thrown_out(Config, Room, Bob),
        mend(Config),
        comes_back(Bob, <<"alice">>),
        nothing_at_all_but(Room, Bob, [Phone, Desk], Missed),
        is_there(Room, Bob, Phone)
    end).

%% B12.81, I3 (XEP-0045 §7.2.14)
what_a_cut_has_swallowed_is_given_once(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Prosody = ?config(prosody, Config),
        Before = mmx_prosody:lost_streams(Prosody),
        cut(Config),
        tells(Bob, Room, <<"1">>),
        mmx_server:wait_until("Prosody gives the stream up", fun() -> mmx_prosody:lost_streams(Prosody) > Before end),
        mend(Config),
        is_there(Room, Bob, Phone),
        gets_through(Phone, Room, <<"2">>),
        Says = fun(Stanza) -> lists:member(body(Stanza), [<<"1">>, <<"2">>]) end,
        Heard = until(Desk, Says) ++ until(Desk, Says),
        ?assertEqual([<<"1">>, <<"2">>], lists:sort(bodies(Heard))),
        nothing_but(Room, Bob, [Desk], [])
    end).

%% B13.88, B15.98, I3 (XEP-0045 §7.4)
a_message_into_a_cut_arrives_once_or_is_refused(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Given = streams(Config),
        cut(Config),
        say(Phone, Room, <<"1">>),
        given_up(Config, Given),
        mend(Config),
        IsFate = fun(Stanza) -> body(Stanza) =:= <<"1">> orelse type(Stanza) =:= <<"error">> end,
        case type(later(Phone, IsFate)) of
            <<"error">> ->
                nothing_but(Room, Bob, [Phone, Desk, Bob], []);
            <<"groupchat">> ->
                [_ = later(Client, fun(Stanza) -> body(Stanza) =:= <<"1">> end) || Client <- [Desk, Bob]],
                nothing_but(Room, Bob, [Phone, Desk, Bob], [])
        end,
        is_there(Room, Bob, Phone)
    end).

%% B14.93, B13.86 (XEP-0045 §7.2.8, §7.6)
a_nick_that_is_taken_meanwhile_comes_back(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        _ = thrown_out(Config, Room, Bob),
        Carol = away(Config, <<"carol">>),
        _ = join(Carol, Room, <<"alice">>),
        mend(Config),
        comes_back(Bob, <<"alice_">>),
        [?assertEqual(<<"alice_">>, from_nick(later(S, fun is_self_and_here/1))) || S <- [Phone, Desk]],
        [_ = later(S, fun(Stanza) -> is_of(Stanza, <<"alice">>, <<"available">>) end) || S <- [Phone, Desk]],
        _ = leave(Carol, Room),
        comes_back(Bob, <<"alice">>),
        [?assertEqual(<<"alice">>, from_nick(later(S, fun is_self_and_here/1))) || S <- [Phone, Desk]],
        is_there(Room, Bob, Phone)
    end).

%% B12.80, B13.85, B2.17 (XEP-0045 §9.3, §7.2)
a_long_absence_is_told_and_ends(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        _ = thrown_out(Config, Room, Bob),
        Nicks = [<<"alice">>, <<"alice_">>, <<"alice__">>, <<"alice___">>],
        Others = [away(Config, <<"carol">>) || _ <- Nicks],
        [join(Other, Room, Nick) || {Other, Nick} <- lists:zip(Others, Nicks)],
        mend(Config),
        [
            begin
                Out = later(Session, fun mmx_stanza:is_self_presence/1),
                ?assertEqual({<<"unavailable">>, [110, 333]}, {type(Out), status_codes(Out) -- [307]}),
                ?assertEqual([], sync(Session))
            end
         || Session <- [Phone, Desk]
        ],
        [leave(Other, Room) || Other <- lists:reverse(Others)],
        ask(Phone, Room, <<"alice">>),
        ask(Desk, Room, <<"alice">>),
        Ends = fun(Stanza) -> mmx_stanza:is_subject(Stanza) end,
        [later(Session, Ends) || Session <- [Phone, Desk]],
        told(Bob, Room, <<"welcome">>, []),
        [_ = later(Session, fun(Stanza) -> body(Stanza) =:= <<"welcome">> end) || Session <- [Phone, Desk]],
        ?assertMatch([{_, _}, {<<"bob">>, _}], mmx_prosody:occupants(Bob, Room))
    end).

%% B13.83, I3 (XEP-0410 §3.2)
a_pause_of_the_service_is_noticed_by_nobody(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        say(Bob, Room, <<"1">>),
        _ = recv(Bob),
        mmx_prosody:paused(?config(prosody, Config), fun() -> say(Phone, Room, <<"2">>) end),
        hears(Bob, <<Room/binary, "/alice">>, <<"2">>),
        nothing_at_all_but(Room, Bob, [Phone, Desk], [<<"1">>, <<"2">>]),
        is_there(Room, Bob, Phone)
    end).

%% B12.79, B13.83, I3 (XEP-0045 §11.2)
an_orderly_restart_of_the_service_costs_nothing(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        told(Bob, Room, <<"1">>, [Bob, Phone, Desk]),
        ok = mmx_prosody:terminate(?config(prosody, Config)),
        ok = mmx_prosody:launch(?config(prosody, Config)),
        Bob2 = again(Config, Bob),
        _ = join(Bob2, Room, <<"bob">>),
        gets_through(Phone, Room, <<"2">>),
        _ = later(Bob2, fun(Stanza) -> body(Stanza) =:= <<"2">> end),
        ?assertEqual([<<"2">>], bodies(stanzas_until_end(Room, Bob2, Desk))),
        is_there(Room, Bob2, Phone)
    end).

%% B13.86, B13.88, I3 (XEP-0410 §3.2)
a_crash_of_a_service_with_storage_is_repaired(Config) ->
    crashed(Config, <<"rooms">>, fun(Room, Bob, Phone, Desk) ->
        comes_back(Bob, <<"alice">>),
        nothing_but(Room, Bob, [Phone, Desk], []),
        is_there(Room, Bob, Phone)
    end).

%% B12.81, B13.86, I3 (XEP-0045 §7.2.14)
a_crash_of_a_service_with_an_archive_leaves_no_gap(Config) ->
    crashed(Config, <<"archive">>, fun(Room, Bob, Phone, Desk) ->
        [tells(Bob, Room, Text) || Text <- [<<"1">>, <<"2">>]],
        comes_back(Bob, <<"alice">>),
        nothing_but(Room, Bob, [Phone, Desk], [<<"1">>, <<"2">>]),
        is_there(Room, Bob, Phone)
    end).

%% B13.86, B13.88 (XEP-0410 §3.2)
a_crash_of_a_service_that_forgets_is_repaired(Config) ->
    crashed(Config, <<"forgetful">>, fun(Room, Bob, Phone, Desk) ->
        comes_back(Bob, <<"alice">>),
        nothing_but(Room, Bob, [Phone, Desk], []),
        is_there(Room, Bob, Phone)
    end).

%% B13.88, I3 (XEP-0410 §3.2)
a_message_to_a_service_that_forgot_arrives_once(Config) ->
    down(Config, <<"forgetful">>, fun(Room, _Bob, Phone, Desk) ->
        ok = mmx_prosody:launch(?config(prosody, Config)),
        gets_through(Phone, Room, <<"does anybody hear?">>),
        IsIt = fun(Stanza) -> body(Stanza) =:= <<"does anybody hear?">> end,
        ?assertEqual(<<"groupchat">>, type(later(Desk, IsIt)))
    end).

%% B13.83, B13.90, B12.82 (XEP-0410 §3.2)
a_service_that_is_down_for_long_is_found_again(Config) ->
    down(Config, <<"archive">>, fun(Room, Bob, Phone, Desk) ->
        %% Each says that the other server was tried in vain.
        [
            begin
                say(Phone, Room, Text),
                ?assertEqual(<<"error">>, type(later(Phone, fun(Stanza) -> body(Stanza) =:= Text end)))
            end
         || Text <- [<<"a">>, <<"b">>, <<"c">>, <<"d">>, <<"e">>]
        ],
        ok = mmx_prosody:launch(?config(prosody, Config)),
        Bob2 = again(Config, Bob),
        _ = join(Bob2, Room, <<"bob">>),
        comes_back(Bob2, <<"alice">>),
        told(Bob2, Room, <<"1">>, [Bob2]),
        nothing_but(Room, Bob2, [Phone, Desk], [<<"1">>]),
        is_there(Room, Bob2, Phone)
    end).

%% B23.163, B23.165, B23.166, I11 (XEP-0045 §7.2)
a_restart_of_ours_in_silence_is_noticed_by_nobody(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        told(Bob, Room, <<"1">>, [Bob, Phone, Desk]),
        Again = restarted(Config, restart, fun() -> ok end),
        Back = connect(?config(server, Again), [hd(string:split(account(Phone), "@")), "/phone"]),
        Stanzas = join(Back, Room, <<"alice">>),
        ?assertEqual([<<"bob">>, <<"alice">>], nicks(Stanzas)),
        ?assert(lists:member(bodies(Stanzas), [[], [<<"1">>]])),
        Seen = seen(Bob, Room),
        ?assertEqual([], [Stanza || Stanza <- presences(Seen), type(Stanza) =:= <<"unavailable">>]),
        is_there(Room, Bob, Back),
        mmx_client:abandon(Back)
    end).

%% B23.163, B12.81, I3, I11 (XEP-0045 §7.2.14)
what_is_said_during_a_restart_of_ours_is_there(Config) ->
    said_during(Config, restart).

%% B23.165, B12.81, I3, I11 (XEP-0045 §7.2.14)
what_is_said_during_a_crash_of_ours_is_there_once(Config) ->
    said_during(Config, crash).

said_during(Config, How) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        told(Bob, Room, <<"1">>, [Bob, Phone, Desk]),
        Again = restarted(Config, How, fun() -> [tells(Bob, Room, Text) || Text <- [<<"2">>, <<"3">>]] end),
        Back = connect(?config(server, Again), [hd(string:split(account(Phone), "@")), "/phone"]),
        Stanzas = join(Back, Room, <<"alice">>),
        ?assertEqual([<<"bob">>, <<"alice">>], nicks(Stanzas)),
        %% What was there before the restart may be told again, once.
        ?assertEqual([<<"2">>, <<"3">>], bodies(Stanzas) -- [<<"1">>]),
        is_there(Room, Bob, Back),
        mmx_client:abandon(Back)
    end).

%% Who else has gone may be told at the same time.
tells(Bob, Room, Text) ->
    ok = say(Bob, Room, Text),
    _ = later(Bob, fun(Stanza) -> body(Stanza) =:= Text end).

%% Our server stops and starts, and meanwhile something happens.
restarted(Config, How, Meanwhile) ->
    Server = mmx_holder:again(?config(holder, Config), How, Meanwhile),
    lists:keystore(server, 1, Config, {server, Server}).

%% The far server has crashed and runs again with bob back in the room.
crashed(Config, Service, Fun) ->
    down(Config, Service, fun(Room, Bob, Phone, Desk) ->
        ok = mmx_prosody:launch(?config(prosody, Config)),
        Bob2 = again(Config, Bob),
        _ = join(Bob2, Room, <<"bob">>),
        Fun(Room, Bob2, Phone, Desk)
    end).

%% The far server has crashed while bob and alice were in a room of this service.
down(Config, Service, Fun) ->
    story(Config, [{"bob/desk", ?config(bob, Config)}, "alice/phone", "alice/desk"], fun(Room0, Bob, Phone, Desk) ->
        Room = mmx_prosody:room_of(Service, Room0),
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        Streams = streams(Config),
        ok = mmx_prosody:kill(?config(prosody, Config)),
        given_up(Config, Streams),
        Fun(Room, Bob, Phone, Desk)
    end).

%% Another person of the far server.
away(Config, Name) ->
    Unique = mmx_stanza:unique(),
    connect(?config(server, Config), [Name, "-", Unique, "/desk"], ?config(bob, Config)).

%% Says this, again as long as the other server cannot be reached.
gets_through(Session, Room, Text) ->
    Through = fun() ->
        ok = say(Session, Room, Text),
        Answer = later(Session, fun(Stanza) -> body(Stanza) =:= Text orelse type(Stanza) =:= <<"error">> end),
        case {type(Answer), error_condition(Answer)} of
            {<<"groupchat">>, _} -> true;
            {<<"error">>, <<"remote-server-timeout">>} -> false
        end
    end,
    mmx_server:wait_until("it gets through", Through).

%% Says this once: the room hears it when the account is back, or the other server could not be reached.
gets_through_or_not(Session, Room, Bob, Text) ->
    ok = say(Session, Room, Text),
    comes_back(Bob, <<"alice">>),
    Refusal = fun(Queue) ->
        case lists:partition(fun(Stanza) -> type(Stanza) =:= <<"error">> end, Queue) of
            {[], _} -> more;
            {[Error], Rest} -> {Error, Rest}
        end
    end,
    try mmx_client:take_with(Session, Refusal, 3_000) of
        Error -> ?assertEqual(<<"remote-server-timeout">>, error_condition(Error)), []
    catch
        error:{nothing_in_time, _, _} -> _ = later(Bob, fun(Stanza) -> body(Stanza) =:= Text end), [Text]
    end.

%% The person of a client that has lost its connection.
again(Config, Client) ->
    connect(?config(server, Config), [hd(string:split(account(Client), "@")), "/desk2"], ?config(bob, Config)).

%% In a cut bob talks until the room notices that it has lost alice. What is on its way in a stream when that
%% is given up tells the room nothing.
thrown_out(Config, Room, Bob) ->
    cut(Config),
    talks_until_out(Room, Bob, []).

talks_until_out(Room, Bob, Said) ->
    Text = integer_to_binary(length(Said) + 1),
    ok = say(Bob, Room, Text),
    _ = later(Bob, fun(Stanza) -> body(Stanza) =:= Text end),
    true = length(Said) < 40,
    try mmx_client:take_with(Bob, fun first_removal/1, 500) of
        Out ->
            ?assert(lists:member(333, status_codes(Out))),
            lists:reverse(Said, [Text])
    catch
        error:{nothing_in_time, _, _} -> talks_until_out(Room, Bob, [Text | Said])
    end.

first_removal(Queue) ->
    case lists:partition(fun(Stanza) -> is_of(Stanza, <<"alice">>, <<"unavailable">>) end, Queue) of
        {[], _} -> more;
        {[Out], Rest} -> {Out, Rest}
    end.

cut(Config) ->
    mmx_link:cut(mmx_prosody:link(?config(prosody, Config))).

mend(Config) ->
    mmx_link:mend(mmx_prosody:link(?config(prosody, Config))).

%% The account's pings are what finds out.
cut_and_given_up(Config) ->
    Streams = streams(Config),
    cut(Config),
    given_up(Config, Streams).

%% Our server no longer believes in any of these streams to the other.
given_up(Config, Streams) ->
    Server = ?config(server, Config),
    ?assertNotEqual([], Streams),
    Dead = fun() -> not lists:any(fun(Pid) -> mmx_server:rpc(Server, erlang, is_process_alive, [Pid]) end, Streams) end,
    mmx_server:wait_until("the streams are given up", Dead).

%% Our server's streams to the other.
streams(Config) ->
    Children = mmx_server:rpc(?config(server, Config), supervisor, which_children, [ejabberd_s2s_out_sup]),
    [Pid || {_, Pid, _, _} <- Children, is_pid(Pid)].

comes_back(Bob, Nick) ->
    _ = later(Bob, fun(Stanza) -> is_of(Stanza, Nick, <<"available">>) end),
    ok.

%% From now on no messages but these, each once and in this order, and nobody is gone.
nothing_but(Room, Bob, Clients, Texts) ->
    nothing_but(Room, Bob, Clients, Texts, fun(Stanza) -> type(Stanza) =/= <<"available">> end).

%% The same, and no presences.
nothing_at_all_but(Room, Bob, Clients, Texts) ->
    nothing_but(Room, Bob, Clients, Texts, fun(_) -> true end).

nothing_but(Room, Bob, Clients, Texts, IsNews) ->
    End = <<"end ", (mmx_stanza:unique())/binary>>,
    ok = say(Bob, Room, End),
    [
        begin
            Stanzas = lists:droplast(until(Client, fun(Stanza) -> body(Stanza) =:= End end)),
            ?assertEqual({jid(Client), Texts}, {jid(Client), bodies(Stanzas)}),
            Others = [Stanza || Stanza <- Stanzas, body(Stanza) =:= undefined],
            ?assertEqual({jid(Client), []}, {jid(Client), to_text(lists:filter(IsNews, Others))})
        end
     || Client <- Clients
    ].

stanzas_until_end(Room, Bob, Session) ->
    End = <<"end ", (mmx_stanza:unique())/binary>>,
    ok = say(Bob, Room, End),
    lists:droplast(until(Session, fun(Stanza) -> body(Stanza) =:= End end)).

%% The account is in the room once, and so is bob.
is_there(Room, Bob, Session) ->
    ?assertEqual([{<<"alice">>, account(Session)}, {<<"bob">>, jid(Bob)}], mmx_prosody:occupants(Bob, Room)).

presences(Stanzas) ->
    [Stanza || #xmlel{name = <<"presence">>} = Stanza <- Stanzas].

is_of(#xmlel{name = <<"presence">>} = Stanza, Nick, Type) ->
    from_nick(Stanza) =:= Nick andalso type(Stanza) =:= Type;
is_of(_, _, _) ->
    false.

is_self_and_here(Stanza) ->
    is_self_presence(Stanza) andalso type(Stanza) =:= <<"available">>.

%% As take/2 and recv_until/2, for what takes its time.
later(Client, IsIt) ->
    lists:last(until(Client, IsIt)).

until(Client, IsIt) ->
    Until = fun(Queue) ->
        case lists:splitwith(fun(Stanza) -> not IsIt(Stanza) end, Queue) of
            {_, []} -> more;
            {Before, [It | Rest]} -> {Before ++ [It], Rest}
        end
    end,
    mmx_client:take_with(Client, Until, ?PATIENCE).
