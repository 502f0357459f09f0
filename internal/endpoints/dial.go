package endpoints

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// leastDial is the least time in which a connection has to be made.
const leastDial = 500 * time.Millisecond

// dialer makes connections, with TLS or without.
type dialer struct {
	timeout time.Duration
	secure  map[string]*tls.Config // by HOST:PORT; nil: without TLS
}

func newDialer(scheme string, hosts []string, o Options) (*dialer, error) {
	if scheme != "https" {
		if !o.TLS.IsZero() {
			return nil, errors.New("certificates or a server's name are given, and no TLS is used; write https:// in place of http://")
		}
		return &dialer{timeout: dialTimeout(o.Timeout, len(hosts))}, nil
	}
	d := &dialer{timeout: dialTimeout(o.Timeout, len(hosts)), secure: map[string]*tls.Config{}}
	for _, host := range hosts {
		name, _, err := net.SplitHostPort(host)
		if err != nil {
			return nil, err
		}
		if d.secure[host], err = o.TLS.For(name).Config(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func dialTimeout(timeout time.Duration, hosts int) time.Duration {
	return max(timeout/time.Duration(hosts), leastDial)
}

// unsentError is that of a request for which there was no connection.
type unsentError struct{ error }

func (e unsentError) Unwrap() error { return e.error }

// unsent reports whether the request of this error has surely reached no host.
func unsent(err error) bool {
	var e unsentError
	return errors.As(err, &e)
}

// requestKey is the key of a request's context in that of its dials.
type requestKey struct{}

// withDials returns a context for a request whose dials end with it. net/http has them
// go on by themselves, for a later request.
func withDials(ctx context.Context) context.Context {
	return context.WithValue(ctx, requestKey{}, ctx)
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	if request, ok := ctx.Value(requestKey{}).(context.Context); ok {
		defer context.AfterFunc(request, cancel)()
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, unsentError{err}
	}
	if d.secure == nil {
		return conn, nil
	}
	config := d.secure[address]
	if config == nil { // never without TLS
		return nil, unsentError{errors.Join(fmt.Errorf("%s is no endpoint", address), conn.Close())}
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, unsentError{fmt.Errorf("TLS: %w", errors.Join(err, conn.Close()))}
	}
	return secured, nil
}
