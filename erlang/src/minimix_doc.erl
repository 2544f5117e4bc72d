%%% The options in words, for `ejabberdctl man' and the like.
-module(minimix_doc).

-export([options/0]).
-export_type([option/0]).

-include("translate.hrl").

-type option() :: {atom(), #{value := string(), desc := binary()}}.

-spec options() -> [option(), ...].
options() ->
    [option(access, "AccessName",
            ?T("The accounts that the module serves. The rest join rooms as without it. "
               "The default value is 'all'.")),
     option(exclude, "[Glob, ...]",
            ?T("Rooms ('room@service') or services ('service') that are passed through untouched. "
               "The default value is '[]'.")),
     option(nick, "assign | change",
            ?T("What a session gets that joins with another nick than the account has: the "
               "account's nick, or its own for all sessions. The default value is 'assign'.")),
     option(occupant_address, "bare | resource",
            ?T("By which address rooms know the account: its bare JID, or a full JID that no session "
               "has. A service that refuses bare JIDs gets a full JID in any case. "
               "The default value is 'bare'.")),
     option(leave, "auto | last_session | never",
            ?T("When the account leaves a room: when its last session leaves explicitly, or "
               "never; with 'auto' it stays while a bookmark says so. A lost connection is no "
               "leave. The default value is 'auto'.")),
     option(bookmarks, "true | false",
            ?T("Whether the account is in the rooms that its bookmarks say it is to join, also "
               "when no session of it is online. The default value is 'true'.")),
     option(offline_presence, "xa | away | keep",
            ?T("What others see of an account that no session of is in the room any more. "
               "The default value is 'xa'.")),
     option(offline_delay, "timeout()",
            ?T("How long others see a lost session as if it were still there. "
               "The default value is '5 minutes'.")),
     option(detached_ttl, "timeout()",
            ?T("How long an account without sessions stays in a room that no bookmark wants. "
               "The default value is '30 days'.")),
     option(ping_interval, "timeout()",
            ?T("How long a room may be silent before the account asks whether it is still in it. "
               "The default value is '15 minutes'.")),
     option(rejoin_rate, "pos_integer()",
            ?T("How many accounts come back to the rooms of one service in a second, after a restart "
               "for instance. The default value is '50'.")),
     option(history_size, "0..1000",
            ?T("Messages kept for each account and room. The default value is '50'.")),
     option(archive, "true | false",
            ?T("Whether what is said in rooms is kept in the account's own archive, once for each "
               "message. This needs mod_mam with an SQL database. The default value is 'false'.")),
     option(push, "none | mentions | all",
            ?T("For which messages of rooms devices are woken that are not connected: none, those that "
               "name the account, or all. What a bookmark says for its room counts first (XEP-0492). This needs "
               "mod_push. The default value is 'mentions'.")),
     option(join_timeout, "timeout()",
            ?T("How long a room may take to answer. The default value is '60 seconds'.")),
     option(max_rooms, "pos_integer()",
            ?T("Rooms that an account may be in. The default value is '200'.")),
     option(max_occupants, "pos_integer()",
            ?T("Occupants remembered for each account and room; in a larger room every joining "
               "session makes the room tell them anew. The default value is '5000'.")),
     option(db_type, "mnesia | sql",
            ?T("Where it is stored in which rooms accounts are. The default value is that of the "
               "option 'default_db', or 'mnesia' if that is not set."))].

option(Name, Value, Description) ->
    {Name, #{value => Value, desc => Description}}.
