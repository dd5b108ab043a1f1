-- Who owns which partition of the devices, and how often it changed hands.
CREATE TABLE partitions (
    partition smallint PRIMARY KEY,
    epoch bigint NOT NULL,
    owner bigint NOT NULL
);

-- Writers of this store: one per process and start. The number of the last transaction tells whether it was committed.
CREATE TABLE writers (
    id bigint PRIMARY KEY,
    commits bigint NOT NULL,
    touched timestamptz NOT NULL DEFAULT now()
);

-- Network Server: registrations, session records, queues.
CREATE TABLE network_device (
    partition smallint NOT NULL,
    device bigint NOT NULL,
    revision bigint NOT NULL,
    application text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    record bytea NOT NULL,
    PRIMARY KEY (partition, device)
);
CREATE UNIQUE INDEX network_device_uid ON network_device (application, device_id);

-- A page has room for the next version of its rows: they are rewritten all the time.
CREATE TABLE network_hot (
    partition smallint NOT NULL,
    device bigint NOT NULL,
    hot bytea NOT NULL,
    PRIMARY KEY (partition, device)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE network_queue (
    partition smallint NOT NULL,
    device bigint NOT NULL,
    seq bigint NOT NULL,
    item bytea NOT NULL,
    PRIMARY KEY (partition, device, seq)
) WITH (autovacuum_vacuum_scale_factor = 0.05);

-- Application Server: the log, its numbers, devices and links, sessions, places in the log.
CREATE TABLE log (
    number bigint PRIMARY KEY,
    application text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    received_at bigint NOT NULL,
    record bytea NOT NULL
);
CREATE INDEX log_application ON log (application, number);

CREATE TABLE log_state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    forgotten bigint NOT NULL,
    last bigint NOT NULL,
    bytes bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO log_state (forgotten, last, bytes) VALUES (0, 0, 0);

CREATE TABLE application_registry (
    key bytea PRIMARY KEY,
    revision bigint NOT NULL,
    record bytea NOT NULL
);

CREATE TABLE application_session (
    application text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    record bytea NOT NULL,
    PRIMARY KEY (application, device_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE application_reader (
    key bytea PRIMARY KEY,
    state bytea NOT NULL
) WITH (fillfactor = 70);

-- Join Server: devices, nonces (of all history), session keys, activation settings.
CREATE TABLE join_device (
    application text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    join_eui bytea NOT NULL,
    dev_eui bytea NOT NULL,
    record bytea NOT NULL,
    PRIMARY KEY (application, device_id)
);
CREATE UNIQUE INDEX join_device_euis ON join_device (join_eui, dev_eui);

CREATE TABLE join_nonces (
    join_eui bytea NOT NULL,
    dev_eui bytea NOT NULL,
    revision bigint NOT NULL,
    join_nonce bigint NOT NULL,
    PRIMARY KEY (join_eui, dev_eui)
);

CREATE TABLE join_counter (
    join_eui bytea NOT NULL,
    dev_eui bytea NOT NULL,
    root_key bytea NOT NULL,
    last integer NOT NULL,
    PRIMARY KEY (join_eui, dev_eui, root_key)
);

CREATE TABLE join_used_nonce (
    join_eui bytea NOT NULL,
    dev_eui bytea NOT NULL,
    root_key bytea NOT NULL,
    dev_nonce integer NOT NULL,
    PRIMARY KEY (join_eui, dev_eui, root_key, dev_nonce)
);

-- The newest has the highest number.
CREATE TABLE join_session_keys (
    join_eui bytea NOT NULL,
    dev_eui bytea NOT NULL,
    number bigint NOT NULL,
    id bytea NOT NULL,
    record bytea NOT NULL,
    PRIMARY KEY (join_eui, dev_eui, number)
);

CREATE TABLE join_activation_settings (
    application text COLLATE "C" PRIMARY KEY,
    revision bigint NOT NULL,
    record bytea NOT NULL
);

-- Identity Server: its typed rows, and the revision that all writes share.
CREATE TABLE identity (
    kind smallint NOT NULL,
    key text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (kind, key)
);

CREATE TABLE identity_state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    revision bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO identity_state (revision) VALUES (0);
