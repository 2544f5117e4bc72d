%%% The Rust core. Only minimix_door and minimix_state call it.
%%%
%%% Times are milliseconds since the epoch of Unix, JIDs are prepared (nodeprep, nameprep,
%%% resourceprep), stanzas come and go without `to` unless they are sent to a room.
-module(minimix_nif).

-export([is_loaded/0, new/1, configure/2, handle/5, tell/6, tick/3, replay_next/1, chosen/2, tombstone/4, wakes/4,
         rooms/2, accounts/1, facts/2, counts/1, version/0, library/0]).
-export_type([core/0, config/0, record/0, bookmark/0, command/0, stage/0, facts/0, counts/0,
              input/0, effect/0, effects/0, target/0, replay/0, recall/0, new_id/0]).

-include_lib("kernel/include/logger.hrl").

-on_load(on_load/0).

-define(LIBRARY, "minimix_nif").

-type core() :: reference().
-type replay() :: reference().
-type recall() :: reference().
-type config() ::
        #{'__struct__' := 'Config',
          nick := assign | change,
          occupant_address := bare | resource,
          leave := auto | last_session | never,
          offline_presence := xa | away | keep,
          offline_delay := non_neg_integer(),
          detached_ttl := pos_integer(),
          ping_interval := pos_integer(),
          history_size := non_neg_integer(),
          archive := boolean(),
          push := none | mentions | all,
          join_timeout := pos_integer(),
          max_rooms := pos_integer(),
          max_occupants := pos_integer()}.
-type nick() :: binary() | none.
%% `session': a session sent a stanza; `room': the room or an occupant did; `catch_up': a session
%% comes for what `invite' promised; `stranded': one believes to be there since an earlier core said so; `declined': a `join' was not sent;
%% `detach': a stream ended; `resumed': another one goes on; `asleep': it waits for its client; `restore': what was stored;
%% `bookmark': what it says now; `command': an admin's word; `turn': the service may be asked;
%% `doubt': the link was broken; `gap': what the room said may not have arrived; `dismiss': another
%% room needs the place; `stop': tell everybody and leave.
-type input() ::
        {session, pid(), Resource :: binary(), nick(), fxml:xmlel()} |
        {room, nick(), fxml:xmlel(), ArchiveId :: pos_integer() | none} |
        {catch_up, pid(), Resource :: binary()} |
        {stranded, pid(), Resource :: binary(), Nick :: binary()} |
        {declined, Epoch :: pos_integer()} |
        {detach, pid(), fxml:xmlel() | none} |
        {resumed, Old :: pid(), New :: pid()} |
        {asleep, pid()} |
        {restore, record()} |
        {bookmark, bookmark() | none} |
        {command, command()} |
        turn | doubt | gap | dismiss | stop.
%% What survives of an account in a room. Times are milliseconds since the epoch of Unix, 0 for never.
-type record() ::
        #{nick := binary(),
          password := binary() | none,
          resource := binary() | none,
          cause := session | bookmark | command,
          place := joining | joined | out,
          autojoin := boolean(),
          joined_at := non_neg_integer(),
          seen_at := non_neg_integer(),
          seen_id := binary() | none,
          detached_at := non_neg_integer() | none}.
-type bookmark() ::
        #{autojoin := boolean(),
          nick := binary() | none,
          password := binary() | none,
          notify := always | on_mention | never | none}.
-type command() :: {join, Nick :: binary(), Password :: binary() | none} | leave | rejoin.
-type stage() :: joining | joined | away | leaving | out.
%% One account in one room. Times are milliseconds since the epoch of Unix.
-type facts() ::
        #{nick := binary(),
          stage := stage(),
          sessions := [Resource :: binary()],
          autojoin := boolean(),
          cause := session | bookmark | command,
          joined_at := pos_integer() | none,
          detached_at := pos_integer() | none,
          repaired_at := pos_integer() | none}.
