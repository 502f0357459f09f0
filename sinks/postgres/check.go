package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fairlead-dev/fairlead/sinks"
)

var _ sinks.Checker = (*Sink)(nil)

// Check implements [sinks.Checker]. It says whether the primary can be reached, has the
// tables and lets the user write them, and keeps what it confirms. It changes nothing:
// where tables are missing that Write would make, it asks for the right to.
func (s *Sink) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	conn, err := s.dial(ctx, nil)
	if err != nil {
		return err
	}
	defer conn.End(ctx)
	err = s.prepare(ctx, conn, false)
	if missing, ok := errors.AsType[*missingError](err); ok && !s.o.NoMigrate {
		row, err := oneRow(conn.ExecParams(ctx, `SELECT has_schema_privilege($1, 'CREATE')::text`, [][]byte{[]byte(s.o.Schema)}, nil, nil, nil), 1)
		if err != nil {
			return s.explain(err)
		}
		if string(row[0]) != "true" {
			missing.why = errors.New("the user may not")
			return missing
		}
		return s.durable(ctx, conn.PgConn)
	}
	if err != nil {
		return err
	}
	row, err := oneRow(conn.ExecParams(ctx, s.sql.rights, nil, nil, nil, nil), 1)
	if err != nil {
		return s.explain(err)
	}
	if row[0] != nil {
		return s.server.Shown(fmt.Errorf("the user lacks %s; as the owner of the tables: %s", row[0], grants(&s.o)))
	}
	return s.durable(ctx, conn.PgConn)
}

// durable says whether the server keeps what it confirms.
func (s *Sink) durable(ctx context.Context, conn *pgconn.PgConn) error {
	row, err := oneRow(conn.ExecParams(ctx, `SELECT current_setting('fsync')`, nil, nil, nil, nil), 1)
	if err != nil {
		return s.explain(err)
	}
	if string(row[0]) != "on" {
		return sinks.Caution(errors.New("the server has fsync = off, so that it may forget what it has confirmed when it crashes; set it to on, unless its storage sees to that"))
	}
	return nil
}
