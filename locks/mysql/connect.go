package mysql

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/locks"
)

// connector makes connections to the primary. It is a driver.Connector.
type connector struct {
	config   *mysql.Config
	password func(context.Context) (string, error)
	table    string
	timeout  time.Duration
	line     line
	secrets  *redact.Redactor // knows the passwords that were sent
}

func newConnector(o Options, table string) (*connector, error) {
	addr, err := withPort(o.Host)
	switch {
	case o.Host == "":
		return nil, errors.New("it is not said on which host")
	case err != nil:
		return nil, err
	case o.Database == "":
		return nil, errors.New("it is not said in which database")
	case o.User == "":
		return nil, errors.New("it is not said as which user")
	}
	c := mysql.NewConfig()
	c.Net, c.Addr, c.DBName, c.User, c.TLS = "tcp", addr, o.Database, o.User, o.TLS
	c.ConnectionAttributes = "program_name:" + strings.NewReplacer(",", " ", ":", " ").Replace(cmp.Or(o.Application, "fairlead"))
	c.Logger = &mysql.NopLogger{} // errors say it all
	// Statements are sent whole: a proxy may give the next one to another server, which
	// does not know what was prepared.
	c.InterpolateParams = true
	timeout := cmp.Or(max(o.Timeout, 0), locks.DefaultTimeout)
	// The context of a call ends it, and then the error says why. These are for what has
	// none, such as to say goodbye. They are longer than a call: the driver says of them
	// no more than that the connection is invalid.
	c.Timeout, c.ReadTimeout, c.WriteTimeout = 2*timeout, 2*timeout, 2*timeout
	made := &connector{config: c, password: o.Password, table: table, timeout: timeout, secrets: redact.New()}
	c.DialFunc = made.line.dial
	return made, nil
}

// Driver implements driver.Connector.
func (*connector) Driver() driver.Driver { return &mysql.MySQLDriver{} }

// Connect implements driver.Connector. Errors hold no password.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	config := c.config.Clone()
	if c.password != nil {
		password, err := c.password(ctx)
		if err != nil {
			return nil, fmt.Errorf("connect to MySQL: password: %w", err)
		}
		config.Passwd = password
		c.secrets.Note(password)
	}
	conn, err := c.open(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to MySQL at %s: %w", config.Addr, c.shown(err))
	}
	return conn, nil
}

func (c *connector) open(ctx context.Context, config *mysql.Config) (driver.Conn, error) {
	known, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	conn, err := known.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.prepare(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// prepare checks that the server keeps what it confirms, and sets the session.
func (c *connector) prepare(ctx context.Context, conn driver.Conn) error {
	rows, err := query(ctx, conn, variables)
	if err != nil {
		return err
	}
	server := map[string]string{}
	for _, row := range rows {
		if len(row) != 2 {
			return errNoAnswer
		}
		server[strings.ToLower(row[0])] = row[1]
	}
	galera := on(server["wsrep_on"])
	switch {
	case on(server["read_only"]), on(server["innodb_read_only"]):
		return errReadOnly
	case server["innodb_flush_log_at_trx_commit"] != "1" && !galera:
		return fmt.Errorf("it has innodb_flush_log_at_trx_commit = %.20q, so that it may forget who leads; set it to 1", server["innodb_flush_log_at_trx_commit"])
	}
	rows, err = query(ctx, conn, engines, c.table, c.table+"_versions")
	if err != nil {
		return err
	}
	if len(rows) != 1 || len(rows[0]) != 1 {
		return errNoAnswer
	}
	if rows[0][0] != "0" {
		return fmt.Errorf("the tables %[1]s and %[1]s_versions are not both of InnoDB; ALTER TABLE ... ENGINE=InnoDB", c.table)
	}
	// A statement that waits for a row ends when nobody waits for it any more. A process
	// that was stopped in the middle of a write holds the row until the server ends its
	// session: by default after eight hours. A value that does not fit is an error.
	seconds := max(1, int(c.timeout.Seconds()))
	settings := []string{
		fmt.Sprintf("innodb_lock_wait_timeout = %d", seconds), fmt.Sprintf("wait_timeout = %d", 2*seconds), "sql_mode = 'STRICT_ALL_TABLES'",
	}
	if galera {
		settings = append(settings, "wsrep_sync_wait = 7")
	}
	if _, ok := server["group_replication_consistency"]; ok {
		settings = append(settings, "group_replication_consistency = 'BEFORE'")
	}
	_, err = conn.(driver.ExecerContext).ExecContext(ctx, "SET SESSION "+strings.Join(settings, ", SESSION "), nil)
	return err
}

// query returns all rows as texts, before there is a database/sql around the
// connection.
func query(ctx context.Context, conn driver.Conn, text string, args ...string) (all [][]string, err error) {
	named := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: arg}
	}
	rows, err := conn.(driver.QueryerContext).QueryContext(ctx, text, named)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(row); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		texts := make([]string, len(row))
		for i, value := range row {
			if b, ok := value.([]byte); ok {
				value = string(b)
			}
			texts[i] = fmt.Sprint(value)
		}
		all = append(all, texts)
	}
}

var errNoAnswer = errors.New("it does not answer as MySQL does")

var errReadOnly = errors.New("it is read only, so that it may be a replica that is behind; give the address of the primary")

// on reports whether a variable says so. Some have more values than two.
func on(value string) bool { return value != "" && value != "0" && !strings.EqualFold(value, "OFF") }

// shown returns an error on one line without secrets, however a server put it.
func (c *connector) shown(err error) error {
	return errors.New(strings.TrimSpace(c.secrets.Text(err)))
}
