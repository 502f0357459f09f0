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

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/pgserver"
)

// Tables says which tables a sink writes.
type Tables string

// The tables.
const (
	State   Tables = "state"   // fairlead_state: one row for each object, its last state
	History Tables = "history" // fairlead_history: one row for each change
	Both    Tables = "both"    // both, in one transaction
)

func (t Tables) state() bool   { return t != History }
func (t Tables) history() bool { return t == History || t == Both }

// Defaults of Options.
const (
	DefaultSchema     = "public"
	DefaultWriter     = "fairlead"
	DefaultTimeout    = time.Minute
	DefaultDeletedFor = 168 * time.Hour
)

// Options configure a sink.
type Options struct {
	// Hosts are HOST or HOST:PORT of the servers, of which the one is used that takes
	// writes. They are tried in this order, but first that which was found last. The
	// port is 5432 if there is none. Required.
	Hosts []string
	// Database and User say where to log in, and as whom. Both required.
	Database, User string
	// Password returns the password. It is asked for each connection, by any goroutine.
	// nil: there is none.
	Password func(context.Context) (string, error)
	// TLS returns the configuration for a server of that host name or address. It is
	// asked once or twice. nil: connections are not encrypted.
	TLS func(host string) (*tls.Config, error)
	// Application is the name of the program, as the server shows it among its
	// connections.
	Application string
	// Schema holds the tables: letters in lower case, digits and underscores. Empty is
	// DefaultSchema.
	Schema string
	// Tables are those that are written. Empty is State.
	Tables Tables
	// Exact: objects are of type json, as the bytes that were delivered, in place of
	// jsonb.
	Exact bool
	// NoMigrate: the tables must be there.
	NoMigrate bool
	// Writer names those of which one delivers after the other, with a higher term: 1 to
	// 63 bytes of UTF-8. Sinks of programs that deliver at the same time into the same
	// tables need names of their own, and other clusters. Empty is DefaultWriter.
	Writer string
	// DeletedFor is for how long the row of a deleted object is kept, so that nothing
	// older makes it exist again: longer than any change can take to come again. Zero
	// is DefaultDeletedFor. Negative: for ever.
	DeletedFor time.Duration
	// HistoryFor is for how long a row of the history is kept, from its observation.
	// Zero: for ever.
	HistoryFor time.Duration
	// Notify is the channel on which each batch is told, once, see notify.go; at most 63
	// bytes. Empty: none.
	Notify string
	// Connections is how many writes may be under way at once, each over a connection of
	// its own. Zero is 1.
	Connections int
	// Timeout is how long a write may take, and a call that reads but for ReadBack. The
	// server ends what takes longer. At most 24 hours. Zero is DefaultTimeout.
	Timeout time.Duration
	// Log hears of migrations, and of rows that cannot be removed. The zero value drops
	// both.
	Log logr.Logger
	// Registerer takes the metrics. nil: nothing is counted.
	Registerer prometheus.Registerer
}

var schemaSyntax = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// maxWord is the length of a channel's and a writer's name, in bytes.
const maxWord = 63

func (o Options) withDefaults() Options {
	o.Schema = cmp.Or(o.Schema, DefaultSchema)
	o.Tables = cmp.Or(o.Tables, State)
	o.Writer = cmp.Or(o.Writer, DefaultWriter)
	o.DeletedFor = cmp.Or(o.DeletedFor, DefaultDeletedFor)
	o.Connections = max(o.Connections, 1)
	o.Timeout = cmp.Or(max(o.Timeout, 0), DefaultTimeout)
	return o
}

// check reports every mistake of options with defaults, but for those of the server.
func (o *Options) check() error {
	var errs []error
	if !schemaSyntax.MatchString(o.Schema) {
		errs = append(errs, errors.New("the schema is not of letters in lower case, digits and underscores, at most 63"))
	}
	if o.Tables != State && o.Tables != History && o.Tables != Both {
		errs = append(errs, fmt.Errorf("tables are %s, %s or %s", State, History, Both))
	}
	if o.Timeout > 24*time.Hour {
		errs = append(errs, errors.New("the timeout is more than 24 hours"))
	}
	for what, word := range map[string]string{"writer": o.Writer, "channel to notify": o.Notify} {
		if len(word) > maxWord || !utf8.ValidString(word) || strings.ContainsRune(word, 0) {
			errs = append(errs, fmt.Errorf("the name of the %s must be UTF-8 of at most %d bytes, without a zero byte", what, maxWord))
		}
	}
	return errors.Join(errs...)
}

// Bounds of what a server may say, in bytes.
const (
	// maxAnswer is for one call that writes: far more than its counts have.
	maxAnswer = 1 << 20
	// maxRow is for one row that is read back: an object, as jsonb shows it.
	maxRow = 64 << 20
)

// server returns what reaches the primary.
func (o *Options) server() (*pgserver.Server, error) {
	return pgserver.New(pgserver.Options{
		Hosts: o.Hosts, Database: o.Database, User: o.User, Password: o.Password, TLS: o.TLS, Application: o.Application,
		Timeout: o.Timeout, MaxAnswer: maxAnswer,
	})
}
