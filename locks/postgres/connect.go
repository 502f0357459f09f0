package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/locks"
)

// server is what there is to know of how to reach the primary.
type server struct {
	config   *pgconn.Config
	password func(context.Context) (string, error)
	secrets  *redact.Redactor // knows the passwords that were sent
}

func newServer(o Options) (*server, error) {
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
	config.MaxProtocolMessageBodyLen = maxAnswer
	config.RuntimeParams = map[string]string{"client_encoding": "UTF8", "application_name": cmp.Or(o.Application, "fairlead")}
	config.ConnectTimeout = cmp.Or(o.Timeout, locks.DefaultTimeout) / time.Duration(len(o.Hosts))
	config.ValidateConnect = isPrimary
	config.Fallbacks = nil
	for i, host := range o.Hosts {
		f, err := fallback(host, o)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			config.Host, config.Port, config.TLSConfig = f.Host, f.Port, f.TLSConfig
		} else {
			config.Fallbacks = append(config.Fallbacks, f)
		}
	}
	return &server{config: config, password: o.Password, secrets: redact.New()}, nil
}

// fallback says how to reach one host.
func fallback(host string, o Options) (*pgconn.FallbackConfig, error) {
	name, port, err := withPort(host)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return nil, fmt.Errorf("the port of %q is no number from 1 to 65535", host)
	}
	f := &pgconn.FallbackConfig{Host: name, Port: uint16(number)}
	if o.TLS != nil {
		if f.TLSConfig, err = o.TLS(name); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// isPrimary is asked of each host until one is.
func isPrimary(ctx context.Context, conn *pgconn.PgConn) error {
	results, err := conn.Exec(ctx, validate).ReadAll()
	if err != nil {
		return err
	}
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != 3 {
		return errNoAnswer
	}
	row := results[0].Rows[0]
	switch {
	case string(row[0]) != "false":
		return errStandby
	case string(row[1]) != "off":
		return errors.New("its transactions are read only")
	case string(row[2]) != "on":
		return errors.New("it has fsync = off, so that it may forget who leads; set it to on")
	}
	return nil
}

var errNoAnswer = errors.New("it does not answer as PostgreSQL does")

var errStandby = errors.New("it is a standby, which may be behind; name the primary among the hosts")

// connection is one to the primary.
type connection struct {
	*pgconn.PgConn
	dialer *dialer
}

// connect returns a new connection to the primary. Errors hold no password.
func (s *server) connect(ctx context.Context, notice pgconn.NoticeHandler) (*connection, error) {
	config := s.config.Copy()
	if s.password != nil {
		password, err := s.password(ctx)
		if err != nil {
			return nil, fmt.Errorf("connect to PostgreSQL: password: %w", err)
		}
		config.Password = password
		s.secrets.Note(password)
	}
	d := &dialer{}
	config.DialFunc, config.OnNotice = d.dial, notice
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, s.shown(err)
	}
	d.connected = true
	return &connection{conn, d}, nil
}

// end ends the connection, and returns once that has been done. The client tells the
// server that it leaves, unless it has begun to end the connection by itself: then it
// waits in the background for what the server may still say, which nobody wants.
func (c *connection) end(ctx context.Context) {
	if c.IsClosed() {
		_ = c.dialer.last.Close()
	} else {
		_ = c.Close(ctx)
	}
	<-c.CleanupDone()
}

// dialer connects until there is a connection. After a failure pgconn would make
// another one in the background, to have the server cancel what nobody waits for. The
// server does that by itself, after the statement's timeout.
type dialer struct {
	last      *bounded
	connected bool
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if d.connected {
		return nil, errors.New("what was begun is left to end by itself")
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.last = &bounded{Conn: conn}
	d.last.allow()
	return d.last, nil
}

// shown returns an error on one line without secrets, however a server put it.
func (s *server) shown(err error) error {
	return errors.New(strings.TrimSpace(s.secrets.Text(err)))
}
