package mysql

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fairlead-dev/fairlead/locks"
)

// DefaultTable is the table that holds the records.
const DefaultTable = "fairlead_locks"

// Options configure a lock.
type Options struct {
	// Host is HOST or HOST:PORT of the primary. The port is 3306 if there is none.
	// Required.
	Host string
	// Database and User say where to log in, and as whom. Both required.
	Database, User string
	// Password returns the password. It is asked for each connection. nil: there is
	// none.
	Password func(context.Context) (string, error)
	// TLS is the configuration of connections, with a ServerName. nil: connections
	// are not encrypted.
	TLS *tls.Config
	// Table is the name of the table, of letters in lower case, digits and
	// underscores, at most 55. Empty is DefaultTable.
	Table string
	// NoCreate: the table must be there, with that of the versions.
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
	// Application is the name of the program, as the server shows it among the
	// attributes of its connections.
	Application string
}

// New returns a lock on a row. It connects to nothing. Close it after the election.
func New(o Options) (*locks.Lock, error) {
	r, err := newRegister(o)
	if err != nil {
		return nil, fmt.Errorf("lock in MySQL: %w", err)
	}
	return locks.New(r, locks.Options{Identity: o.Identity, Timeout: r.timeout})
}

// maxName is the length of a record's name, in bytes.
const maxName = 255

var tableSyntax = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,54}$`)

func checkTable(table string) error {
	if !tableSyntax.MatchString(table) {
		return errors.New("the table is not of letters in lower case, digits and underscores, at most 55")
	}
	return nil
}

func checkName(name string) error {
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return fmt.Errorf("the name of the record must be UTF-8 of 1 to %d bytes, without a zero byte", maxName)
	}
	return nil
}

// withPort returns host and port as one address.
func withPort(host string) (string, error) {
	if name, port, err := net.SplitHostPort(host); err == nil {
		return net.JoinHostPort(name, port), nil
	}
	name := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if name == "" || strings.ContainsAny(name, "/[] ") {
		return "", fmt.Errorf("%q is no HOST or HOST:PORT", host)
	}
	return net.JoinHostPort(name, "3306"), nil
}
