package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/transport/websocket"
	"k8s.io/klog/v2"
	"k8s.io/streaming/pkg/httpstream"
	streamspdy "k8s.io/streaming/pkg/httpstream/spdy"

	"github.com/fairlead-dev/fairlead/internal/redact"
)

// podConn is a connection to a port in a Pod, through the API server and the kubelet, as
// kubectl port-forward makes them. It listens nowhere: nobody else on this machine can use
// it. One goroutine reads what the kubelet says of the connection, until Close.
type podConn struct {
	httpstream.Stream // of data
	conn              httpstream.Connection
	ended             chan struct{} // closed when the kubelet has said all
	said              error         // what is wrong, once ended is closed; nil: nothing
	answered          atomic.Bool   // something has been read
	close             func() error
}

const (
	tunnel      = "SPDY/3.1+" + portforward.PortForwardProtocolV1Name // what speaks it inside of a WebSocket
	pingEvery   = 5 * time.Second
	mostSaid    = 4096               // bytes
	saidWithin  = time.Second        // after the connection has ended
	rightToPass = "pods/portforward" // a Role's resource
)

// dial connects to the admin port of a Pod. ctx bounds the dialing only.
func (p *pods) dial(ctx context.Context, pod string) (net.Conn, error) {
	conn, err := untilDone(ctx, p, func() (httpstream.Connection, error) { return p.connect(ctx, pod) })
	if err != nil {
		return nil, p.failed(fmt.Sprintf("forward port %d of Pod %s", p.port, pod), rightToPass, "get and create", err)
	}
	c, err := newPodConn(conn, p.port)
	if err != nil {
		_ = conn.Close() // it is of no use
		return nil, fmt.Errorf("forward port %d of Pod %s: %w", p.port, pod, p.redact.Error(err))
	}
	return c, nil
}

// connect opens what carries streams to a Pod: in a WebSocket, or by SPDY if the API
// server, or a proxy in front of it, knows only that.
func (p *pods) connect(ctx context.Context, pod string) (httpstream.Connection, error) {
	u := p.core.RESTClient().Post().Resource("pods").Namespace(p.namespace).Name(pod).SubResource("portforward").URL()
	conn, err := p.connectWebSocket(ctx, u)
	if !httpstream.IsUpgradeFailure(err) && !httpstream.IsHTTPSProxyError(err) {
		return conn, err
	}
	var status error // of an API server that has understood
	if failure, ok := errors.AsType[*httpstream.UpgradeFailureError](err); ok {
		status = failure.Cause
	}
	if apierrors.IsNotFound(status) {
		return nil, status
	}
	conn, why := p.connectSPDY(ctx, u)
	if why != nil && !apierrors.IsForbidden(status) { // else both say the same
		why = errors.Join(err, why)
	}
	return conn, why
}

func (p *pods) connectSPDY(ctx context.Context, u *url.URL) (httpstream.Connection, error) {
	transport, upgrader, err := spdy.RoundTripperFor(p.config)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), nil)
	if err != nil {
		return nil, err
	}
	conn, _, err := spdy.NegotiateStreaming(upgrader, &http.Client{Transport: transport}, req, portforward.PortForwardProtocolV1Name)
	return conn, err
}

func (p *pods) connectWebSocket(ctx context.Context, u *url.URL) (httpstream.Connection, error) {
	transport, holder, err := websocket.RoundTripperFor(p.config)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	conn, err := websocket.Negotiate(transport, holder, req, tunnel)
	if err != nil {
		return nil, err
	}
	return streamspdy.NewClientConnectionWithPings(portforward.NewTunnelingConnectionWithLogger(klog.Background(), conn), pingEvery)
}

// newPodConn opens the two streams of a connection to a port.
func newPodConn(conn httpstream.Connection, port int) (*podConn, error) {
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(port))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	errs, err := conn.CreateStream(headers)
	if err != nil {
		return nil, err
	}
	if err := errs.Close(); err != nil { // nothing is written to it
		return nil, err
	}
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	c := &podConn{conn: conn, ended: make(chan struct{})}
	c.close = sync.OnceValue(func() error {
		err := c.conn.Close()
		<-c.ended
		return err
	})
	if c.Stream, err = conn.CreateStream(headers); err != nil {
		return nil, err
	}
	go func() {
		defer close(c.ended)
		// How it ends says nothing: this is what there is.
		if said, _ := io.ReadAll(io.LimitReader(errs, mostSaid)); len(said) > 0 {
			c.said = errors.New(redact.New().Text(errors.New(string(said))))
		}
	}()
	return c, nil
}

// errNoAnswer is what it means that a connection ends before anything was read.
var errNoAnswer = errors.New("nothing answers there: is fairlead run up in it, with this --admin-bind-address?")

// Read implements net.Conn. Where a connection ends before anything was read, its error
// is what the kubelet says of it, if it says anything; after an answer kubelets say that
// the other side has gone, too, and what has come is read to its end.
func (c *podConn) Read(b []byte) (int, error) {
	n, err := c.Stream.Read(b)
	if n > 0 {
		c.answered.Store(true)
	}
	if err == nil || c.answered.Load() {
		return n, err
	}
	timer := time.NewTimer(saidWithin)
	defer timer.Stop()
	select {
	case <-c.ended:
		if c.said != nil {
			return n, fmt.Errorf("%w The kubelet says: %w", errNoAnswer, c.said)
		}
	case <-timer.C:
	}
	return n, errNoAnswer
}

// Close implements net.Conn.
func (c *podConn) Close() error { return c.close() }

// podAddr is the address of something in a Pod.
type podAddr struct{}

// Network implements net.Addr.
func (podAddr) Network() string { return "pod" }

// String implements net.Addr.
func (podAddr) String() string { return "pod" }

// LocalAddr implements net.Conn.
func (c *podConn) LocalAddr() net.Addr { return podAddr{} }

// RemoteAddr implements net.Conn.
func (c *podConn) RemoteAddr() net.Addr { return podAddr{} }

// SetDeadline implements net.Conn. There are none: whoever waits closes the connection.
func (c *podConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn, see SetDeadline.
func (c *podConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn, see SetDeadline.
func (c *podConn) SetWriteDeadline(time.Time) error { return nil }
