package pgserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fairlead-dev/fairlead/internal/reach"
	"github.com/fairlead-dev/fairlead/internal/redact"
)

// Server is what there is to know of how to reach the primary.
type Server struct {
	config   *pgconn.Config // without a host
	hosts    []*pgconn.FallbackConfig
	timeout  time.Duration // of all of them together
	lookup   func(ctx context.Context, host string) (addresses []string, err error)
	good     *atomic.Pointer[place] // the primary as it was found last
	password func(context.Context) (string, error)
	most     int64            // bytes of an answer
	secrets  *redact.Redactor // knows the passwords that were sent
}

// New returns a server. It reads the files of TLS, and connects to nothing.
func New(o Options) (*Server, error) {
	switch {
	case len(o.Hosts) == 0:
		return nil, errors.New("it is not said on which host")
	case o.Database == "":
		return nil, errors.New("it is not said in which database")
	case o.User == "":
		return nil, errors.New("it is not said as which user")
	}
	// ParseConfig has defaults from the environment and files, none of which are to
	// count. So whatever it fills in is replaced.
	config, err := pgconn.ParseConfig("host=localhost port=5432 user=nobody dbname=none sslmode=disable")
	if err != nil {
		return nil, fmt.Errorf("environment variables of PostgreSQL's clients cannot be read: %w", err)
	}
	config.Database, config.User, config.Password = o.Database, o.User, ""
	config.KerberosSrvName, config.KerberosSpn = "", ""
	config.SSLNegotiation, config.SSLCertMode, config.ChannelBinding = "", "", ""
	config.MinProtocolVersion, config.MaxProtocolVersion = "3.0", "3.0"
	if config.RequireAuth = ""; o.TLS == nil {
		config.RequireAuth = "!password" // nobody on the way is to see it
	}
	config.MaxProtocolMessageBodyLen = o.MaxAnswer
	config.RuntimeParams = map[string]string{"client_encoding": "UTF8", "application_name": cmp.Or(o.Application, "fairlead")}
	config.ConnectTimeout, config.Fallbacks = 0, nil // see connectAny
	config.ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) error { return isPrimary(ctx, conn, o.Fsync) }
	s := &Server{
		config: config, timeout: o.Timeout, lookup: net.DefaultResolver.LookupHost, good: new(atomic.Pointer[place]),
		password: o.Password, most: int64(o.MaxAnswer), secrets: redact.New(),
	}
	for _, host := range o.Hosts {
		f, err := o.fallback(host)
		if err != nil {
			return nil, err
		}
		s.hosts = append(s.hosts, f)
	}
	return s, nil
}

// With returns the same server, for calls to which it may answer so much, in bytes. The
// two know of each other's passwords, so that either may show what the other has got.
func (s *Server) With(maxAnswer int) *Server {
	with := *s
	with.config = s.config.Copy()
	with.config.MaxProtocolMessageBodyLen, with.most = maxAnswer, int64(maxAnswer)
	return &with
}

// validate is asked of each new connection.
const validate = `SELECT pg_is_in_recovery()::text, current_setting('transaction_read_only'), current_setting('fsync')`

// isPrimary is asked of each host until one is.
func isPrimary(ctx context.Context, conn *pgconn.PgConn, fsync bool) error {
	results, err := conn.Exec(ctx, validate).ReadAll()
	if err != nil {
		return err
	}
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != 3 {
		return ErrNoAnswer
	}
	row := results[0].Rows[0]
	switch {
	case string(row[0]) != "false":
		return ErrStandby
	case string(row[1]) != "off":
		return errors.New("its transactions are read only")
	case fsync && string(row[2]) != "on":
		return errors.New("it has fsync = off, so that it may forget what it has confirmed; set it to on")
	}
	return nil
}

// ErrNoAnswer says that an answer is not what was asked for.
var ErrNoAnswer = errors.New("it does not answer as PostgreSQL does")

// ErrStandby says that a server takes no writes.
var ErrStandby = errors.New("it is a standby, which may be behind; name the primary among the hosts")

// Conn is a connection to the primary. One goroutine uses it at a time.
type Conn struct {
	*pgconn.PgConn
	dialer *dialer
}

// Connect returns a new connection to the primary. notice is called with what the
// server says beside answers, while a call is under way. Errors are fit to be shown.
func (s *Server) Connect(ctx context.Context, notice pgconn.NoticeHandler) (*Conn, error) {
	config := s.config.Copy()
	config.OnNotice = notice
	if s.password != nil {
		password, err := s.password(ctx)
		if err != nil {
			return nil, fmt.Errorf("connect to PostgreSQL: get the password: %w", err)
		}
		config.Password = password
		s.secrets.Note(password)
	}
	conn, err := s.connectAny(ctx, config)
	if err != nil {
		if advice := reach.Advice(err); advice != "" {
			err = fmt.Errorf("%w; %s", err, advice)
		}
		return nil, s.Shown(err)
	}
	return conn, nil
}

// Allow begins to count anew what the server says.
func (c *Conn) Allow() { c.dialer.last.allow() }

// End ends the connection, and returns once that has been done. The client tells the
// server that it leaves, unless it has begun to end the connection by itself: then it
// waits in the background for what the server may still say, which nobody wants.
func (c *Conn) End(ctx context.Context) {
	if c.IsClosed() {
		_ = c.dialer.last.Close()
	} else {
		_ = c.Close(ctx)
	}
	<-c.CleanupDone()
}

// Shown returns an error on one line without secrets, however a server put it. It
// wraps err if that is an answer of a server, so that its code can be asked for, or
// ErrStandby.
func (s *Server) Shown(err error) error {
	text := strings.TrimSpace(s.secrets.Text(err))
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok {
		return &shown{text, answer}
	}
	if errors.Is(err, ErrStandby) {
		return &shown{text, ErrStandby}
	}
	return errors.New(text)
}

// shown is an error with a text that is fit to be shown.
type shown struct {
	text string
	is   error
}

func (s *shown) Error() string { return s.text }

// Unwrap returns what it is. The text of a server's answer is not fit to be shown.
func (s *shown) Unwrap() error { return s.is }

// Code returns the SQLSTATE of the server's answer that err is or wraps; "" if there is
// none.
func Code(err error) string {
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok {
		return answer.Code
	}
	return ""
}
