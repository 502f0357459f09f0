package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fairlead-dev/fairlead/internal/pgserver"
	"github.com/fairlead-dev/fairlead/locks"
)

// register is a row as a locks.Register. One goroutine uses it at a time.
type register struct {
	server  *pgserver.Server
	sql     statements
	name    string
	create  bool
	timeout time.Duration
	text    string // what Describe returns

	conn    *pgserver.Conn // nil: none
	warning string         // the server's last one
}

var _ locks.Register = (*register)(nil)

func newRegister(o Options) (*register, error) {
	schema, table, err := cutTable(cmp.Or(o.Table, DefaultTable))
	if err := errors.Join(err, checkName(o.Name)); err != nil {
		return nil, err
	}
	s, err := o.server()
	if err != nil {
		return nil, err
	}
	return &register{
		server: s, sql: newStatements(schema, table), name: o.Name, create: !o.NoCreate,
		timeout: cmp.Or(max(o.Timeout, 0), locks.DefaultTimeout),
		text:    identity(o, schema, table),
	}, nil
}

// identity names the record: where it is, and nothing about how to get there.
func identity(o Options, schema, table string) string {
	return fmt.Sprintf("postgres://%s/%s/%s.%s/%s", strings.Join(o.Hosts, ","), o.Database, schema, table, o.Name)
}

// Describe implements locks.Register.
func (r *register) Describe() string { return r.text }

// Read implements locks.Register.
func (r *register) Read(ctx context.Context) (value []byte, version uint64, err error) {
	err = r.do(ctx, func(conn *pgconn.PgConn) error {
		result := conn.ExecParams(ctx, r.sql.read, [][]byte{[]byte(r.name)}, nil, nil, nil).Read()
		if result.Err != nil {
			return result.Err
		}
		value, version, err = readRow(result.Rows)
		return err
	})
	if r.create && isCode(err, undefinedTable) {
		return nil, 0, nil // Swap makes it
	}
	return value, version, r.explain(err)
}

// readRow reads the answer to statements.read.
func readRow(rows [][][]byte) (value []byte, version uint64, err error) {
	if len(rows) != 1 || len(rows[0]) != 3 {
		return nil, 0, pgserver.ErrNoAnswer
	}
	standby, number, record := rows[0][0], rows[0][1], rows[0][2]
	if string(standby) != "false" {
		return nil, 0, pgserver.ErrStandby // behind pgbouncer, a connection changes its server
	}
	if number == nil {
		return nil, 0, nil
	}
	if version, err = readVersion(number); err != nil {
		return nil, 0, err
	}
	if record == nil {
		return nil, 0, fmt.Errorf("the record has more than %d bytes: it is none of an election", locks.MaxValue)
	}
	return record, version, nil
}

func readVersion(text []byte) (uint64, error) {
	version, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || version <= 0 {
		return 0, errors.New("the version of the record is no positive number: the table is not one that Fairlead has made")
	}
	return uint64(version), nil
}

// Swap implements locks.Register.
func (r *register) Swap(ctx context.Context, value []byte, version uint64) (next uint64, err error) {
	next, err = r.swap(ctx, value, version)
	if version == 0 && r.create && isCode(err, undefinedTable) {
		if err = r.do(ctx, func(conn *pgconn.PgConn) error {
			_, err := conn.Exec(ctx, r.sql.make).ReadAll()
			return err
		}); err == nil {
			next, err = r.swap(ctx, value, version)
		}
	}
	return next, r.explain(err)
}

// swap is one transaction, in one trip to the server.
func (r *register) swap(ctx context.Context, value []byte, version uint64) (next uint64, err error) {
	changed := false
	err = r.do(ctx, func(conn *pgconn.PgConn) error {
		r.warning = ""
		results, err := conn.ExecBatch(ctx, r.batch(value, version)).ReadAll()
		switch {
		case err != nil:
			return err
		case r.warning != "":
			// Such as that somebody has cancelled the wait for synchronous standbys: then
			// the server says that it has committed, and may forget it.
			return fmt.Errorf("the server has written it with a warning: %s", r.warning)
		case len(results) < 4:
			return pgserver.ErrNoAnswer
		}
		rows := results[len(results)-2].Rows // of the update
		if changed = len(rows) == 0; changed {
			return nil
		}
		if len(rows) != 1 || len(rows[0]) != 1 {
			return pgserver.ErrNoAnswer
		}
		next, err = readVersion(rows[0][0])
		return err
	})
	if err == nil && changed {
		err = locks.ErrChanged
	}
	return next, err
}

func (r *register) batch(value []byte, version uint64) *pgconn.Batch {
	b := &pgconn.Batch{}
	add := func(sql string, values ...[]byte) { b.ExecParams(sql, values, nil, nil, nil) }
	name := []byte(r.name)
	add(begin)
	add(settings, strconv.AppendInt(nil, max(r.timeout.Milliseconds(), 1), 10))
	if version == 0 {
		add(r.sql.insert, name, value)
	}
	add(r.sql.update, name, value, strconv.AppendUint(nil, version, 10))
	add(commit)
	return b
}

// do makes a call over the connection. Unless all is well the next call has another
// one: nothing is asked of a connection of which the state is not known.
func (r *register) do(ctx context.Context, call func(*pgconn.PgConn) error) (err error) {
	if r.conn == nil {
		r.conn, err = r.server.Connect(ctx, func(_ *pgconn.PgConn, n *pgconn.Notice) {
			if n.SeverityUnlocalized == "WARNING" {
				r.warning = n.Message
			}
		})
		if err != nil {
			return err
		}
	}
	r.conn.Allow()
	if err = call(r.conn.PgConn); err != nil {
		r.drop(ctx)
	}
	return err
}

// drop ends the connection.
func (r *register) drop(ctx context.Context) {
	if r.conn != nil {
		r.conn.End(ctx)
		r.conn = nil
	}
}

// Close ends the connection. The register may still be used.
func (r *register) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	r.drop(ctx)
	return nil
}

// Codes of PostgreSQL's errors.
const (
	undefinedTable        = "42P01"
	invalidSchema         = "3F000"
	insufficientPrivilege = "42501"
)

func isCode(err error, code string) bool { return pgserver.Code(err) == code }

// explain says what to do about an error, and returns it fit to be shown.
func (r *register) explain(err error) error {
	switch {
	case err == nil || errors.Is(err, locks.ErrChanged):
		return err
	case isCode(err, insufficientPrivilege):
		return fmt.Errorf("%w; %s", r.server.Shown(err), r.sql.privileges)
	case isCode(err, undefinedTable), isCode(err, invalidSchema):
		return fmt.Errorf("%w; %s", r.server.Shown(err), r.sql.tableIs)
	}
	return r.server.Shown(err)
}
