package pgserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Bounds of a search for the primary.
const (
	// mostAddresses is how many addresses of one host are tried.
	mostAddresses = 8
	// mostWait is how long one is waited for while there are others to try.
	mostWait = 10 * time.Second
)

// place is where a primary was found.
type place struct {
	host    *pgconn.FallbackConfig
	address string
}

// connectAny connects to the first host that is the primary, begins with the place at
// which that was last, and waits for none so long that no time is left for another one.
// pgconn would give each address of a host the same time, and try no further host after
// one that knows another password.
func (s *Server) connectAny(ctx context.Context, config *pgconn.Config) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	good := s.good.Load()
	hosts := slices.Clone(s.hosts)
	if good != nil {
		first(hosts, good.host)
	}
	var errs []error
	for i, host := range hosts {
		conn, err := s.connectHost(ctx, config, host, good, len(hosts)-i)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// connectHost tries one of so many hosts that are left, address by address.
func (s *Server) connectHost(ctx context.Context, config *pgconn.Config, host *pgconn.FallbackConfig, good *place, left int) (*Conn, error) {
	ctx, cancel := share(ctx, left)
	defer cancel()
	addresses, err := s.lookup(ctx, host.Host)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", host.Host, err)
	}
	if good != nil && good.host == host {
		first(addresses, good.address)
	}
	if len(addresses) == 0 {
		return nil, fmt.Errorf("look up %s: it has no address", host.Host)
	}
	addresses = addresses[:min(len(addresses), mostAddresses)]
	var errs []error
	for i, address := range addresses {
		conn, err := connectOne(ctx, config, host, address, s.most, len(addresses)-i)
		if err == nil {
			s.good.Store(&place{host, address})
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// connectOne tries one of so many addresses that are left.
func connectOne(ctx context.Context, config *pgconn.Config, host *pgconn.FallbackConfig, address string, most int64, left int) (*Conn, error) {
	ctx, cancel := share(ctx, left)
	defer cancel()
	d := &dialer{most: most}
	config = config.Copy()
	config.Host, config.Port, config.TLSConfig, config.DialFunc = host.Host, host.Port, host.TLSConfig, d.dial
	config.LookupFunc = func(context.Context, string) ([]string, error) { return []string{address}, nil }
	conn, err := pgconn.ConnectConfig(context.WithValue(ctx, dialerKey{}, d), config)
	if err != nil {
		return nil, err
	}
	return &Conn{conn, d}, nil
}

// share gives one of so many that are left to try its share of the time.
func share(ctx context.Context, left int) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok || left <= 1 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, min(time.Until(deadline)/time.Duration(left), mostWait))
}

// first moves an element to the front, if there is one.
func first[T comparable](all []T, what T) {
	if i := slices.Index(all, what); i > 0 {
		copy(all[1:], all[:i])
		all[0] = what
	}
}

// dialer connects for connectOne, whose ctx has it, and for nobody else. After a failure
// pgconn would make another connection in the background, with a ctx of its own, to have
// the server cancel what nobody waits for. The server does that by itself, after the
// statement's timeout.
type dialer struct {
	most int64
	last *bounded // of the goroutine of connectOne
}

type dialerKey struct{}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if ctx.Value(dialerKey{}) != d {
		return nil, errors.New("what was begun is left to end by itself")
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.last = &bounded{Conn: conn, most: d.most}
	d.last.allow()
	return d.last, nil
}
