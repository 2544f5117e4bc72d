%% Conversations about questions, answers and what is done by them.
-module(mmx_requesting).

-export([
    a_self_ping/0,
    a_self_ping_from_outside/0,
    others_are_pinged/0,
    others_are_asked_for_their_version/0,
    others_are_asked_for_their_features/0,
    others_are_asked_for_their_cards/0,
    an_answer_that_is_an_error/0,
    a_request_that_sets_something/0,
    a_request_to_nobody/0,
    a_request_from_outside/0,
    a_request_to_oneself/0,
    requests_are_for_nobody/0,
    a_request_to_one_who_leaves_without_an_answer/0,
    two_requests_under_way/0,
    the_room_is_asked_about_itself/0,
    the_room_is_asked_about_itself_from_outside/0,
    the_service_is_asked/0,
    something_that_no_room_knows/0,
    lists_are_asked_for_by_others/0,
    lists_are_asked_for_by_the_owner/0,
    a_moderator_at_work/0,
    an_owner_at_work/0,
    what_a_participant_may_not/0,
    many_items_at_once/0,
    a_configuration_is_given_up/0,
    a_registration/0,
    the_rooms_archive/0,
    the_archive_of_a_room_that_hides_nobody/0,
    the_archive_is_read_by_a_moderator/0,
    requests_without_a_payload/0,
    an_occupant_subscribes/0,
    a_hat/0
]).

-compile({no_auto_import, [error/2]}).
-import(mmx_script, [
    join/1, leave/1, say/1, iq/3, query/3, ping/1, info/1, items/1, error/2, role/2, affiliation/2, admin/1,
    roles/1, affiliations/1, configure/1, instant/0, destroy/1, form/2, open_room/0, room_with/1, both/0,
    everybody/0
]).

%% B19.132 (XEP-0410 §3.1)
a_self_ping() ->
    both() ++ [{phone, ping("alice")}, {bob, ping("bob")}].

%% B19.133 (XEP-0410 §3.3)
a_self_ping_from_outside() ->
    {allowing, [{error_by_the_server, [6]}],
        open_room() ++
            [
                {phone, ping("alice")},
                {phone, join("alice")},
                {phone, leave("alice")},
                {phone, ping("alice")}
            ]}.

%% B17.117, B17.121 (XEP-0045 §17.4)
others_are_pinged() ->
    both() ++
        [
            {phone, ping("bob")},
            {bob, {answer, result, ""}},
            {bob, ping("alice")},
            {phone, {answer, result, ""}}
        ].

%% B17.117, B17.121 (XEP-0045 §17.4)
others_are_asked_for_their_version() ->
    both() ++
        [
            {phone, query("$room/bob", "get", "jabber:iq:version")},
            {bob, {answer, result, "<query xmlns='jabber:iq:version'><name>b</name><odd xmlns='urn:odd'/></query>"}},
            {bob, query("$room/alice", "get", "jabber:iq:version")},
            {phone, {answer, result, "<query xmlns='jabber:iq:version'><name>a</name><odd xmlns='urn:odd'/></query>"}}
        ].

%% B17.117, B17.121 (XEP-0030, XEP-0045 §17.4)
others_are_asked_for_their_features() ->
    both() ++
        [
            {phone, info("$room/bob")},
            {bob, {answer, result, features()}},
            {bob, info("$room/alice")},
            {phone, {answer, result, features()}},
            {phone, items("$room/bob")},
            {bob, {answer, result, "<query xmlns='http://jabber.org/protocol/disco#items'/>"}}
        ].

features() ->
    "<query xmlns='http://jabber.org/protocol/disco#info'><feature var='urn:odd'/></query>".

%% B17.122 (XEP-0054)
others_are_asked_for_their_cards() ->
    [{phone, card("a")}, {bob, card("b")}] ++ both() ++
        [
            {Session, iq(["$room/", To], "get", "<vCard xmlns='vcard-temp'/>")}
         || {Session, To} <- [{phone, "bob"}, {bob, "alice"}, {phone, "alice"}]
        ].

card(Name) ->
    ["<iq type='set'><vCard xmlns='vcard-temp'><FN>", Name, "</FN></vCard></iq>"].

%% B17.117, B17.121 (XEP-0045 §17.4)
an_answer_that_is_an_error() ->
    both() ++
        [
            {phone, query("$room/bob", "get", "urn:odd")},
            {bob, {answer, error, error("cancel", "feature-not-implemented")}},
            {bob, query("$room/alice", "get", "urn:odd")},
            {phone, {answer, error, error("cancel", "feature-not-implemented")}},
            {phone, say("still here")}
        ].

%% B17.117, B17.121 (XEP-0045 §17.4)
a_request_that_sets_something() ->
    both() ++
        [
            {phone, iq("$room/bob", "set", "<odd xmlns='urn:odd'>please</odd>")},
            {bob, {answer, result, "<odd xmlns='urn:odd'>done</odd>"}},
            {bob, iq("$room/alice", "set", "<odd xmlns='urn:odd'>please</odd>")},
            {phone, {answer, result, "<odd xmlns='urn:odd'>done</odd>"}}
        ].

