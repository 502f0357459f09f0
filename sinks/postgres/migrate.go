package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fairlead-dev/fairlead/internal/pgserver"
)

// migrations make the tables of a schema, each from those of the version before: the
// first makes version 1. SCHEMA and JSON stand for the schema and the type of objects.
// Each can be run again.
var migrations = []string{`CREATE TABLE IF NOT EXISTS SCHEMA.fairlead_schema (version integer PRIMARY KEY, migrated timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS SCHEMA.fairlead_writer (name text COLLATE "C" PRIMARY KEY, term bigint NOT NULL, since timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS SCHEMA.fairlead_state (
  cluster text COLLATE "C" NOT NULL, resource text COLLATE "C" NOT NULL, namespace text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL,
  cluster_uid text NOT NULL, uid text NOT NULL, api_version text NOT NULL, kind text NOT NULL, resource_version text NOT NULL,
  term bigint NOT NULL, sequence bigint NOT NULL, observed timestamptz, written timestamptz NOT NULL, deleted_at timestamptz,
  object JSON, altered boolean NOT NULL,
  PRIMARY KEY (cluster, resource, namespace, name)) WITH (fillfactor = 80);
CREATE INDEX IF NOT EXISTS fairlead_state_deleted_at ON SCHEMA.fairlead_state (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE OR REPLACE VIEW SCHEMA.fairlead_objects AS
  SELECT cluster, resource, namespace, name, cluster_uid, uid, api_version, kind, resource_version, term, sequence, observed, written, object, altered
  FROM SCHEMA.fairlead_state WHERE deleted_at IS NULL;
CREATE TABLE IF NOT EXISTS SCHEMA.fairlead_history (
  cluster text COLLATE "C" NOT NULL, resource text COLLATE "C" NOT NULL, namespace text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL, position bigint GENERATED ALWAYS AS IDENTITY, op text NOT NULL,
  cluster_uid text NOT NULL, uid text NOT NULL, api_version text NOT NULL, kind text NOT NULL, resource_version text NOT NULL,
  term bigint NOT NULL, sequence bigint NOT NULL, observed timestamptz, snapshot boolean NOT NULL, tombstone boolean NOT NULL,
  object JSON, altered boolean NOT NULL,
  PRIMARY KEY (cluster, namespace, name, id)) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX IF NOT EXISTS fairlead_history_observed ON SCHEMA.fairlead_history (observed);
INSERT INTO SCHEMA.fairlead_schema (version) VALUES (1) ON CONFLICT DO NOTHING;
`}

// Version is that of the tables that this package writes.
const Version = 1

// Migration returns the SQL that makes the tables in a schema, or makes them what they
// are to be, from those of a version; from 0 if there are none. exact is that of
// Options. It is to be run in one transaction, by the owner of the tables.
func Migration(schema string, exact bool, from int) string {
	jsonType := "jsonb"
	if exact {
		jsonType = "json"
	}
	var b strings.Builder
	for _, m := range migrations[min(max(from, 0), len(migrations)):] {
		b.WriteString(strings.NewReplacer("SCHEMA", strconv.Quote(schema), "JSON", jsonType).Replace(m))
	}
	return b.String()
}

// missingError says that the tables are not there, or not those of this version.
type missingError struct {
	schema  string
	version int
	sql     string
	why     error // of a migration that failed, or nil
}

func (e *missingError) Error() string {
	text := fmt.Sprintf("schema %s has version %d of Fairlead's tables, and %d is needed", e.schema, e.version, Version)
	if e.why != nil {
		return fmt.Sprintf("%s; to migrate failed: %v; grant the user CREATE on the schema, or run as the schema's owner: %s", text, e.why, e.sql)
	}
	return fmt.Sprintf("%s; give migrate=auto, or run as the schema's owner: %s", text, e.sql)
}

// prepare sees to it that there are the tables over a new connection: it makes them if
// it may, and migrate says so.
func (s *Sink) prepare(ctx context.Context, conn *pgserver.Conn, migrate bool) error {
	version, err := s.version(ctx, conn)
	switch {
	case err != nil:
		return s.explain(err)
	case version > Version:
		return fmt.Errorf("schema %s has version %d of Fairlead's tables, which is that of a newer program, and this one knows %d; run the newer one", s.o.Schema, version, Version)
	case version == Version:
		return nil
	}
	missing := &missingError{s.o.Schema, version, strings.Join(strings.Fields(Migration(s.o.Schema, s.o.Exact, version)), " "), nil}
	if !migrate {
		return missing
	}
	// One at a time: of two that make a table at once, one fails. Whoever comes second
	// finds that all is there.
	lock := `SELECT set_config('statement_timeout', '` + string(s.statementTimeout()) + `', true); SELECT pg_advisory_xact_lock(hashtext('fairlead'), hashtext('` + quoted(s.o.Schema, schemaTable) + `'));`
	if _, err := conn.Exec(ctx, lock+Migration(s.o.Schema, s.o.Exact, version)).ReadAll(); err != nil {
		missing.why = s.server.Shown(err)
		return missing
	}
	s.o.Log.Info("Made the tables", "schema", s.o.Schema, "version", Version)
	return nil
}

// version returns that of the tables, 0 if there are none, and an error if nobody could
// write them as they are.
func (s *Sink) version(ctx context.Context, conn *pgserver.Conn) (int, error) {
	row, err := oneRow(conn.ExecParams(ctx, s.sql.prepare, nil, nil, nil, nil), 3)
	if err != nil {
		return 0, err
	}
	encoding, exists, types := string(row[0]), string(row[1]), string(row[2])
	if encoding != "UTF8" {
		return 0, fmt.Errorf("the database has the encoding %.40s, which cannot hold every object; make one with ENCODING 'UTF8'", encoding)
	}
	if exists != "true" {
		return 0, nil
	}
	if want := map[bool]string{false: "jsonb", true: "json"}[s.o.Exact]; types != want {
		return 0, fmt.Errorf("column object of the tables in schema %s is of type %.40q, and type=%s is given; give the other one, or alter the columns: ALTER TABLE ... ALTER COLUMN object TYPE %[3]s USING object::%[3]s, with the view dropped and made again", s.o.Schema, types, want)
	}
	if row, err = oneRow(conn.ExecParams(ctx, s.sql.version, nil, nil, nil, nil), 1); err != nil {
		return 0, err
	}
	version, err := strconv.Atoi(string(row[0]))
	if err != nil {
		return 0, pgserver.ErrNoAnswer
	}
	return version, nil
}

// oneRow reads an answer that is to be one row of so many columns.
func oneRow(rr *pgconn.ResultReader, columns int) ([][]byte, error) {
	result := rr.Read()
	if result.Err != nil {
		return nil, result.Err
	}
	if len(result.Rows) != 1 || len(result.Rows[0]) != columns {
		return nil, pgserver.ErrNoAnswer
	}
	return result.Rows[0], nil
}
