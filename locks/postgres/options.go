package postgres

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fairlead-dev/fairlead/internal/pgserver"
	"github.com/fairlead-dev/fairlead/locks"
)

// DefaultTable is the table that holds the records, in the schema public.
const DefaultTable = "fairlead_locks"

// Options configure a lock.
type Options struct {
	// Hosts are HOST or HOST:PORT of the servers, of which the one is used that takes
	// writes. They are tried in this order, but first that which was found last. The
	// port is 5432 if there is none. Required.
	Hosts []string
	// Database and User say where to log in, and as whom. Both required.
	Database, User string
	// Password returns the password. It is asked for each connection. nil: there is
	// none.
	Password func(context.Context) (string, error)
	// TLS returns the configuration for a server of that host name or address. It is
	// asked once. nil: connections are not encrypted.
	TLS func(host string) (*tls.Config, error)
	// Table is TABLE or SCHEMA.TABLE, of letters in lower case, digits and
	// underscores; TABLE has at most 54. Empty is DefaultTable. The schema is public if
	// there is none.
	Table string
	// NoCreate: the table must be there, with its sequence.
	NoCreate bool
	// Name is that of the record, 1 to 255 bytes of UTF-8. Required.
	Name string
	// Identity is the name of this process in the record, see locks.CheckIdentity. No
	// other process may have it, not even an earlier one on the same machine.
	// Required.
	Identity string
	// Timeout is how long a call may take. 0 is locks.DefaultTimeout. It should be at
	// most half of the renew deadline.
	Timeout time.Duration
	// Application is the name of the program, as the server shows it among its
	// connections.
	Application string
}

// New returns a lock on a row. It connects to nothing. Close it after the election.
func New(o Options) (*locks.Lock, error) {
	r, err := newRegister(o)
	if err != nil {
		return nil, fmt.Errorf("lock in PostgreSQL: %w", err)
	}
	return locks.New(r, locks.Options{Identity: o.Identity, Timeout: r.timeout})
}

// maxAnswer is how much a server may say during one call, and to connect, in bytes: far
// more than a record and a handshake have.
const maxAnswer = 1 << 20

// server returns what reaches the primary.
func (o *Options) server() (*pgserver.Server, error) {
	return pgserver.New(pgserver.Options{
		Hosts: o.Hosts, Database: o.Database, User: o.User, Password: o.Password, TLS: o.TLS, Application: o.Application,
		Timeout: cmp.Or(max(o.Timeout, 0), locks.DefaultTimeout), MaxAnswer: maxAnswer, Fsync: true,
	})
}

// maxName is the length of a record's name, in bytes.
const maxName = 255

var tableSyntax = regexp.MustCompile(`^(?:([a-z_][a-z0-9_]{0,62})\.)?([a-z_][a-z0-9_]{0,53})$`)

// cutTable returns schema and table.
func cutTable(text string) (schema, table string, err error) {
	parts := tableSyntax.FindStringSubmatch(text)
	if parts == nil {
		return "", "", errors.New("the table is not TABLE or SCHEMA.TABLE, of letters in lower case, digits and underscores, where TABLE has at most 54")
	}
	if schema = parts[1]; schema == "" {
		schema = "public"
	}
	return schema, parts[2], nil
}

func checkName(name string) error {
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return fmt.Errorf("the name of the record must be UTF-8 of 1 to %d bytes, without a zero byte", maxName)
	}
	return nil
}
