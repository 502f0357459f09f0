package mysql

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/fairlead-dev/fairlead/locks"
)

// register is a row as a locks.Register. One goroutine uses it at a time.
type register struct {
	connector *connector
	sql       statements
	name      string
	create    bool
	timeout   time.Duration
	text      string // what Describe returns

	db *sql.DB // of one connection; nil: not opened
}

var _ locks.Register = (*register)(nil)

func newRegister(o Options) (*register, error) {
	table := cmp.Or(o.Table, DefaultTable)
	if err := errors.Join(checkTable(table), checkName(o.Name)); err != nil {
		return nil, err
	}
	c, err := newConnector(o, table)
	if err != nil {
		return nil, err
	}
	return &register{
		connector: c, sql: newStatements(table), name: o.Name, create: !o.NoCreate,
		timeout: c.timeout, text: identity(o, table),
	}, nil
}

// identity names the record: where it is, and nothing about how to get there.
func identity(o Options, table string) string {
	return fmt.Sprintf("mysql://%s/%s/%s/%s", o.Host, o.Database, table, o.Name)
}

// Describe implements locks.Register.
func (r *register) Describe() string { return r.text }

// open returns the pool, of one connection.
func (r *register) open() *sql.DB {
	if r.db == nil {
		r.db = sql.OpenDB(r.connector)
		r.db.SetMaxOpenConns(1)
	}
	return r.db
}

// Close ends the connection. The register may still be used.
func (r *register) Close() error {
	if r.db == nil {
		return nil
	}
	db := r.db
	r.db = nil
	_ = db.Close() // a connection that has failed cannot say goodbye, and is closed all the same
	return nil
}

// Read implements locks.Register.
func (r *register) Read(ctx context.Context) (value []byte, version uint64, err error) {
	err = r.connector.line.call(ctx, func() error {
		value, version, err = r.read(ctx)
		return err
	})
	if r.create && isCode(err, noSuchTable) {
		return nil, 0, nil // Swap makes it
	}
	return value, version, r.explain(err)
}

func (r *register) read(ctx context.Context) (value []byte, version uint64, err error) {
	var readOnly string
	var number sql.Null[uint64]
	if err := r.open().QueryRowContext(ctx, r.sql.read, []byte(r.name)).Scan(&readOnly, &number, &value); err != nil {
		return nil, 0, err
	}
	switch {
	case on(readOnly):
		return nil, 0, errReadOnly
	case !number.Valid:
		return nil, 0, nil
	case number.V == 0:
		return nil, 0, errors.New("the version of the record is 0: the table is not one that Fairlead has made")
	case value == nil:
		return nil, 0, fmt.Errorf("the record has more than %d bytes: it is none of an election", locks.MaxValue)
	}
	return value, number.V, nil
}

// Swap implements locks.Register.
func (r *register) Swap(ctx context.Context, value []byte, version uint64) (next uint64, err error) {
	err = r.connector.line.call(ctx, func() error {
		next, err = r.swap(ctx, value, version)
		if version == 0 && r.create && isCode(err, noSuchTable) {
			if err = r.makeTables(ctx); err == nil {
				next, err = r.swap(ctx, value, version)
			}
		}
		return err
	})
	return next, r.explain(err)
}

func (r *register) makeTables(ctx context.Context) error {
	for _, statement := range r.sql.make {
		if _, err := r.open().ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// swap is one transaction. A refusal takes back the version that was drawn: to commit
// that could have the write of another node fail.
func (r *register) swap(ctx context.Context, value []byte, version uint64) (next uint64, err error) {
	tx, err := r.open().BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	next, err = r.write(ctx, tx, value, version)
	if err != nil {
		_ = tx.Rollback() // whatever becomes of it, nothing is committed
		return 0, err
	}
	return next, tx.Commit()
}

func (r *register) write(ctx context.Context, tx *sql.Tx, value []byte, version uint64) (next uint64, err error) {
	// A user that may do everything writes to a replica, too.
	var readOnly string
	if err := tx.QueryRowContext(ctx, "SELECT @@global.read_only").Scan(&readOnly); err != nil {
		return 0, err
	}
	if on(readOnly) {
		return 0, errReadOnly
	}
	name := []byte(r.name)
	drawn, err := tx.ExecContext(ctx, r.sql.draw, name, version, version)
	if err != nil {
		return 0, err
	}
	number, err := drawn.LastInsertId()
	if err != nil {
		return 0, err
	}
	next = uint64(number)
	if version == 0 {
		if _, err := tx.ExecContext(ctx, r.sql.insert, name, next, value); isCode(err, duplicateEntry) {
			return 0, locks.ErrChanged
		} else if err != nil {
			return 0, err
		}
		return next, nil
	}
	written, err := tx.ExecContext(ctx, r.sql.update, next, value, name, version)
	if err != nil {
		return 0, err
	}
	rows, err := written.RowsAffected() // of which the version changes in any case
	if err == nil && rows == 0 {
		err = locks.ErrChanged
	}
	return next, err
}

// Numbers of MySQL's errors.
const (
	accessDenied   = 1142 // to a table
	duplicateEntry = 1062
	noSuchTable    = 1146
)

func isCode(err error, number uint16) bool {
	answer, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && answer.Number == number
}

// explain says what to do about an error, and returns it fit to be shown.
func (r *register) explain(err error) error {
	switch {
	case err == nil || errors.Is(err, locks.ErrChanged):
		return err
	case isCode(err, accessDenied):
		return fmt.Errorf("%w; %s", r.connector.shown(err), r.sql.privileges)
	case isCode(err, noSuchTable):
		return fmt.Errorf("%w; make the tables: %s; %s", r.connector.shown(err), r.sql.make[0], r.sql.make[1])
	}
	return r.connector.shown(err)
}