%% B17.117 (XEP-0045 §17.4)
a_request_to_nobody() ->
    both() ++ [{phone, query("$room/nobody", "get", "jabber:iq:version")}, {phone, ping("nobody")}].

%% B17.117, B17.118 (XEP-0045 §17.4)
a_request_from_outside() ->
    open_room() ++ [{phone, query("$room/bob", "get", "jabber:iq:version")}, {phone, ping("bob")}].

%% B17.117 (XEP-0045 §17.4)
a_request_to_oneself() ->
    both() ++
        [
            {phone, query("$room/alice", "get", "jabber:iq:version")},
            {phone, {answer, result, "<query xmlns='jabber:iq:version'><name>a</name></query>"}}
        ].

%% B17.117 (XEP-0045 §17.4)
requests_are_for_nobody() ->
    room_with([{"allow_query_users", "0"}]) ++
        [
            {phone, join("alice")},
            {phone, ping("bob")},
            {bob, ping("alice")},
            {phone, query("$room/bob", "get", "jabber:iq:version")}
        ].

%% B17.121 (XEP-0045 §17.4)
a_request_to_one_who_leaves_without_an_answer() ->
    {allowing, [{requests_are_refused, [5]}],
        both() ++ [{bob, query("$room/alice", "get", "jabber:iq:version")}, {phone, leave("alice")}]}.

%% B17.117, B17.124 (XEP-0045 §17.4)
two_requests_under_way() ->
    everybody() ++
        [
            {phone, query("$room/bob", "get", "jabber:iq:version")},
            {phone, query("$room/carol", "get", "jabber:iq:version")},
            {carol, {answer, result, "<query xmlns='jabber:iq:version'><name>c</name></query>"}},
            {bob, {answer, result, "<query xmlns='jabber:iq:version'><name>b</name></query>"}}
        ].

%% B17.120 (XEP-0045 §6.4, §6.5)
the_room_is_asked_about_itself() ->
    both() ++
        [{phone, Ask} || Ask <- questions()] ++
        [{phone, info_of_node("x-roomuser-item")}, {phone, info_of_node("http://jabber.org/protocol/muc#traffic")}].

info_of_node(Node) ->
    iq("$room", "get", ["<query xmlns='http://jabber.org/protocol/disco#info' node='", Node, "'/>"]).

%% B17.120 (XEP-0045 §6.4, §6.5)
the_room_is_asked_about_itself_from_outside() ->
    open_room() ++ [{phone, Ask} || Ask <- questions()].

questions() ->
    [
        info("$room"),
        items("$room"),
        query("$room", "get", "jabber:iq:version"),
        iq("$room", "get", "<ping xmlns='urn:xmpp:ping'/>"),
        iq("$room", "get", "<vCard xmlns='vcard-temp'/>")
    ].

%% B17.120 (XEP-0045 §6.1, §6.3)
the_service_is_asked() ->
    both() ++ [{phone, info("$service")}, {phone, query("$service", "get", "jabber:iq:version")}].

%% B17.120 (XEP-0045 §17.4)
something_that_no_room_knows() ->
    both() ++ [{phone, iq("$room", Type, "<odd xmlns='urn:odd'/>")} || Type <- ["get", "set"]].

%% B17.119 (XEP-0045 §8.5, §9.5)
lists_are_asked_for_by_others() ->
    both() ++
        [
            {phone, roles("participant")},
            {phone, affiliations("owner")},
            {bob, roles("participant")},
            {bob, roles("moderator")},
            {bob, affiliations("none")}
        ].

%% B17.119 (XEP-0045 §8.5, §9.5, §10.5)
lists_are_asked_for_by_the_owner() ->
    [{phone, join("alice")}, {phone, instant()}, {bob, join("bob")}, {carol, join("carol")}, {phone, affiliation("$carol", "member")}] ++
        [{phone, roles(Role)} || Role <- ["participant", "moderator", "visitor"]] ++
        [{phone, affiliations(Affiliation)} || Affiliation <- ["owner", "admin", "member", "outcast"]].

%% B17.119 (XEP-0045 §8.2, §8.3, §8.4)
a_moderator_at_work() ->
    everybody() ++
        [
            {bob, role("alice", "moderator")},
            {phone, role("carol", "visitor")},
            {phone, role("carol", "participant")},
            {phone, role("carol", "moderator")},
            {phone, role("bob", "none")},
            {phone, role("nobody", "none")},
            {phone, role("carol", "none")}
        ].

%% B17.119 (XEP-0045 §9, §10)
an_owner_at_work() ->
    [{phone, join("alice")}, {phone, instant()}, {bob, join("bob")}, {carol, join("carol")}] ++
        [{phone, affiliation("$bob", Affiliation)} || Affiliation <- ["member", "admin", "owner", "none"]] ++
        [
            {phone, affiliation("$carol", "outcast")},
            {phone, affiliation("$carol", "none")},
            {phone, affiliation("$alice", "none")}
        ].

