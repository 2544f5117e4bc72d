// Converse as the address says, and what a test asks about what it shows.
'use strict';

let api;
const ready = new Set();

converse.plugins.add('tests', {
    initialize() {
        api = this._converse.api;
        const tell = () => document.body.setAttribute('data-jid', this._converse.session.get('jid'));
        api.listen.on('connected', tell);
        api.listen.on('reconnected', tell);
        // A room that is restored after a reload is shown before it is ready.
        api.listen.on('chatRoomInitialized', (room) => {
            ready.add(room.get('jid'));
            document.body.setAttribute('data-ready', ready.size);
        });
    },
});

const settings = {
    allow_url_history_change: false,
    assets_path: '/converse/',
    authentication: 'login',
    auto_login: true,
    auto_reconnect: true,
    discover_connection_methods: false,
    i18n: 'en',
    loglevel: 'error',
    play_sounds: false,
    view_mode: 'fullscreen',
    whitelisted_plugins: ['tests'],
};

addEventListener('load', () =>
    converse.initialize({ ...settings, ...JSON.parse(decodeURIComponent(location.search.slice(1))) })
);

function view(room) {
    return document.querySelector(`converse-muc[jid="${room}"]`);
}

function all(room, selector) {
    return [...(view(room)?.querySelectorAll(selector) ?? [])];
}

function text(element) {
    return element.textContent.trim();
}

function input(room) {
    return ready.has(room) && all(room, 'textarea.chat-textarea:not([disabled])')[0];
}

function loseConnection() {
    document.body.removeAttribute('data-jid');
    api.connection.get()._proto.socket.close();
}

function join(room, nick) {
    return api.rooms.open(room, { nick, maximize: true }, true).then(() => null);
}

function messages(room) {
    return all(room, '.chat-msg').map((message) => [
        message.dataset.from.split('/')[1],
        [...message.querySelectorAll('.chat-msg__text')].map(text).join('|'),
    ]);
}

function occupants(room) {
    return all(room, '.occupant-list .occupant-nick').map(text).sort();
}

function own(room) {
    return all(room, '.chat-msg__content--me .chat-msg__text').map(text);
}

// What Converse says to somebody who is no longer in.
function removal(room) {
    return all(room, '.disconnect-msg, .destroyed-reason').map(text);
}

function leaveButton(room) {
    return all(room, '.close-chatbox-button')[0];
}

function confirmation() {
    return document.querySelector('converse-confirm-modal.show button[type="submit"], .modal.show button[type="submit"]');
}

// Returns when the server has dealt with all that was sent before.
function sync() {
    return api.ping();
}

// Returns when a reload finds all messages again: Converse acknowledges one before it stores it.
async function stored() {
    for (const { messages } of await api.rooms.get()) {
        const lacks = (keys) => messages.some(({ id }) => !keys.some((key) => key.endsWith(id)));
        while (lacks(await messages.browserStorage.store.keys())) {
            await new Promise((resolve) => setTimeout(resolve, 10));
        }
    }
    return true;
}
