%% What a test needs in order to read like a story.
-include_lib("fast_xml/include/fxml.hrl").
-include_lib("stdlib/include/assert.hrl").
-include_lib("common_test/include/ct.hrl").

-define(NS_MUC, <<"http://jabber.org/protocol/muc">>).
-define(NS_MUC_USER, <<"http://jabber.org/protocol/muc#user">>).
-define(NS_MUC_ADMIN, <<"http://jabber.org/protocol/muc#admin">>).
-define(NS_MUC_OWNER, <<"http://jabber.org/protocol/muc#owner">>).
-define(NS_PING, <<"urn:xmpp:ping">>).
-define(NS_DISCO_INFO, <<"http://jabber.org/protocol/disco#info">>).
-define(NS_STANZAS, <<"urn:ietf:params:xml:ns:xmpp-stanzas">>).

-import(mmx_story, [
    cases/1, story/3, with_two/2, unnoticed/4, beside_plain/1, paused/3, in_room/2, room_option/4,
    lose/2, gone/2
]).
-import(mmx_client, [
    connect/2, connect/3, send/2, recv/1, recv/2, recv_until/2, take/2, queued/1, sync/1, sync/2,
    drain/1, request/2, going_offline/1, close/1, kill/1, resume/1, acknowledge/1, closed/1,
    jid/1, account/1
]).
-import(mmx_muc, [
    enter/2, settle/2, join/3, join/4, try_join/3, try_join/4, ask/3, ask/4, entered/2, answered/2,
    leave/2, removed/3, nick/2, rename/3, say/3, told/4, whisper/4, subject/3, hears/3,
    marker/3, until_marker/3, seen/2, set_role/4, set_affiliation/4, destroy/2, configure/3
]).
-import(mmx_stanza, [
    el/2, el/3, presence/2, presence/3, message/3, iq/3, attr/2, child/2, child/3, children/2, cdata/1, body/1,
    from/1, from_nick/1, bare/1, resource/1, as_account/1, type/1, status_codes/1, item/1, error_condition/1,
    is_self_presence/1, is_subject/1, nicks/1, bodies/1, own/1, to_text/1
]).