%% B17.119 (XEP-0045 §8.2, §9.1)
what_a_participant_may_not() ->
    everybody() ++
        [
            {phone, role("bob", "none")},
            {phone, role("carol", "visitor")},
            {phone, affiliation("$carol", "outcast")},
            {phone, destroy("/>")},
            {phone, configure([{"roomname", "mine"}])},
            {phone, query("$room", "get", "http://jabber.org/protocol/muc#owner")}
        ].

%% B17.119 (XEP-0045 §9.2)
many_items_at_once() ->
    [{phone, join("alice")}, {phone, instant()}, {bob, join("bob")}] ++
        [
            {phone, admin(["<item jid='$bob' affiliation='member'/><item jid='$carol' affiliation='admin'/>"])},
            {phone, admin("<item nick='bob' role='visitor'/>")},
            {phone, admin("")}
        ].

%% B17.119 (XEP-0045 §10.2)
a_configuration_is_given_up() ->
    [{phone, join("alice")}, {phone, instant()}, {bob, join("bob")}] ++
        [{phone, iq("$room", "set", cancelled())},
         {phone, configure([{"roomname", "tea"}])}, {phone, configure([{"maxusers", "many"}])}].

cancelled() ->
    "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='cancel'/></query>".

%% B17.119 (XEP-0045 §7.10)
a_registration() ->
    both() ++
        [
            {phone, query("$room", "get", "jabber:iq:register")},
            {phone, query("$service", "get", "jabber:iq:register")},
            {phone, iq("$room", "set", [
                "<query xmlns='jabber:iq:register'>",
                form("http://jabber.org/protocol/muc#register", [{"muc#register_roomnick", "alice"}]),
                "</query>"
            ])}
        ].

%% B21.157, B17.120 (XEP-0313 §6.1)
the_rooms_archive() ->
    room_with([{"mam", "1"}]) ++
        [{bob, say("one")}, {phone, join("alice")}, {phone, say("two")}] ++
        [
            {phone, iq("$room", "set", "<query xmlns='urn:xmpp:mam:2' queryid='q'/>")},
            {phone, iq("$room", "set", [
                "<query xmlns='urn:xmpp:mam:2' queryid='r'>",
                "<set xmlns='http://jabber.org/protocol/rsm'><max>1</max><before/></set></query>"
            ])}
        ].

%% B21.157 (XEP-0313 §6.1)
the_archive_of_a_room_that_hides_nobody() ->
    room_with([{"mam", "1"}, {"whois", "anyone"}]) ++
        [
            {bob, say("one")},
            {phone, join("alice")},
            {phone, say("two")},
            {phone, iq("$room", "set", "<query xmlns='urn:xmpp:mam:2' queryid='q'/>")},
            {bob, iq("$room", "set", "<query xmlns='urn:xmpp:mam:2' queryid='q'/>")}
        ].

%% B21.157 (XEP-0313 §8.4)
the_archive_is_read_by_a_moderator() ->
    {allowing, [{archive_shows_no_addresses, [5]}],
        [
            {phone, join("alice")},
            {phone, configure([{"mam", "1"}])},
            {bob, join("bob")},
            {bob, say("one")},
            {phone, iq("$room", "set", "<query xmlns='urn:xmpp:mam:2' queryid='q'/>")}
        ]}.

%% B17.119 (XEP-0045 §17.4)
requests_without_a_payload() ->
    both() ++
        [
            {phone, iq("$room", "get", "")},
            {phone, iq("$room/bob", "get", "")},
            {phone, iq("$room", "result", "")},
            {phone, say("still here")}
        ].

%% T8 (MUC/Sub)
an_occupant_subscribes() ->
    room_with([{"allow_subscription", "1"}]) ++
        [
            {phone, join("alice")},
            {phone, iq("$room", "set", [
                "<subscribe xmlns='urn:xmpp:mucsub:0' nick='alice'>",
                "<event node='urn:xmpp:mucsub:nodes:messages'/></subscribe>"
            ])},
            {bob, say("hello")},
            {phone, say("hello")},
            {phone, leave("alice")},
            {bob, say("hello")}
        ].

%% B17.119 (XEP-0317)
a_hat() ->
    room_with([{"enable_hats", "1"}]) ++
        [
            {phone, join("alice")},
            {bob, iq("$room", "set", [
                "<command xmlns='http://jabber.org/protocol/commands' node='http://prosody.im/protocol/hats#add' action='complete'>",
                "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:hats:commands</value></field>",
                "<field var='hats#jid'><value>$alice</value></field><field var='jid'><value>$alice</value></field>",
                "<field var='hat_title'><value>Chef</value></field><field var='hat_uri'><value>urn:chef</value></field></x></command>"
            ])},
            {carol, join("carol")}
        ].
