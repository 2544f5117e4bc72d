%%% The Rust core. Only minimix_door and minimix_state call it.
%%%
%%% Times are milliseconds since the epoch of Unix, JIDs are prepared (nodeprep, nameprep,
%%% resourceprep), stanzas come and go without `to` unless they are sent to a room.
-module(minimix_nif).

-export([is_loaded/0, new/1, configure/2, handle/5, tick/3, replay_next/1,
         rooms/2, accounts/1, overview/1]).
-export_type([core/0, config/0, input/0, effect/0, effects/0, target/0, replay/0, new_id/0]).

-include_lib("kernel/include/logger.hrl").

-on_load(on_load/0).

-define(LIBRARY, "minimix_nif").

-type core() :: reference().
-type replay() :: reference().
-type config() ::
        #{'__struct__' := 'Config',
          nick := assign | change,
          leave := auto | last_session | never,
          offline_presence := xa | away | keep,
          offline_delay := non_neg_integer(),
          history_size := non_neg_integer(),
          join_timeout := pos_integer(),
          max_rooms := pos_integer(),
          max_occupants := pos_integer()}.
-type nick() :: binary() | none.
%% `session': a session sent a stanza; `room': the room or an occupant did; `catch_up': a session
%% comes for what `invite' promised; `answered': a `request' that wanted to be told was answered;
%% `detach': a stream ended; `resumed': another one goes on; `stop': tell everybody and leave.
-type input() ::
        {session, pid(), Resource :: binary(), nick(), fxml:xmlel()} |
        {room, nick(), fxml:xmlel()} |
        {catch_up, pid(), Resource :: binary()} |
        {answered, pid(), IsGranted :: boolean()} |
        {detach, pid()} |
        {resumed, Old :: pid(), New :: pid()} |
        stop.
-type target() ::
        {pid(), Resource :: binary(), Generation :: pos_integer() | none, IsLast :: boolean()}.
-type new_id() :: keep | remove | {set, binary()}.
%% What each of them means is written at `Effect' in native/minimix/src/effect.rs.
-type effect() ::
        pass |
        {as_account, new_id()} |
        {send, fxml:xmlel()} |
        {fork, [target()], new_id(), IsOwn :: boolean()} |
        {deliver, target(), fxml:xmlel()} |
        {replay, [fxml:xmlel()], replay() | done} |
        {attached, Generation :: pos_integer(), OccupantJid :: binary()} |
        detached |
        {reject, Type :: binary(), Condition :: binary()} |
        result |
        {request, Tell :: boolean()} |
        {invite, pid()} |
        {manage, Epoch :: pos_integer()} |
        {unmanage, Epoch :: pos_integer()} |
        {wake, At :: non_neg_integer()}.
-type effects() :: [effect()].

%% A library that does not load must not take the module away: ejabberd goes on with plain MUC.
-spec on_load() -> ok.
on_load() ->
    case erlang:load_nif(filename:join(priv_dir(), ?LIBRARY), 0) of
        ok -> ok;
        {error, {_, Reason}} -> ?LOG_ERROR("mod_minimix: the library ~ts does not load: ~ts",
                                           [?LIBRARY, Reason])
    end.

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

%% @doc Brings the time to those accounts of a room that asked for it with `wake'.
-spec tick(core(), Room :: binary(), Now :: non_neg_integer()) -> [{Account :: binary(), effects()}].
tick(_Core, _Room, _Now) ->
    erlang:nif_error({nif_not_loaded, ?MODULE}).

%% @doc The next stanzas of a replay.
-spec replay_next(replay()) -> {[fxml:xmlel()], replay() | done}.
replay_next(_Replay) ->
    erlang:nif_error({nif_not_loaded, ?MODULE}).

%% @doc The rooms that know an account.
-spec rooms(core(), Account :: binary()) -> [Room :: binary()].
rooms(_Core, _Account) ->
    erlang:nif_error({nif_not_loaded, ?MODULE}).

%% @doc All accounts that any room knows.
-spec accounts(core()) -> [Account :: binary()].
accounts(_Core) ->
    erlang:nif_error({nif_not_loaded, ?MODULE}).

%% @doc Counts rooms, memberships, sessions in them, and bytes of remembered stanzas.
-spec overview(core()) -> {Rooms :: non_neg_integer(), Memberships :: non_neg_integer(),
                           Sessions :: non_neg_integer(), Bytes :: non_neg_integer()}.
overview(_Core) ->
    erlang:nif_error({nif_not_loaded, ?MODULE}).
