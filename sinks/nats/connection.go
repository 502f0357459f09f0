package nats

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/internal/inflight"
	"github.com/fairlead-dev/fairlead/internal/redact"
)

// dialTimeout is how long a connection, with TLS and login, may take to be made. The
// client does not apply it to dialers of ours: the context does.
const dialTimeout = 5 * time.Second

// connector has the one connection of a sink. A connection is never mended: the next
// write makes another one, so that its errors are told, credentials are read again, and
// nothing waits in the client meanwhile.
type connector struct {
	o       Options
	secrets *redact.Redactor // knows what was sent to log in
	metrics *metrics
	// prepare looks at what a new connection is for.
	prepare func(context.Context, *connection) error
	// dial makes a socket.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	// turn holds the connection, or nil, while nobody looks for one.
	turn chan *connection
	// calls are those of Write.
	calls inflight.Calls
	// server counts up to the next server: an index into Options.Servers, modulo their
	// number. It stays where a server is of use.
	server atomic.Uint32
}

func newConnector(o Options) (*connector, error) {
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	c := &connector{o: o, metrics: m, secrets: redact.New(), dial: new(net.Dialer).DialContext, turn: make(chan *connection, 1)}
	c.turn <- nil
	return c, nil
}

// connection is one to a server.
type connection struct {
	js        jetstream.JetStream
	bucket    jetstream.Stream // that of a bucket, once it is known
	publisher publisher
	conn      *nats.Conn
	dialer    *dialer

	server uint32 // which one, as connector.server counts

	mu     sync.Mutex
	err    error         // why it is of no use any more
	broken chan struct{} // closed then
}

// get returns the connection for writes. If it is of no use any more, the next server is
// asked for another one.
func (c *connector) get(ctx context.Context) (*connection, error) {
	var now *connection
	select {
	case now = <-c.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { c.turn <- now }()
	if now != nil && now.failure() == nil {
		return now, nil
	}
	if now != nil {
		now.close()
		c.leave(now.server)
		now = nil
	}
	next, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	now = next
	return now, nil
}

// visit calls do with a connection of its own, so that what goes wrong there ends no
// write. The context ends when the connection is of no use any more.
func (c *connector) visit(ctx context.Context, do func(context.Context, *connection) error) error {
	own, err := c.connect(ctx)
	if err != nil {
		return c.about(ctx, err)
	}
	defer own.close()
	if err := own.while(ctx, func(ctx context.Context) error { return do(ctx, own) }); err != nil {
		return c.about(ctx, err)
	}
	return nil
}

// Close ends writes that are under way, and the connection. A later Write fails.
func (c *connector) Close() error {
	c.calls.Close()
	if now := <-c.turn; now != nil {
		now.close()
	}
	c.turn <- nil
	return nil
}

// connectTo connects to a server, and ends no later than ctx.
func (c *connector) connectTo(ctx context.Context, server string) (*connection, error) {
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		host, port = server, "4222"
	}
	made := &connection{broken: make(chan struct{})}
	made.dialer = &dialer{dial: func(network, address string) (net.Conn, error) {
		return c.dial(ctx, network, address)
	}}
	opts := []nats.Option{
		nats.Name(c.o.Name), nats.NoReconnect(), nats.IgnoreDiscoveredServers(), nats.SkipHostLookup(),
		nats.SetCustomDialer(made.dialer), nats.Timeout(dialTimeout), nats.NoCallbacksAfterClientClose(),
		nats.ClosedHandler(func(conn *nats.Conn) {
			made.fail(errors.Join(errors.New("the connection has ended"), conn.LastError()))
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { made.fail(err) }),
	}
	if c.o.TLS != nil {
		config, err := c.o.TLS(host)
		if err != nil {
			return nil, err
		}
		opts = append(opts, nats.Secure(config))
	}
	if c.o.Login != nil {
		login, secrets, err := c.o.Login()
		if err != nil {
			return nil, err
		}
		for _, secret := range secrets {
			c.secrets.Note(secret)
		}
		opts = append(opts, login...)
	}
	// The client knows no context: what hangs ends with its socket.
	defer context.AfterFunc(ctx, made.dialer.cut)()
	if made.conn, err = nats.Connect("nats://"+net.JoinHostPort(host, port), opts...); err != nil {
		made.dialer.cut()
		if errors.Is(err, nats.ErrNoServers) && made.dialer.err != nil {
			err = made.dialer.err // which the client does not tell
		}
		if c.o.Login != nil && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)) {
			// The server says why, but the end can overtake it.
			err = fmt.Errorf("the server ends the connection, as it may for a wrong login; correct user, password-file, token-file, creds-file or nkey-file: %w", err)
		}
		return nil, err
	}
	if made.js, err = jetstream.New(made.conn, jetstream.WithDefaultTimeout(c.o.Timeout)); err != nil {
		made.close()
		return nil, err
	}
	made.publisher.conn, made.publisher.metrics = made.conn, c.metrics
	return made, nil
}

// fail notes why the connection is of no use any more, once.
func (c *connection) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		close(c.broken)
	}
}

func (c *connection) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// while calls do with a context that ends when the connection is of no use any more, and
// returns why in place of do's error. The client does not tell who asks for something
// that he has no right to it: he would wait for the end of ctx.
func (c *connection) while(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-c.broken:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := do(ctx)
	if broken := c.failure(); err != nil && broken != nil {
		return broken
	}
	return err
}

// close ends the connection, also if the server does not read.
func (c *connection) close() {
	c.fail(errors.New("the connection was given up"))
	c.dialer.cut()
	if c.conn != nil {
		c.conn.Close()
	}
}

// dialer makes the socket of one connection, and cuts it.
type dialer struct {
	dial func(network, address string) (net.Conn, error)
	err  error // of the last dial, for the goroutine that connects

	mu   sync.Mutex
	conn net.Conn
	over bool
}

// Dial is called by the client.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	conn, err := d.dial(network, address)
	if d.err = err; err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	d.conn = conn
	return conn, nil
}

func (d *dialer) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over = true; d.conn != nil {
		_ = d.conn.Close() // It may be closed already.
	}
}