%% How many there are; the stages count pairs of account and room, `occupants' the others that each
%% account remembers in each room, `bytes' the stanzas that are remembered. From `joins' on: what has
%% happened since the core is there.
-type counts() ::
        #{accounts := non_neg_integer(),
          rooms := non_neg_integer(),
          joining := non_neg_integer(),
          joined := non_neg_integer(),
          away := non_neg_integer(),
          leaving := non_neg_integer(),
          out := non_neg_integer(),
          sessions := non_neg_integer(),
          occupants := non_neg_integer(),
          bytes := non_neg_integer(),
          joins := non_neg_integer(),
          attaches := non_neg_integer(),
          forks := non_neg_integer(),
          repairs := non_neg_integer()}.
-type target() ::
        {pid(), Resource :: binary(), minimix_stanza:gate(), IsLast :: boolean()}.
-type new_id() :: keep | remove | {set, binary()}.
%% What each of them means is written at `Effect' in native/minimix/src/effect.rs.
-type effect() ::
        pass |
        {as_account, new_id()} |
        {send, fxml:xmlel()} |
        {join, Epoch :: pos_integer(), fxml:xmlel()} |
        {leave, fxml:xmlel()} |
        {store, record() | none} |
        {await_turn, IsUrgent :: boolean()} |
        {bookmark, Nick :: binary()} |
        {dismiss, Room :: binary()} |
        {join_alone, pid(), fxml:xmlel()} |
        {archive, ArchiveId :: pos_integer(), RoomId :: binary() | none, new_id(), Size :: non_neg_integer(),
         IsPast :: boolean()} |
        {retract, RoomId :: binary()} |
        push |
        {recall, recall(), Since :: non_neg_integer(), Last :: pos_integer()} |
        {fork, [target()], new_id(), IsOwn :: boolean()} |
        {private, [target()]} |
        {deliver, target(), fxml:xmlel()} |
        {replay, [fxml:xmlel()], replay() | done} |
        {attached, Generation :: pos_integer(), OccupantJid :: binary()} |
        detached |
        {reject, Type :: binary(), Condition :: binary()} |
        result |
        {invite, pid()} |
        {manage, Epoch :: pos_integer()} |
        {unmanage, Epoch :: pos_integer()} |
        {wake, At :: non_neg_integer()}.
%% With the resource of the account's occupant address: what goes to the room from the account goes
%% from there.
-type effects() :: {Resource :: binary() | none, [effect()]}.

%% A library that does not load must not take the module away: ejabberd goes on with plain MUC. But one that
%% is in use stays.
-spec on_load() -> ok | {error, in_use | string()}.
on_load() ->
    Path = library(),
    ok = persistent_term:put({?MODULE, loads}, persistent_term:get({?MODULE, loads}, 0) + 1),
    case load(Path) of
        ok ->
            ok;
        {error, {upgrade, _}} ->
            ?LOG_ERROR("mod_minimix: the library ~ts is in use; 'ejabberdctl minimix_upgrade' loads a newer one",
                       [?LIBRARY]),
            {error, in_use};
        {error, {_, Reason}} ->
            ?LOG_ERROR("mod_minimix: the library ~ts does not load: ~ts", [?LIBRARY, Reason]),
            unless_in_use(Reason)
    end.

%% The module that was there before is still the one that is called here.
unless_in_use(Reason) ->
    try ?MODULE:version() of
        _ -> {error, Reason}
    catch
        error:_ -> ok
    end.

load(Path) ->
    case minimix_library:is_whole(Path) of
        true -> load(minimix_library:folders(Path), Path);
        false -> {error, {load_failed, "it is not complete"}}
    end.

%% A folder may take files and yet forbid to run what is in them.
load([], Path) ->
    erlang:load_nif(Path, 0);
load([Folder | Others], Path) ->
    case minimix_library:copy(Path, Folder) of
        {ok, Copy} ->
            Loaded = erlang:load_nif(Copy, 0),
            _ = minimix_library:delete(Copy),
            case Loaded of
                {error, {load_failed, _}} -> load(Others, Path);
                _ -> Loaded
            end;
        error ->
            load(Others, Path)
    end.

%% @doc Where the library is. The dynamic linker takes a path that it knows for the file that it has, though
%% there is another one now: so each time it is called differently.
-spec library() -> string().
library() ->
    Here = lists:duplicate(persistent_term:get({?MODULE, loads}, 0), "./"),
    lists:flatten([priv_dir(), "/", Here, ?LIBRARY]).

priv_dir() ->
    case code:priv_dir(mod_minimix) of
        {error, bad_name} ->
            filename:join(filename:dirname(filename:dirname(code:which(?MODULE))), "priv");
        Dir ->
            Dir
    end.

%% @doc Whether the library is there.
-spec is_loaded() -> boolean().
is_loaded() ->
    try accounts(make_ref()) of
        _ -> true
    catch
        error:badarg -> true;
        error:{nif_not_loaded, ?MODULE} -> false
    end.

%% @doc A core that knows no room.
-spec new(config()) -> core().
new(_Config) ->
    erlang:nif_error({nif_not_loaded, ?MODULE}).

%% @doc Other options from now on.
-spec configure(core(), config()) -> ok.
configure(_Core, _Config) ->
    erlang:nif_error({nif_not_loaded, ?MODULE}).

%% @doc Brings one input to an account (a bare JID) in a room (a bare JID).
-spec handle(core(), Account :: binary(), Room :: binary(), input(), Now :: non_neg_integer()) ->
          effects().
handle(_Core, _Account, _Room, _Input, _Now) ->
    erlang:nif_error({nif_not_loaded, ?MODULE}).

%% @doc Brings a stanza of a room to some hundred accounts at most, each with the id that its archive has for it.
-spec tell(core(), Room :: binary(), nick(), fxml:xmlel(), [{Account :: binary(), ArchiveId :: pos_integer() | none}],
           Now :: non_neg_integer()) -> [effects()].
tell(_Core, _Room, _Nick, _Stanza, _Accounts, _Now) ->
    erlang:nif_error({nif_not_loaded, ?MODULE}).

%% @doc Brings the time to those accounts of a room that asked for it with `wake'.
-spec tick(core(), Room :: binary(), Now :: non_neg_integer()) -> [{Account :: binary(), effects()}].
tick(_Core, _Room, _Now) ->
    erlang:nif_error({nif_not_loaded, ?MODULE}).

%% @doc The next stanzas of a replay.
-spec replay_next(replay()) -> {[fxml:xmlel()], replay() | done}.
replay_next(_Replay) ->
    erlang:nif_error({nif_not_loaded, ?MODULE}).

%% @doc Whether a device is to be woken for a message of a room that it was given and cannot read.
-spec wakes(core(), Account :: binary(), Room :: binary(), fxml:xmlel()) -> boolean().
wakes(_Core, _Account, _Room, _Message) ->
    erlang:nif_error({nif_not_loaded, ?MODULE}).

%% @doc A replay with what the archive holds, each with its id there.
-spec chosen(recall(), [{Id :: pos_integer(), fxml:xmlel()}]) -> {[fxml:xmlel()], replay() | done}.
chosen(_Recall, _Found) ->
    erlang:nif_error({nif_not_loaded, ?MODULE}).

%% @doc What is left of a message of a room (a bare JID) that another one takes back, if that one may.
-spec tombstone(fxml:xmlel(), Retraction :: fxml:xmlel(), Room :: binary(), Now :: non_neg_integer()) ->
          fxml:xmlel() | none.
tombstone(_Message, _Retraction, _Room, _Now) ->
    erlang:nif_error({nif_not_loaded, ?MODULE}).

%% @doc The rooms that know an account.
-spec rooms(core(), Account :: binary()) -> [Room :: binary()].
rooms(_Core, _Account) ->
    erlang:nif_error({nif_not_loaded, ?MODULE}).

%% @doc All accounts that any room knows.
-spec accounts(core()) -> [Account :: binary()].
accounts(_Core) ->
    erlang:nif_error({nif_not_loaded, ?MODULE}).

%% @doc What is to tell of an account, room by room.
-spec facts(core(), Account :: binary()) -> [{Room :: binary(), facts()}].
facts(_Core, _Account) ->
    erlang:nif_error({nif_not_loaded, ?MODULE}).

%% @doc Counts without a look at each account.
-spec counts(core()) -> counts().
counts(_Core) ->
    erlang:nif_error({nif_not_loaded, ?MODULE}).

%% @doc The library's version.
-spec version() -> binary().
version() ->
    erlang:nif_error({nif_not_loaded, ?MODULE}).
